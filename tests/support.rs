//! What several tests need: a log in a folder of its own, and events to put there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/bench.rs"]
pub mod bench;
#[path = "support/description.rs"]
pub mod description;
mod handwritten;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use handwritten::Handwritten;
use kinora_log::{AppendRequest, Limits, Log, Recorded, StreamAppend};
use kinora_storage::Storage;
use kinora_types::{Direction, EventType, ExpectedRevision, NewEvent, Position};
use serde_json::{Value, json};
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

/// A host as its users have it: the real program, with a socket.
pub struct Host {
    process: Child,
    pub url: String,
}

impl Host {
    /// Starts the program that was built beside the tests and waits until it serves.
    pub fn start(data: &Path) -> Self {
        Self::start_at(data, "127.0.0.1:0")
    }

    pub fn start_at(data: &Path, address: &str) -> Self {
        let mut command = Self::command(data);
        command.args(["--listen", address]);
        Self::start_command(command)
    }

    /// Starts what [`Self::command`] made, with more arguments.
    pub fn start_command(mut command: Command) -> Self {
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

    /// The program that was built beside the tests.
    pub fn program() -> PathBuf {
        std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("kinora")
    }

    pub fn command(data: &Path) -> Command {
        let mut command = Command::new(Self::program());
        command.arg("serve").arg("--data").arg(data);
        command
    }

    /// `kill -9`: no destructor, no flush, no farewell.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Its HTTP interface.
    pub fn api(&self) -> Api {
        Api { client: reqwest::Client::builder().no_proxy().build().unwrap(), url: self.url.clone() }
    }

    /// Told to stop, as a service manager does it.
    pub fn stop(mut self) {
        let told = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(told.success());
        assert!(self.process.wait().unwrap().success());
    }

    /// The most memory that it has had, in MiB. Only Linux tells.
    pub fn peak_memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The same address, for a host that comes back.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
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

/// A module that `make modules` has built.
pub fn module(name: &str) -> Vec<u8> {
    let target: PathBuf = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    std::fs::read(target.join("modules").join(format!("{name}.wasm"))).expect("`make modules` first")
}

/// How long anything that is waited for may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A host's HTTP interface. Paths begin after `/v1/`.
#[derive(Clone)]
pub struct Api {
    pub client: reqwest::Client,
    pub url: String,
}

/// An answer: status, the headers that say where it comes from, and the body.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub version: Option<u64>,
    pub position: Option<u64>,
    pub body: Value,
}

impl Api {
    /// The answer, which has to be as the description of the API says.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let response = client.execute(request).await.unwrap();
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let number = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().parse().unwrap());
        let (status, version, position) =
            (response.status().as_u16(), number("kinora-version"), number("kinora-position"));
        let text = response.text().await.unwrap();
        description::check(&method, &path, status, kind.as_deref(), &text);
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Answer { status, version, position, body }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.url)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.at(path))).await
    }

    pub async fn get_with(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.send(self.client.get(self.at(path)).query(parameters)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.client.post(self.at(path)).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.client.delete(self.at(path))).await
    }

    /// Uploads a module, waits until it is compiled, and gives its digest.
    pub async fn upload(&self, wasm: Vec<u8>) -> String {
        let answer = self.send(self.client.post(self.at("modules")).body(wasm)).await;
        assert!(answer.status < 300, "{answer:?}");
        let digest = answer.body["digest"].as_str().unwrap().to_owned();
        let path = format!("modules/{digest}");
        self.until(&path, |module| module["state"] == "ready").await;
        digest
    }

    /// Deploys a version and gives its number.
    pub async fn deploy(&self, name: &str, module: &str, upcasters: &[&str]) -> u64 {
        let body = json!({"module": module, "upcasters": upcasters});
        let answer = self.post(&format!("projections/{name}/versions"), body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.body["version"].as_u64().unwrap()
    }

    /// Waits until a version is in a state.
    pub async fn until_state(&self, name: &str, version: u64, state: &str) -> Value {
        let path = format!("projections/{name}/versions/{version}");
        self.until(&path, |status| {
            assert!(status["state"] != "faulted" || state == "faulted", "{status}");
            status["state"] == state
        })
        .await
    }

    /// Waits until a version has applied everything and says so.
    pub async fn until_caught_up(&self, name: &str, version: u64) -> Value {
        let path = format!("projections/{name}/versions/{version}");
        self.until(&path, |status| {
            assert!(status["state"] != "faulted", "{status}");
            status["lag"] == 0 && ["ready", "live", "standby"].contains(&status["state"].as_str().unwrap())
        })
        .await
    }

    pub async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.get(path).await;
            if answer.status == 200 && is_so(&answer.body) {
                return answer.body;
            }
            assert!(started.elapsed() < PATIENCE, "it did not come to be: {answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All rows of a table of a version, in the order of their keys.
    pub async fn rows(&self, name: &str, table: &str, version: u64) -> Vec<(String, Value)> {
        let mut rows = Vec::new();
        let mut path = format!("/v1/read-models/{name}/{table}?version={version}&limit=1000&stale=true");
        loop {
            let page = self.send(self.client.get(format!("{}{path}", self.url))).await;
            assert_eq!(page.status, 200, "{page:?}");
            for row in page.body["rows"].as_array().unwrap() {
                rows.push((row["key"].as_str().unwrap().to_owned(), row["row"].clone()));
            }
            match page.body["next"].as_str() {
                Some(next) => path = next.to_owned(),
                None => return rows,
            }
        }
    }
}
