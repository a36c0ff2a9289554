//! Rollouts: how fast two versions are compared, next to a bare pass over the same two databases; how long a switch
//! takes, and what queries notice of it.
//!
//! `ROWS` says how many rows the compared versions have (a million unless it is set), `ROUNDS` how often.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kinora_readmodel::{CommitMode, Store, Writes, diff};
use kinora_storage::Storage;
use kinora_tests::bench::{Figures, rounds};
use kinora_tests::{Api, Program, module};
use kinora_types::TableSpec;
use kinora_types::{Budget, Progress};
use serde_json::{Value, json};

/// Rows of a commit, while the compared read models are made.
const COMMIT_ROWS: u64 = 100_000;

/// Switches that are timed, there and back.
const SWITCHES: usize = 100;

/// How long queries are made for one figure.
const SPAN: Duration = Duration::from_secs(3);

const CLIENTS: usize = 8;

#[tokio::main]
async fn main() {
    // `cargo test` runs benches, too, with this argument missing; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rows = std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    rounds(async || {
        let mut figures = Figures::default();
        compared(&mut figures, rows);
        switched(&mut figures).await;
        figures
    })
    .await;
}

/// A row of about 150 bytes. `shift` is what differs.
fn row(key: u64, shift: u64) -> String {
    format!(
        concat!(
            r#"{{"flights":{},"cancelled":{},"delay":{{"mean":{}.25,"most":{}}},"carrier":"UA","origin":"EWR","#,
            r#""destination":"IAH","updated":"2013-06-{:02}"}}"#
        ),
        key % 5_000,
        key % 17,
        key % 90,
        (key % 900) + shift,
        key % 28 + 1
    )
}

/// A read model of so many rows, in which one of `every` rows has another value (0: none has).
fn read_model(storage: &Storage, dir: &Path, rows: u64, every: u64) -> Store {
    let tables =
        [TableSpec { name: "rows".into(), key: "number".into(), schema: None, indexes: Vec::new(), history: None }];
    let store = Store::open(storage, dir, &tables).unwrap();
    let mut writes = Writes::default();
    for key in 0..rows {
        let shift = u64::from(every > 0 && key % every.max(1) == 0);
        writes.set(0, &format!("{key:012}"), Some(row(key, shift).as_bytes()));
        if (key + 1) % COMMIT_ROWS == 0 || key + 1 == rows {
            store.commit(&writes, Progress(key + 1), CommitMode::UntilFlushed).unwrap();
            writes.clear();
        }
    }
    store.flush().unwrap();
    store
}

fn compared(figures: &mut Figures, rows: u64) {
    let (dir, storage) = (tempfile::tempdir().unwrap(), Storage::default());
    let made = |name: &str, every| read_model(&storage, &dir.path().join(name), rows, every);
    let (base, same, tenth, all) = (made("base", 0), made("same", 0), made("tenth", 10), made("all", 1));
    let base = base.snapshot().unwrap();
    for (name, other, differ) in [
        ("difference, no row differs", same, 0),
        ("difference, one row of ten differs", tenth, rows.div_ceil(10)),
        ("difference, every row differs", all, rows),
    ] {
        let other = other.snapshot().unwrap();
        let started = Instant::now();
        let found = diff(&base, &other, 5, &Budget::unlimited()).unwrap();
        let took = started.elapsed().as_secs_f64();
        assert_eq!((found.tables[0].changed, found.tables[0].rows_to), (differ, rows));
        figures.add(name, "rows/s", rows as f64 / took);
    }
    drop(base);
    let started = Instant::now();
    let seen = bare_pass(&dir.path().join("base")) + bare_pass(&dir.path().join("same"));
    assert!(seen >= 2 * rows);
    figures.add("  RocksDB alone, a pass over both", "rows/s", rows as f64 / started.elapsed().as_secs_f64());
    figures.ratio("  ratio to that, no row differs", "difference, no row differs", "  RocksDB alone, a pass over both");
}

