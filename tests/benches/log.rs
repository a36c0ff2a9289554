//! The log next to what it could be at most (the disk, the HTTP server) and next to others (UmaDB, PostgreSQL),
//! interleaved.
//!
//! `make bench-log` prepares the peers; one that is not there is left out, and said so. With LARGE=10000000 it also
//! makes a log of so many events, and measures how it opens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "log/bare.rs"]
mod bare;
#[path = "log/http.rs"]
mod http;
#[path = "log/library.rs"]
mod library;
#[allow(dead_code, reason = "that of commands uses the rest of it")]
#[path = "log/peers.rs"]
mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kinora_tests::Program;
use kinora_tests::bench::{Figures, Server, rounds};
use library::{DATA, SPAN};

/// Events in the log before conditional appends and reads are measured.
const EVENTS: u64 = 1_000_000;

const CLIENTS: [usize; 4] = [1, 16, 64, 256];

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == bare::SERVER) {
        return bare::serve().await;
    }
    // `cargo test` runs benches, too, with this argument missing; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    rounds(async || {
        let mut figures = Figures::default();
        appends(&mut figures).await;
        reads(&mut figures).await;
        figures
    })
    .await;
    if let Some(events) = std::env::var("LARGE").ok().and_then(|events| events.parse().ok()) {
        library::large(events);
    }
}

