//! Queries next to what they could be at most (a handler of the same HTTP server that does nothing), and next to SQLite
//! behind that server with the same rows, interleaved.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// Shared with the bench of the log, which asks for more.
#[allow(dead_code)]
#[path = "log/http.rs"]
mod http;
#[path = "query/peers.rs"]
mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flights::{Feed, Timeline};
use kinora_tests::bench::{Figures, Server, rounds};
use kinora_tests::{Program, module};
use serde_json::{Value, json};

/// How long one figure is measured for.
const SPAN: Duration = Duration::from_secs(2);

/// Connections at once.
const CLIENTS: usize = 8;

/// Rows of a page.
const PAGE: usize = 20;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != peers::SERVER);
    if arguments.next().is_some() {
        return peers::serve(arguments.next().unwrap().into()).await;
    }
    // `cargo test` runs benches, too, with this argument missing; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(&dir.path().join("host"));
    let aircraft = aircraft(&host).await;
    let file = dir.path().join("sqlite");
    peers::fill(&file, &aircraft);
    let peers = Server::start(&[peers::SERVER.as_ref(), file.as_os_str()]);
    let keys: Arc<[String]> = aircraft.into_iter().map(|(key, _)| key).collect();
    println!("{} rows, {CLIENTS} connections, {} seconds a figure", keys.len(), SPAN.as_secs());
    rounds(async || measure(host.address(), peers.address(), &keys).await).await;
}

/// The aircraft of a year of flights, live.
async fn aircraft(host: &Program) -> Vec<(String, Value)> {
    let api = host.api();
    Feed::new(&host.url).run(Arc::new(Timeline::load().unwrap()), |_| {}).await.unwrap();
    let upcaster = api.upload(module("departures")).await;
    let projector = api.upload(module("ontime-v2")).await;
    api.deploy("ontime", &projector, &[&upcaster]).await;
    api.until_state("ontime", 1, "ready").await;
    api.post("projections/ontime/versions/1/promote", json!({})).await;
    api.rows("ontime", "aircraft", 1).await
}

/// A request with another key each time.
fn by_key(keys: &Arc<[String]>, path: &'static str) -> impl Fn(usize) -> Vec<u8> + Clone + Send + 'static {
    let (keys, next) = (Arc::clone(keys), Arc::new(AtomicUsize::new(0)));
    move |_| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        http::get(&format!("{path}/{}", keys[number.wrapping_mul(7919) % keys.len()]))
    }
}

/// A page that begins at another place of the index each time.
fn by_index(before: String, after: String) -> impl Fn(usize) -> Vec<u8> + Clone + Send + 'static {
    let next = Arc::new(AtomicUsize::new(0));
    move |_| http::get(&format!("{before}{}{after}", 30 + next.fetch_add(1, Ordering::Relaxed) * 13 % 400))
}

async fn measure(host: &str, peers: &str, keys: &Arc<[String]>) -> Figures {
    let mut figures = Figures::default();
    let (bare, row, page) = ("bare axum handler", "row by key", "page of 20 rows by index");
    let (sqlite_row, sqlite_page) = ("  SQLite behind axum, row by key", "  SQLite behind axum, page of 20 rows");
    let measured = http::load(peers, CLIENTS, SPAN, by_key(keys, "/bare")).await;
    figures.add(bare, "requests/s", measured.rate);

    let measured = http::load(host, CLIENTS, SPAN, by_key(keys, "/v1/read-models/ontime/aircraft")).await;
    figures.add(row, "requests/s", measured.rate);
    figures.add("  99 % within (row)", "ms", measured.p99);
    figures.ratio("  ratio to the bare handler (row)", row, bare);
    figures.add(sqlite_row, "requests/s", http::load(peers, CLIENTS, SPAN, by_key(keys, "/rows")).await.rate);
    figures.ratio("  ratio to SQLite (row)", row, sqlite_row);

    // What a page could be at most: a handler that answers as many bytes, and has them already.
    let large = "bare axum handler, as many bytes";
    let bytes = http::load(peers, CLIENTS, SPAN, by_key(keys, "/large")).await;
    figures.add(large, "requests/s", bytes.rate);
    // The index ascends, so that of the two one walks it forwards and one backwards.
    for (page, sqlite_page, order, from) in [
        (page, sqlite_page, "", "gte"),
        ("page of 20 rows, backwards", "  SQLite behind axum, page backwards", ".desc", "lte"),
    ] {
        let before = format!("/v1/read-models/ontime/aircraft?order=flights{order}&flights={from}.");
        let measured = http::load(host, CLIENTS, SPAN, by_index(before, format!("&limit={PAGE}"))).await;
        figures.add(page, "requests/s", measured.rate);
        figures.add(&format!("  99 % within ({page})"), "ms", measured.p99);
        figures.ratio(&format!("  ratio to the bare handler ({page})"), page, bare);
        figures.ratio(&format!("  ratio to as many bytes ({page})"), page, large);
        let theirs = by_index(format!("/rows{order}?flights="), format!("&limit={PAGE}"));
        figures.add(sqlite_page, "requests/s", http::load(peers, CLIENTS, SPAN, theirs).await.rate);
        figures.ratio(&format!("  ratio to SQLite ({page})"), page, sqlite_page);
    }
    figures
}
