//! What several tests need: a log in a folder of its own, and events to put there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

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

/// A host as its users have it: the real program, with a socket.
pub struct Host {
    process: Child,
    pub url: String,
}

impl Host {
    /// Starts the program that was built beside the tests and waits until it serves.
    pub fn start(data: &Path) -> Self {
        let mut command = Self::command(data);
        command.args(["--listen", "127.0.0.1:0"]);
        let mut process = command.stderr(Stdio::piped()).spawn().expect("`cargo build --release` first");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address =
                line.split_once("serving address=").map(|(_, rest)| rest.split(' ').next().unwrap().to_owned());
            said.push(line);
            address
        });
        let Some(address) = address else { unreachable!("the host did not start: {said:#?}") };
        // Somebody has to read what the host says, or it would wait for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("http://{address}") }
    }

    pub fn command(data: &Path) -> Command {
        let here = std::env::current_exe().unwrap();
        let program = here.ancestors().nth(2).unwrap().join("kinora");
        let mut command = Command::new(program);
        command.arg("serve").arg("--data").arg(data);
        command
    }

    /// `kill -9`: no destructor, no flush, no farewell.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn events_of(&self, stream: &str) -> String {
        format!("{}/v1/streams/{stream}/events", self.url)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
