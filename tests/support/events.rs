//! Logs in a folder, and events to put there.

pub mod raw;

use std::path::Path;

use kinora_log::{AppendRequest, Limits, Log, Recorded, StreamAppend};
use kinora_storage::Storage;
use kinora_types::{Direction, EventType, ExpectedRevision, NewEvent, Position};
use uuid::Uuid;

pub fn open(dir: &Path) -> Log {
    Log::open(&Storage::default(), dir, Limits::default()).expect("the log opens")
}

/// A copy of the files of a folder.
pub fn copied(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
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
    AppendRequest::from(vec![to(stream, expected, events)])
}

/// The whole log, in order.
pub fn everything(log: &Log) -> Vec<Recorded> {
    log.read(Position(0), Direction::Forwards, usize::MAX).unwrap()
}
