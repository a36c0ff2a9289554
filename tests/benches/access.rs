//! The price of knowing who asks: appends, rows and commands with an API key on each request, next to the same of a
//! host that needs none, by turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "other benches use the rest of it")]
#[path = "log/http.rs"]
mod http;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kinora_tests::bench::{Figures, rounds};
use kinora_tests::{Api, Program, module};
use serde_json::json;

/// How long one figure is measured for.
const SPAN: Duration = Duration::from_secs(3);

/// Streams, rows and aggregates.
const ALL: u64 = 1_000;

/// A host, and what its clients send besides.
struct Side {
    name: &'static str,
    host: Program,
    header: String,
}

impl Side {
    async fn start(name: &'static str, data: &Path, has_keys: bool) -> Self {
        let key = has_keys.then(|| key(data));
        let host = Program::start(data);
        let api = key.as_ref().map_or_else(|| host.api(), |key| host.api().with_key(key));
        fill(&api).await;
        let header = key.map_or_else(String::new, |key| format!("authorization: Bearer {key}\r\n"));
        Self { name, host, header }
    }

    /// Requests a second: each of them is about the next of [`ALL`].
    async fn load(&self, clients: usize, request: impl Fn(u64) -> Vec<u8> + Copy + Send + 'static) -> f64 {
        let (next, header) = (Arc::new(AtomicU64::new(0)), self.header.clone());
        let with_header = move |_| {
            let request = request(next.fetch_add(1, Ordering::Relaxed) % ALL);
            let line = request.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
            [&request[..line], header.as_bytes(), &request[line..]].concat()
        };
        http::load(self.host.address(), clients, SPAN, with_header).await.rate
    }
}

/// Makes a key, as people do.
fn key(data: &Path) -> String {
    std::fs::create_dir_all(data).unwrap();
    let mut command = Command::new(Program::path());
    let made = command.args(["keys", "create", "bench", "--role", "admin", "--data"]).arg(data).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let said = String::from_utf8(made.stdout).unwrap();
    said.split_whitespace().find(|word| word.starts_with("kinora_")).expect("a key").to_owned()
}

async fn fill(api: &Api) {
    // First: what it decides, the projection would stop at, so later nobody would let it go live.
    api.decider_live("contrary", module("contrary")).await;
    let digest = api.upload(module("tally")).await;
    api.deploy_live("tally", &digest).await;
    for n in 0..ALL {
        let counted = api.post(&format!("streams/s{n}/events"), json!({"type": "Count", "data": {"n": 1}})).await;
        assert_eq!(counted.status, 201, "{counted:?}");
    }
    api.until_caught_up("tally", 1).await;
    // It stands still while others append.
    let paused = api.post("projections/tally/versions/1/pause", json!({})).await;
    assert_eq!(paused.status, 200, "{paused:?}");
}

#[tokio::main]
async fn main() {
    // `cargo test` runs benches, too, with this argument missing; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sides = [
        Side::start("without keys", &dir.path().join("open"), false).await,
        Side::start("with a key", &dir.path().join("keys"), true).await,
    ];
    rounds(async || measure(&sides).await).await;
}

async fn measure(sides: &[Side; 2]) -> Figures {
    let mut figures = Figures::default();
    let append = |n| http::post(&format!("/v1/streams/plain-{n}/events"), r#"{"type":"Plain","data":{"cents":1250}}"#);
    let row = |n| http::get(&format!("/v1/read-models/tally/counts/s{n}?stale=true"));
    let command = |n| http::post(&format!("/v1/deciders/contrary/{n}/Count"), r#"{"n":1}"#);
    for side in sides {
        let what = side.name;
        figures.add(&format!("appends, 64 clients, {what}"), "requests/s", side.load(64, append).await);
        figures.add(&format!("rows by key, 8 clients, {what}"), "requests/s", side.load(8, row).await);
        figures.add(&format!("commands, 64 clients, {what}"), "requests/s", side.load(64, command).await);
    }
    for work in ["appends, 64 clients", "rows by key, 8 clients", "commands, 64 clients"] {
        let [without, with] = sides.each_ref().map(|side| format!("{work}, {}", side.name));
        figures.ratio(&format!("  ratio ({work})"), &with, &without);
    }
    figures
}
