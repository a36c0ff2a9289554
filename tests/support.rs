//! What several tests need: a log in a folder of its own, and events to put there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use kinora::event::{Direction, EventType, ExpectedRevision, NewEvent, Position};
use kinora::log::{AppendRequest, Limits, Log, Recorded, StreamAppend};
use kinora::storage::Storage;
use uuid::Uuid;

pub fn open(dir: &Path) -> Log {
    Log::open(&Storage::default(), dir, Limits::default()).expect("the log opens")
}

/// An event whose id and content follow from `id` and `content`.
pub fn event(id: u128, content: u64) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(id),
        kind: EventType::new("Counted", 1).unwrap(),
        data: serde_json::from_str(&format!(r#"{{"n":{content}}}"#)).unwrap(),
        metadata: None,
        tags: vec![format!("n:{content}").parse().unwrap()],
    }
}

pub fn to(stream: &str, expected: ExpectedRevision, events: Vec<NewEvent>) -> StreamAppend {
    StreamAppend { stream: stream.parse().unwrap(), expected, events }
}

pub fn request(stream: &str, expected: ExpectedRevision, events: Vec<NewEvent>) -> AppendRequest {
    AppendRequest { appends: vec![to(stream, expected, events)] }
}

/// The whole log, in order.
pub fn everything(log: &Log) -> Vec<Recorded> {
    log.read(Position(0), Direction::Forwards, usize::MAX).unwrap()
}
