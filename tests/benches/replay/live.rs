//! Live figures: how soon an appended event is seen, and how long appends and queries take, with and without a replay
//! beside them.

use std::path::Path;
use std::time::{Duration, Instant};

use kinora_tests::{Api, Program, module};
use serde_json::{Value, json};

use crate::workload::Workload;

/// Appends a second, and how long.
const RATE: u32 = 1_000;
const SPAN: Duration = Duration::from_secs(5);

/// Measures a host whose log holds a workload.
#[tokio::main]
pub async fn measure(folder: &Path, workload: &Workload) {
    let data = workload.folder(folder);
    // Its appends stay out of the log that others replay.
    let dir = tempfile::tempdir_in(folder).unwrap();
    copy(&data.join("log"), &dir.path().join("log"));
    let host = Program::start(dir.path());
    let api = host.api();
    let projector = api.upload(module("ledger")).await;
    let version = api.deploy("live", &projector, &[]).await;
    api.until_caught_up("live", version).await;
    api.post(&format!("projections/live/versions/{version}/promote"), json!({})).await;
    println!("{RATE} appends a second, each followed by a query that waits for it; {}", workload.name());
    // The first requests find cold caches.
    load(&api, "warm").await;
    load(&api, "alone").await.print("alone");
    let mut replays = Vec::new();
    for name in ["first", "second"] {
        replays.push((name, api.deploy(name, &projector, &[]).await));
    }
    let disturbed = load(&api, "beside").await;
    let mut applied = Vec::new();
    for (name, version) in &replays {
        let status = api.get(&format!("projections/{name}/versions/{version}")).await.body;
        applied.push((status["state"].clone(), status["applied"].clone(), status["replayed_in_ms"].clone()));
    }
    disturbed.print("beside two replays");
    println!("  the two replays meanwhile (state, events, ms): {applied:?}\n");
    host.stop();
}

struct Latencies {
    append: Vec<Duration>,
    /// From the answer of the append to the answer of the query that waits for it.
    seen: Vec<Duration>,
    query: Vec<Duration>,
}

impl Latencies {
    fn print(mut self, name: &str) {
        println!("  {name}");
        for (what, times) in [
            ("append answered", &mut self.append),
            ("event seen after that", &mut self.seen),
            ("query by key", &mut self.query),
        ] {
            times.sort_unstable();
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
            println!(
                "    {what:<22} p50 {:>6.2} ms   p99 {:>6.2} ms   most {:>6.2} ms   ({} of them)",
                at(0.5),
                at(0.99),
                at(1.0),
                times.len()
            );
        }
    }
}

/// One task a due append, at its time, whatever became of the others.
async fn load(api: &Api, stream: &str) -> Latencies {
    let started = Instant::now();
    let count = RATE * SPAN.as_secs() as u32;
    let mut tasks = Vec::new();
    for index in 0..count {
        let due = started + Duration::from_secs(1) * index / RATE;
        tokio::time::sleep_until(due.into()).await;
        let (api, stream) = (api.clone(), format!("account-{stream}-{}", index % 100));
        tasks.push(tokio::spawn(async move { one(&api, &stream, index).await }));
    }
    let mut found = Latencies { append: Vec::new(), seen: Vec::new(), query: Vec::new() };
    for task in tasks {
        let [append, seen, query] = task.await.unwrap();
        found.append.push(append);
        found.seen.push(seen);
        found.query.push(query);
    }
    found
}

async fn one(api: &Api, stream: &str, index: u32) -> [Duration; 3] {
    let asked = Instant::now();
    let data = json!({"account": format!("{stream}-{index}"), "cents": 1, "day": 1});
    let answer = api.post(&format!("streams/{stream}/events"), json!({"type": "Deposited", "data": data})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let append = asked.elapsed();
    let appended = Instant::now();
    let position = &answer.body["last_position"];
    let path = format!("read-models/live/accounts/{stream}-{index}");
    let row = api.get(&format!("{path}?min_position={position}&timeout=10")).await;
    assert_eq!(row.body["balance"], Value::from(1), "{row:?}");
    let seen = appended.elapsed();
    let asked = Instant::now();
    api.get(&path).await;
    [append, seen, asked.elapsed()]
}

/// Copies a database that nobody has open, down to the disk: else the system would write it there while appends are
/// measured.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let copy = to.join(entry.file_name());
        std::fs::copy(entry.path(), &copy).unwrap();
        std::fs::File::open(copy).unwrap().sync_all().unwrap();
    }
}