/// Reads everything that a database has, and does nothing with it.
fn bare_pass(dir: &Path) -> u64 {
    let db = rocksdb::DB::open_for_read_only(&Storage::default().database_options(dir), dir, false).unwrap();
    let mut options = rocksdb::ReadOptions::default();
    options.set_readahead_size(1 << 20);
    options.fill_cache(false);
    let mut entries = db.raw_iterator_opt(options);
    entries.seek_to_first();
    let mut seen = 0;
    while entries.item().is_some() {
        seen += 1;
        entries.next();
    }
    seen
}

async fn switched(figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    let events = |n: u64| -> Vec<Value> { (0..n).map(|n| json!({"type": "Count", "data": {"n": n}})).collect() };
    for stream in 0..100 {
        let appended = api.post(&format!("streams/s{stream}/events"), json!(events(100))).await;
        assert_eq!(appended.status, 201);
    }
    for (version, name) in [(1, "hostile"), (2, "tally")] {
        let digest = api.upload(module(name)).await;
        api.deploy("counts", &digest, &[]).await;
        api.until_caught_up("counts", version).await;
    }
    api.post("projections/counts/versions/1/promote", json!({})).await;
    queries(&api, false).await;
    let idle = queries(&api, false).await;
    figures.add("query by key, 8 clients, 99 % within", "ms", idle.p99);
    let (there, back) = switches(&api).await;
    figures.add("promotion over HTTP, with its gates and its history", "ms", there);
    figures.add("rollback over HTTP, with its history", "ms", back);
    let switching = queries(&api, true).await;
    figures.add("query by key while traffic switches all the time, 99 % within", "ms", switching.p99);
    figures.add("  switches in that time", "switches/s", switching.switches);
    figures.ratio(
        "  ratio to idle",
        "query by key while traffic switches all the time, 99 % within",
        "query by key, 8 clients, 99 % within",
    );
}

/// The slowest but one of a hundred promotions, and of as many rollbacks, in milliseconds.
async fn switches(api: &Api) -> (f64, f64) {
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for _ in 0..SWITCHES {
        for (path, took) in [("versions/2/promote", &mut there), ("rollback", &mut back)] {
            let started = Instant::now();
            let answer = api.post(&format!("projections/counts/{path}"), json!({})).await;
            took.push(started.elapsed());
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    (late(&mut there), late(&mut back))
}

/// What 99 % are within, in milliseconds.
fn late(took: &mut [Duration]) -> f64 {
    took.sort_unstable();
    took[(took.len() - 1) * 99 / 100].as_secs_f64() * 1_000.0
}

struct Queries {
    p99: f64,
    switches: f64,
}

async fn queries(api: &Api, switching: bool) -> Queries {
    let stop = Arc::new(AtomicBool::new(false));
    let client = |number: usize| {
        let (api, stop) = (api.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut took = Vec::new();
            let url = api.at(&format!("read-models/counts/counts/s{number}"));
            let mut session = None::<reqwest::header::HeaderValue>;
            while !stop.load(Ordering::Relaxed) {
                let mut request = api.client.get(&url);
                if let Some(session) = session.take() {
                    request = request.header("kinora-session", session);
                }
                let asked = Instant::now();
                let response = request.send().await.unwrap();
                assert!(response.status().is_success());
                session = response.headers().get("kinora-session").cloned();
                response.bytes().await.unwrap();
                took.push(asked.elapsed());
            }
            took
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    let (started, mut switches) = (Instant::now(), 0_u32);
    while started.elapsed() < SPAN {
        if switching {
            let path = if switches.is_multiple_of(2) { "versions/2/promote" } else { "rollback" };
            assert_eq!(api.post(&format!("projections/counts/{path}"), json!({})).await.status, 200);
            switches += 1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let switches = f64::from(switches) / started.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.unwrap());
    }
    Queries { p99: late(&mut took), switches }
}
