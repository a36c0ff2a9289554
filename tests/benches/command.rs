//! Commands next to plain appends of the same bytes, interleaved: many aggregates, one, one client, decisions over
//! tags, and the first command on an aggregate that is in no memory, be it short or long.
//!
//! `make bench-command` builds what it needs. With LARGE=10000000 it also opens so many aggregates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "other benches use the rest of it")]
#[path = "log/http.rs"]
mod http;
#[allow(dead_code, reason = "other benches use the rest of it")]
#[path = "log/peers.rs"]
mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kinora_tests::bench::{Figures, rounds};
use kinora_tests::{Api, Program, module, until};
use serde_json::{Value, json};

/// How long requests are made for one figure.
const SPAN: Duration = Duration::from_secs(3);

/// Aggregates that are warm.
const AGGREGATES: u64 = 10_000;

/// Events of an aggregate that no lane has in memory.
const COLD_EVENTS: u64 = 100;
const COLD: u64 = 50;

/// Events of the aggregate that has a snapshot.
const LONG_EVENTS: u64 = 1_000_000;

#[tokio::main]
async fn main() {
    // `cargo test` runs benches, too, with this argument missing; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    rounds(measure).await;
}

async fn measure() -> Figures {
    let mut figures = Figures::default();
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    deploy(&api).await;
    open(&api, "", AGGREGATES).await;
    let event = Arc::new(as_appended(&api).await);

    for (clients, aggregates) in [(64, AGGREGATES), (64, 1), (1, 1)] {
        let what = format!("{clients} clients on {aggregates} aggregates");
        let (appends, commands) = (format!("appends, {what}"), format!("commands, {what}"));
        let load = async |request: fn(u64, &str) -> Vec<u8>| {
            let (next, event) = (Arc::new(AtomicU64::new(0)), Arc::clone(&event));
            let request = move |_| request(next.fetch_add(1, Ordering::Relaxed) % aggregates, &event);
            http::load(host.address(), clients, SPAN, request).await
        };
        let plain = load(|n, event| http::post(&format!("/v1/streams/plain-{n}/events"), event)).await;
        let decided = load(|n, _| http::post(&format!("/v1/deciders/accounts/{n}/Deposit"), r#"{"cents":1}"#)).await;
        figures.add(&appends, "appends/s", plain.rate);
        figures.add(&commands, "commands/s", decided.rate);
        figures.add(&format!("  99 % within ({what})"), "ms", decided.p99);
        figures.ratio(&format!("  ratio to appends ({what})"), &commands, &appends);
    }
    over_tags(&mut figures, &host).await;
    // A server for each: their tables have one name.
    if let Some(postgres) = peers::Postgres::start() {
        for (work, aggregates) in [("commands", AGGREGATES), ("command", 1)] {
            let (rate, name) =
                (postgres.measure(work, 64, SPAN), format!("PostgreSQL by hand, {aggregates} aggregates"));
            figures.add(&name, "commands/s", rate);
        }
    }
    if let Some(postgres) = peers::Postgres::start()
        && let Some(rate) = postgres.eventsourcing(1_000, 8, SPAN)
    {
        figures.add("eventsourcing (Python) on PostgreSQL, 1000 aggregates", "commands/s", rate);
    }
    cold(&mut figures, &host).await;
    long(&mut figures).await;
    if let Ok(large) = std::env::var("LARGE") {
        many(&mut figures, large.parse().expect("LARGE is a number of aggregates")).await;
    }
    figures
}

/// Withdrawals: decided on the account, and on all events of its customer, which are warm, too.
async fn over_tags(figures: &mut Figures, host: &Program) {
    // The first one has far more events than the others by now.
    let of = |n: u64| http::post(&format!("/v1/deciders/accounts/{}/Withdraw", 1 + n), r#"{"cents":1}"#);
    let next = Arc::new(AtomicU64::new(0));
    let request = {
        let next = Arc::clone(&next);
        move |_| of(next.fetch_add(1, Ordering::Relaxed) % (AGGREGATES - 1))
    };
    while next.load(Ordering::Relaxed) < AGGREGATES {
        http::load(host.address(), 64, SPAN, request.clone()).await;
    }
    let decided = http::load(host.address(), 64, SPAN, request).await;
    let (name, appends) = ("commands over a stream and a tag, 64 clients", "appends, 64 clients on 10000 aggregates");
    figures.add(name, "commands/s", decided.rate);
    figures.ratio("  ratio to appends (tags)", name, appends);
}

/// The first command on a stream of many events, next to the second one.
async fn cold(figures: &mut Figures, host: &Program) {
    let api = host.api();
    open(&api, "cold", COLD).await;
    for n in 0..COLD {
        let deposit = json!({"id": format!("cold{n}"), "command": "Deposit", "data": {"cents": 1}});
        let commands = vec![deposit; 33];
        for _ in 0..COLD_EVENTS / 33 {
            let together = json!({"decider": "accounts", "commands": commands});
            assert_eq!(api.post("commands", together).await.status, 200);
        }
    }
    // Another version of the same rules has nothing in memory.
    deploy_again(&api).await;
    let mut took = [Vec::new(), Vec::new()];
    for n in 0..COLD {
        for took in &mut took {
            let asked = Instant::now();
            let answer = api.post(&format!("deciders/accounts/cold{n}/Deposit"), json!({"cents": 1})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            took.push(asked.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    let median = |took: &mut Vec<f64>| {
        took.sort_by(f64::total_cmp);
        took[took.len() / 2]
    };
    let [first, second] = took.each_mut().map(median);
    figures.add("first command on 100 events", "ms", first);
    figures.add("  second one", "ms", second);
    figures.add("  more for the first", "ms", first - second);
}

/// The first command after a restart on an aggregate of so many events, which has a snapshot.
async fn long(figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    deploy(&api).await;
    open(&api, "long", 1).await;
    let event = json!({
        "type": "Deposited", "data": {"account": "long0", "customer": "customerlong0", "cents": 1},
        "tags": ["customer:customerlong0"],
    });
    let events = Value::Array(vec![event; 1_000]);
    for _ in 0..LONG_EVENTS / 1_000 {
        assert_eq!(api.post("streams/account-long0/events", events.clone()).await.status, 201);
    }
    let folded = deposit(&api, "long0").await;
    until("there is a snapshot", async || {
        api.metrics().await.lines().any(|line| line == r#"kinora_decider_snapshots_total{what="made"} 1"#)
    })
    .await;
    host.stop();
    let host = Program::start(dir.path());
    let api = host.api();
    until("it decides", async || api.get("deciders/accounts").await.body["decides"] == true).await;
    let first = deposit(&api, "long0").await;
    let second = deposit(&api, "long0").await;
    figures.add("fold of 1,000,000 events", "ms", folded);
    figures.add("first command after a restart, of its snapshot", "ms", first);
    figures.add("  the next one", "ms", second);
}

/// Milliseconds that a deposit takes.
async fn deposit(api: &Api, id: &str) -> f64 {
    let asked = Instant::now();
    let answer = api.command("accounts", id, "Deposit", json!({"cents": 1})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    asked.elapsed().as_secs_f64() * 1_000.0
}

/// Memory of the host after a tenth of so many aggregates, and after all of them.
async fn many(figures: &mut Figures, aggregates: u64) {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    deploy(&api).await;
    for (part, what) in [(10, "a tenth of the aggregates"), (1, "all aggregates")] {
        let begun = if part == 1 { aggregates / 10 } else { 0 };
        let started = Instant::now();
        let clients = (0..16).map(|client| opened(api.clone(), begun, aggregates / part, client));
        futures::future::join_all(clients).await;
        let rate = (aggregates / part - begun) as f64 / started.elapsed().as_secs_f64();
        figures.add(&format!("commands up to {what}"), "commands/s", rate);
        figures.add(&format!("  memory with {what}"), "MB", host.memory().expect("what /proc says of the host"));
    }
}

/// Opens those aggregates from `first` up to `end` that fall to one of 16 clients.
async fn opened(api: Api, first: u64, end: u64, client: u64) {
    for batch in (first / 64..end.div_ceil(64)).filter(|batch| batch % 16 == client) {
        let command = |n: u64| {
            let data = json!({"customer": format!("c{n}"), "iban": format!("XX{n:010}")});
            json!({"id": n.to_string(), "command": "Open", "data": data})
        };
        let commands: Vec<Value> = (batch * 64..((batch + 1) * 64).min(end)).map(command).collect();
        let answer = api.post("commands", json!({"decider": "accounts", "commands": commands})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

async fn deploy(api: &Api) {
    let digest = api.upload(module("accounts")).await;
    let deployed = api.post("deciders/accounts/versions", json!({"module": digest})).await;
    assert_eq!(deployed.status, 202, "{deployed:?}");
    promote(api, 1).await;
}

async fn deploy_again(api: &Api) {
    let digest = api.get("deciders/accounts").await.body["versions"][0]["module"].clone();
    let deployed = api.post("deciders/accounts/versions", json!({"module": digest})).await;
    let version = deployed.body["versions"].as_array().unwrap().len() as u64;
    promote(api, version).await;
}

async fn promote(api: &Api, version: u64) {
    let version = json!({"version": version});
    until("it has proved itself", async || api.post("deciders/accounts/promote", version.clone()).await.status == 200)
        .await;
}

async fn open(api: &Api, start: &str, count: u64) {
    for first in (0..count).step_by(64) {
        let command = |n: u64| {
            let (id, customer) = (format!("{start}{n}"), format!("customer{start}{n}"));
            json!({"id": id, "command": "Open", "data": {"customer": customer, "iban": format!("XX{start}{n:010}")}})
        };
        let commands: Vec<Value> = (first..(first + 64).min(count)).map(command).collect();
        let answer = api.post("commands", json!({"decider": "accounts", "commands": commands})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // Something to take away later.
        let deposit = |n: u64| json!({"id": format!("{start}{n}"), "command": "Deposit", "data": {"cents": 90_000}});
        let commands: Vec<Value> = (first..(first + 64).min(count)).map(deposit).collect();
        let answer = api.post("commands", json!({"decider": "accounts", "commands": commands})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// What a deposit becomes in the log, as somebody would append it.
async fn as_appended(api: &Api) -> String {
    let page = api.get("streams/account-0/events?from=1&limit=1").await.body;
    let event = &page["events"][0];
    let member = |name: &str| event[name].clone();
    let mut metadata = member("metadata");
    metadata["plain"] = metadata["kinora"].take();
    metadata.as_object_mut().unwrap().remove("kinora");
    json!({"type": member("type"), "data": member("data"), "metadata": metadata, "tags": member("tags")}).to_string()
}
