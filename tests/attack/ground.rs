//! The ground that is attacked: a host as its users start it, with events, a projection of two versions, and one that
//! loops at an event.

use std::net::SocketAddr;

use kinora_tests::{Api, Handwritten, Program, module};
use serde_json::{Value, json};

/// What a host takes with nothing to do: caches, tables of RocksDB in memory, machine code.
const AT_REST_BYTES: u64 = 512 << 20;

/// What a connection may have in memory that no other limit counts: what was read and what is to be written.
const CONNECTION_BYTES: u64 = 2 * (408 << 10);

const THINGS: usize = 2_000;
const NOTES: usize = 16_000;
const LARGE_NOTES: usize = 16;

pub struct Ground {
    pub host: Program,
    pub address: SocketAddr,
    /// Where operators are answered.
    pub operators: String,
    /// Bytes that the host may have in memory at most, by its limits.
    pub bound: u64,
    _dir: tempfile::TempDir,
}

impl Ground {
    pub async fn prepare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Program::command(dir.path());
        command.args(["--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"]);
        let host = Program::start_command(command);
        let said = host.said();
        let operators = said.iter().find_map(|line| line.split_once("serving operators address=")).unwrap().1;
        let operators = format!("http://{}", operators.split(' ').next().unwrap());
        let api = host.api();
        fill(&api).await;
        deploy(&api).await;
        let bound = bound(&api).await;
        Self { address: host.address().parse().unwrap(), host, operators, bound, _dir: dir }
    }

    /// Has the system forget how much memory the host has had.
    pub fn forget_peak(&self) {
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.host.process_id()), "5");
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.host.process_id())).unwrap_or_default();
        state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }
}

async fn append(api: &Api, stream: &str, events: Value) {
    let answer = api.post(&format!("streams/{stream}/events"), events).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

async fn fill(api: &Api) {
    for n in 0..LARGE_NOTES {
        let text = "x".repeat(1_000_000);
        append(api, "notes", json!([{"type": "Noted", "data": {"n": n, "text": text}}])).await;
    }
    for first in (0..NOTES).step_by(1_000) {
        let note = |n: usize| json!({"type": "Noted", "data": {"n": n, "text": "x".repeat(1_000)}});
        append(api, "notes", (first..first + 1_000).map(note).collect()).await;
    }
    for n in 0..THINGS {
        let data = json!({"n": n, "code": format!("c{}", n % 100), "resources": [format!("r{}", n % 50), "all"]});
        append(api, &format!("thing-{n}"), json!({"type": "Seen", "data": data})).await;
    }
    append(api, "looping", json!({"type": "Loop", "data": {}})).await;
}

async fn deploy(api: &Api) {
    let things = api.upload(module("shapes")).await;
    for version in [1, 2] {
        assert_eq!(api.deploy("things", &things, &[]).await, version);
        api.until_caught_up("things", version).await;
    }
    assert_eq!(api.post("projections/things/versions/1/promote", json!({})).await.status, 200);
    let (apply, query) =
        ("(if (call $bad (local.get $batch)) (then (loop $again (br $again))))", "(loop $again (br $again))");
    let looping = Handwritten { apply, query, bad: "Loop", ..Handwritten::default() };
    let digest = api.upload(looping.module()).await;
    api.deploy("loop", &digest, &[]).await;
    api.until_state("loop", 1, "faulted").await;
}

/// The sum of all that the host's limits allow, as LIMITS.md has it under "Memory".
async fn bound(api: &Api) -> u64 {
    let limits = api.get("limits").await.body;
    let limit = |part: &str, name: &str| limits[part][name].as_u64().unwrap();
    let guests = limit("queries", "named_at_once") + limit("queries", "comparisons_at_once");
    let projections = api.get("projections").await.body;
    let versions = projections["projections"].as_array().unwrap().iter();
    let versions: u64 = versions.map(|each| each["versions"].as_array().unwrap().len() as u64).sum();
    let instance = limit("sandbox", "memory_bytes");
    AT_REST_BYTES
        + 2 * limit("bodies", "bytes_at_once")
        + limit("queries", "bytes_at_once")
        + limit("http", "connections") * CONNECTION_BYTES
        // What each has been handed over, which may be a single large event and its metadata.
        + limit("queries", "followers") * 2 * limit("log", "event_bytes")
        + guests * instance
        + versions * (instance + limit("sandbox", "commit_bytes"))
}