async fn appends(figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let bare = Server::start(&[bare::SERVER.as_ref()]);
    let (umadb, postgres) = (peers::Umadb::start(), peers::Postgres::start());
    let single = Arc::new(format!(r#"{{"type":"Deposited","data":{DATA}}}"#));
    figures.add("RocksDB alone, synced commits of one event", "commits/s", library::bare_commits(dir.path(), 1));
    for clients in CLIENTS {
        let limit = format!("bare axum handler, {clients} clients");
        let body = Arc::clone(&single);
        let post = move |n: usize| http::post(&format!("/v1/streams/account-{n}/events"), &body);
        figures.add(&limit, "requests/s", http::load(bare.address(), clients, SPAN, post.clone()).await.rate);
        let ours = format!("appends, {clients} clients");
        let measured = http::load(host.address(), clients, SPAN, post).await;
        figures.add(&ours, "appends/s", measured.rate);
        figures.add(&format!("  99 % within ({clients})"), "ms", measured.p99);
        figures.ratio(&format!("  ratio to the bare handler ({clients})"), &ours, &limit);
        if clients == 1 {
            let commits = figures.last("RocksDB alone, synced commits of one event");
            let least = 1.0 / commits + 1.0 / figures.last(&limit);
            figures.add("  time of one, to a RocksDB sync and a bare round trip", "ratio", 1.0 / measured.rate / least);
            let (commit, body) = ("bare axum handler that syncs RocksDB, 1 client", Arc::clone(&single));
            let post = move |n: usize| http::post(&format!("/v1/streams/account-{n}/commits"), &body);
            figures.add(commit, "requests/s", http::load(bare.address(), 1, SPAN, post).await.rate);
            figures.add("  time of an append, to that", "ratio", figures.last(commit) / measured.rate);
        }
        if let Some(umadb) = &umadb {
            figures.add(&format!("  UmaDB, {clients} clients"), "appends/s", umadb.measure("single", clients, SPAN));
        }
        if let Some(postgres) = &postgres {
            figures.add(
                &format!("  PostgreSQL, {clients} clients"),
                "inserts/s",
                postgres.measure("single", clients, SPAN),
            );
        }
    }
    let batch = format!("[{}]", vec![single.as_str(); 100].join(","));
    let post = move |n: usize| http::post(&format!("/v1/streams/batch-{n}/events"), &batch);
    let measured = http::load(host.address(), 16, SPAN, post).await;
    figures.add("batches of 100, 16 clients", "events/s", measured.rate * 100.0);
    if let Some(umadb) = &umadb {
        figures.add("  UmaDB, batches of 100, 16 clients", "events/s", umadb.measure("batch", 16, SPAN));
    }
    // More clients than are served at once: those that are accepted must not wait long.
    let measured =
        http::load(host.address(), 2_000, SPAN, move |n| http::post(&format!("/v1/streams/over-{n}/events"), &single))
            .await;
    figures.add("overload, 2000 clients", "appends/s", measured.rate);
    figures.add("  turned away", "%", measured.refused * 100.0);
    figures.add("  99 % within (2000)", "ms", measured.p99);
}

/// Appends of an event with a tag of its own, on the condition that there is none with it: in all of history, or since
/// the head that the log had when so many of these appends had not been answered.
fn tagged(condition: Option<Option<u64>>) -> impl Fn(usize) -> Vec<u8> + Clone + Send + 'static {
    let asked = Arc::new(AtomicU64::new(0));
    move |_| {
        let (tag, asked) = (uuid::Uuid::new_v4(), asked.fetch_add(1, Ordering::Relaxed));
        let after = condition
            .flatten()
            .map_or_else(String::new, |head| format!(r#","after":{}"#, head + asked.saturating_sub(64)));
        let condition = condition.map_or_else(String::new, |_| {
            format!(r#""condition":{{"none_of":[{{"types":["Deposited"],"tags":["{tag}"]}}]{after}}},"#)
        });
        let event = format!(r#"{{"type":"Deposited","tags":["{tag}"],"data":{DATA}}}"#);
        let body = format!(r#"{{{condition}"appends":[{{"stream":"account-{tag}","events":[{event}]}}]}}"#);
        http::post("/v1/transactions", &body)
    }
}

async fn reads(figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    library::fill(&data, EVENTS);
    figures.add("sequential read, library", "events/s", library::scan(&data));
    let host = Program::start(&data);
    let started = Instant::now();
    let (bytes, lines) = http::lines(host.address(), "/v1/events").await;
    figures.add("sequential read, NDJSON over HTTP", "events/s", lines as f64 / started.elapsed().as_secs_f64());
    figures.add("  of it", "MB/s", bytes as f64 / 1e6 / started.elapsed().as_secs_f64());
    // An event in a thousand has the tag, and one in ten thousand the tag and the type.
    for (what, path) in [
        ("a page of 100 by tag", "/v1/events?tags=account:7&limit=100"),
        ("a page of 100 by type and tag", "/v1/events?types=Rare&tags=account:7&limit=100"),
        ("a page of 100 by stream prefix", "/v1/events?stream_prefix=account-7&limit=100"),
        ("a page of 100, all events", "/v1/events?limit=100"),
    ] {
        let measured = http::load(host.address(), 8, SPAN / 2, |_| http::get(path)).await;
        figures.add(what, "pages/s", measured.rate);
    }
    let plain = http::load(host.address(), 64, SPAN, tagged(None)).await.rate;
    figures.add("appends with a tag, 64 clients, on a million events", "appends/s", plain);
    // Nothing such in all of history; or nothing such since what was there a moment ago, as by someone who has just
    // read it.
    let whole = http::load(host.address(), 64, SPAN, tagged(Some(None))).await.rate;
    let head =
        host.api().get("events?direction=backwards&limit=1").await.body["events"][0]["position"].as_u64().unwrap();
    let since = http::load(host.address(), 64, SPAN, tagged(Some(Some(head)))).await.rate;
    for (what, rate) in [("on all of history", whole), ("since what was read", since)] {
        figures.add(&format!("  on condition, {what}"), "appends/s", rate);
        figures.add(&format!("  plain to it ({what})"), "ratio", plain / rate);
    }
    if let Some(umadb) = peers::Umadb::start() {
        umadb.measure("batch", 16, SPAN);
        figures.add("  UmaDB, on condition, 64 clients", "appends/s", umadb.measure("conditional", 64, SPAN));
        figures.add("  UmaDB, sequential read", "events/s", umadb.measure("read", 1, SPAN));
    }
    figures.add("peak memory of the host", "MiB", host.peak_memory().unwrap_or_default());
}
