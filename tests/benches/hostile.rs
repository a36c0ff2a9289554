//! Bench of what others notice while a guest means harm: the latency of an append, of seeing it in a read model, and of
//! a row by key, for each kind of harm next to none at all, in one run on one host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use kinora_tests::{Api, Handwritten, Program};
use serde_json::json;

/// How long each kind of harm goes on, unless SECONDS says otherwise.
const SECONDS: u64 = 5;

/// Between two appends: 200 a second.
const PAUSE: Duration = Duration::from_millis(5);

type Harm = fn(Api) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Each goes on for ever.
const HARMS: [(&str, Harm); 7] = [
    ("nothing", |_| Box::pin(std::future::pending())),
    ("apply loops, resumed again and again", |api| Box::pin(resumed(api, "loop"))),
    ("apply grows its memory, resumed again and again", |api| Box::pin(resumed(api, "grow"))),
    ("apply floods the host with lookups, resumed again and again", |api| Box::pin(resumed(api, "lookups"))),
    ("eight queries that loop, all the time", |api| Box::pin(queries(api))),
    ("a module that is dear to compile, all the time", |api| Box::pin(compiling(api))),
    ("a module that loops in describe, all the time", |api| Box::pin(describing(api))),
];

async fn resumed(api: Api, name: &'static str) {
    loop {
        api.post(&format!("projections/{name}/versions/1/resume"), json!({})).await;
        api.until_state(name, 1, "faulted").await;
    }
}

async fn queries(api: Api) {
    let ask = |api: Api| async move {
        loop {
            api.get("read-models/loop/queries/ask?version=1").await;
        }
    };
    futures::future::join_all((0..8).map(|_| ask(api.clone()))).await;
}

async fn compiling(api: Api) {
    for round in 0_u64.. {
        let step = "(i32.mul (local.get 1)) (i32.add (local.get 1)) (local.tee 0) (i32.rotl (local.get 1)) \
            (i32.xor (local.get 0)) ";
        let body = step.repeat(40_000);
        let more = format!("(func (param i32 i32) (result i32) (i32.add (local.get 0) (i32.const {round})) {body})");
        upload(&api, &Handwritten { more, ..Handwritten::default() }).await;
    }
}

async fn describing(api: Api) {
    for round in 0_u64.. {
        let more = format!("(func (result i32) (i32.const {round}))");
        upload(&api, &Handwritten { describe: "(loop $again (br $again))", more, ..Handwritten::default() }).await;
    }
}

/// Uploads a module, and waits until it is compiled or refused. Gives its digest.
async fn upload(api: &Api, guest: &Handwritten) -> String {
    let answer = api.client.post(api.at("modules")).body(guest.module()).send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    let digest = answer["digest"].as_str().unwrap().to_owned();
    api.until(&format!("modules/{digest}"), |module| module["state"] != "compiling").await;
    digest
}

#[tokio::main]
async fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let seconds = std::env::var("SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(SECONDS);
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    prepare(&api).await;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["while", "append p50", "p99", "visible p50", "p99", "row p50", "p99 ms", "peak MiB"]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (name, harm) in HARMS {
        let harming = tokio::spawn(harm(api.clone()));
        let figures = measure(&api, Duration::from_secs(seconds)).await;
        assert!(!harming.is_finished() || name == "nothing", "{name} did not go on");
        harming.abort();
        let mut row = vec![name.to_owned()];
        row.extend(figures.into_iter().flat_map(|times| [percentile(&times, 50), percentile(&times, 99)]));
        row.push(host.peak_memory().map_or_else(String::new, |peak| format!("{peak:.0}")));
        table.add_row(row);
        eprintln!("{name}: done");
        // What has begun ends first.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    table.lines().for_each(|line| println!("{}", line.trim_end()));
}

/// A good projection, and some that stopped at the event that is bad for them.
async fn prepare(api: &Api) {
    let put = "(call $put (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 64) (i32.const 7))";
    let bad = |body: &str| -> &'static str { format!("(if (call $bad (local.get $batch)) (then {body}))").leak() };
    let lookups = "(i32.store (i32.const 131068) (i32.const 1))
        (loop $again
          (call $get_many (i32.const 0) (i32.const 131068) (i32.const 1) (i32.const 256) (i32.const 1) (i32.const 48))
          (global.set $top (i32.const 65536)) (br $again))";
    let grow = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let guests =
        [("good", put), ("loop", bad("(loop $again (br $again))")), ("grow", bad(grow)), ("lookups", bad(lookups))];
    api.post("streams/s/events", json!([{"type": "Count", "data": {}}, {"type": "Bad", "data": {}}])).await;
    for (name, apply) in guests {
        let digest =
            upload(api, &Handwritten { apply, query: "(loop $again (br $again))", ..Handwritten::default() }).await;
        api.deploy(name, &digest, &[]).await;
        api.until_state(name, 1, if name == "good" { "ready" } else { "faulted" }).await;
    }
    api.post("projections/good/versions/1/promote", json!({})).await;
}

/// Seconds of appends, of the wait until each is seen, and of rows by key.
async fn measure(api: &Api, span: Duration) -> [Vec<f64>; 3] {
    let mut times = [const { Vec::new() }; 3];
    let started = Instant::now();
    while started.elapsed() < span {
        let asked = Instant::now();
        let answer = api.post("streams/t/events", json!({"type": "Count", "data": {}})).await;
        times[0].push(asked.elapsed().as_secs_f64());
        let position = answer.body["last_position"].as_u64().unwrap();
        let asked = Instant::now();
        let seen = api.get(&format!("read-models/good/rows/k?min_position={position}&timeout=10")).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        times[1].push(asked.elapsed().as_secs_f64());
        let asked = Instant::now();
        assert_eq!(api.get("read-models/good/rows/k").await.status, 200);
        times[2].push(asked.elapsed().as_secs_f64());
        tokio::time::sleep(PAUSE).await;
    }
    times
}

fn percentile(times: &[f64], percent: usize) -> String {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let at = (times.len() * percent / 100).min(times.len() - 1);
    format!("{:.2}", times[at] * 1e3)
}
