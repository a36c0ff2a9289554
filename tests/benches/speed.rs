//! Bench of everything, next to what the machine can do at all. Every measurement of a round is taken next to its
//! limit, rounds are repeated, and a round during which the machine lost more than 10 % of its time to neighbours is
//! taken again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flights::{Feed, Timeline};
use kinora_sdk::native::{Input, Runner};
use kinora_tests::bench::{Figures, rounds};
use kinora_tests::{Api, Program, module};
use serde_json::json;

/// How long requests are made for one figure.
const SPAN: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() {
    // `cargo test` runs benches, too, with this argument missing; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let timeline = Arc::new(Timeline::load().unwrap());
    let inputs = prepare(&timeline);
    rounds(async || measure(&timeline, &inputs).await).await;
}

async fn measure(timeline: &Arc<Timeline>, inputs: &[Prepared]) -> Figures {
    let mut figures = Figures::default();
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();

    let fed = Feed::new(&host.url).run(Arc::clone(timeline), |_| {}).await.unwrap();
    figures.add(
        "bulk append over HTTP (5,000 events a request)",
        "events/s",
        fed.events as f64 / fed.took.as_secs_f64(),
    );
    figures.add("  RocksDB alone, the same bytes, synced", "events/s", bare_commits(dir.path(), inputs));
    figures.ratio(
        "  ratio to that",
        "bulk append over HTTP (5,000 events a request)",
        "  RocksDB alone, the same bytes, synced",
    );

    let upcaster = api.upload(module("departures")).await;
    let replayed = async |name: &str, version: u64, module_name: &str| {
        let projector = api.upload(module(module_name)).await;
        api.deploy(name, &projector, &[&upcaster]).await;
        let status = api.until_state(name, version, "ready").await;
        status["applied"].as_f64().unwrap() / status["replayed_in_ms"].as_f64().unwrap() * 1000.0
    };
    figures.add("replay, ontime version 1", "events/s", replayed("ontime", 1, "ontime-v1").await);
    figures.add("  natively, without log and upcaster (1)", "events/s", natively::<ontime_v1::OnTime>(inputs));
    figures.ratio("  ratio (1)", "replay, ontime version 1", "  natively, without log and upcaster (1)");
    figures.add("replay, ontime version 2", "events/s", replayed("ontime", 2, "ontime-v2").await);
    figures.add("  natively, without log and upcaster (2)", "events/s", natively::<ontime_v2::OnTime>(inputs));
    figures.ratio("  ratio (2)", "replay, ontime version 2", "  natively, without log and upcaster (2)");
    figures.add("peak memory of the host so far", "MiB", host.peak_memory().unwrap_or_default());

    api.post("projections/ontime/versions/2/promote", json!({})).await;
    // The first requests find cold caches and sleeping threads.
    requests(&api, 8, |api, _| api.client.get(format!("{}/healthz", api.url))).await;
    let bare = requests(&api, 8, |api, _| api.client.get(format!("{}/healthz", api.url))).await;
    figures.add("bare answers of the HTTP server, 8 clients", "requests/s", bare.rate);
    let keys = ["UA", "DL", "B6", "EV"];
    let by_key = requests(&api, 8, move |api, n| {
        api.client.get(api.at(&format!("read-models/ontime/carriers/{}", keys[n % 4])))
    })
    .await;
    figures.add("query by key, 8 clients", "requests/s", by_key.rate);
    figures.add("  99 % within", "ms", by_key.p99);
    figures.ratio("  ratio to bare answers", "query by key, 8 clients", "bare answers of the HTTP server, 8 clients");
    let by_index = requests(&api, 8, |api, _| {
        api.client.get(api.at("read-models/ontime/aircraft?flights=gte.300&order=flights.desc&limit=10"))
    });
    let by_index = by_index.await;
    figures.add("query by index (10 rows), 8 clients", "requests/s", by_index.rate);
    figures.add("  99 % within (index)", "ms", by_index.p99);

    for (clients, name, late) in [
        (1, "single appends, 1 client", "  99 % within (1 client)"),
        (64, "single appends, 64 clients", "  99 % within (64 clients)"),
    ] {
        let body = concat!(
            r#"{"type":"FlightCancelled","data":{"carrier":"UA","flight":1,"tailnum":null,"origin":"EWR","#,
            r#""dest":"IAH","scheduled_at":"2014-01-01T00:00:00Z"}}"#
        );
        let appends = requests(&api, clients, move |api, n| {
            api.client.post(api.at(&format!("streams/bench-{clients}-{n}/events"))).body(body)
        });
        let appends = appends.await;
        figures.add(name, "appends/s", appends.rate);
        figures.add(late, "ms", appends.p99);
    }
    figures.add("  syncs of the bare disk", "syncs/s", bare_syncs(dir.path()));
    figures
}

/// An event in memory, with departures in schema 2, as the projectors take them.
struct Prepared {
    kind: &'static str,
    schema: u32,
    stream: String,
    data: String,
}

fn prepare(timeline: &Timeline) -> Vec<Prepared> {
    let prepared = |event: flights::Event| {
        let data = serde_json::to_string(&event.data).unwrap();
        let (kind, schema, stream) = (event.kind, event.schema, event.stream);
        if (kind, schema) != ("FlightDeparted", 1) {
            return Prepared { kind, schema, stream, data };
        }
        let (kind, schema, data) =
            kinora_sdk::testing::upcast::<departures::Departures>(kind, schema, &data).unwrap().pop().unwrap();
        Prepared { kind, schema, stream, data }
    };
    timeline.events().map(prepared).collect()
}

fn natively<P: kinora_sdk::Projector>(inputs: &[Prepared]) -> f64 {
    let mut runner = Runner::<P>::default();
    let started = Instant::now();
    for (position, input) in (0..).zip(inputs) {
        let Prepared { kind, schema, stream, data } = input;
        let input =
            Input { position, revision: 0, time: 0, kind, schema: *schema, stream, data, metadata: None, tags: "" };
        runner.apply(&input).unwrap();
        if position % 200_000 == 0 {
            runner.flush().unwrap();
        }
    }
    runner.flush().unwrap();
    inputs.len() as f64 / started.elapsed().as_secs_f64()
}

/// The same bytes in commits of 5,000 events, synced, into one column family.
fn bare_commits(beside: &Path, inputs: &[Prepared]) -> f64 {
    let dir = tempfile::tempdir_in(beside).unwrap();
    let db = rocksdb::DB::open(&kinora_storage::Storage::default().database_options(dir.path()), dir.path()).unwrap();
    let mut options = rocksdb::WriteOptions::default();
    options.set_sync(true);
    let started = Instant::now();
    for (chunk, inputs) in (0_u64..).zip(inputs.chunks(5_000)) {
        let mut batch = rocksdb::WriteBatch::default();
        for (n, input) in (0_u64..).zip(inputs) {
            batch.put((chunk * 5_000 + n).to_be_bytes(), &input.data);
        }
        db.write_opt(batch, &options).unwrap();
    }
    inputs.len() as f64 / started.elapsed().as_secs_f64()
}

fn bare_syncs(beside: &Path) -> f64 {
    let mut file = tempfile::tempfile_in(beside).unwrap();
    let started = Instant::now();
    let mut syncs = 0;
    while started.elapsed() < SPAN / 2 {
        file.write_all(&[0; 512]).unwrap();
        file.sync_data().unwrap();
        syncs += 1;
    }
    f64::from(syncs) / started.elapsed().as_secs_f64()
}

struct Requests {
    rate: f64,
    /// In milliseconds.
    p99: f64,
}

/// Asks with so many clients at once, each as fast as it is answered.
async fn requests(
    api: &Api,
    clients: usize,
    request: impl Fn(&Api, usize) -> reqwest::RequestBuilder + Send + Sync + 'static,
) -> Requests {
    let (stop, request, count) = (Arc::new(AtomicBool::new(false)), Arc::new(request), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let client = |number: usize| {
        let (api, stop, request, count) = (api.clone(), Arc::clone(&stop), Arc::clone(&request), Arc::clone(&count));
        tokio::spawn(async move {
            let mut took = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let response = request(&api, number).send().await.unwrap();
                assert!(response.status().is_success(), "{}", response.text().await.unwrap());
                response.bytes().await.unwrap();
                took.push(asked.elapsed());
                count.fetch_add(1, Ordering::Relaxed);
            }
            took
        })
    };
    let running: Vec<_> = (0..clients).map(client).collect();
    tokio::time::sleep(SPAN).await;
    let rate = count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let mut took = Vec::new();
    for client in running {
        took.extend(client.await.unwrap());
    }
    took.sort_unstable();
    Requests { rate, p99: took[took.len() * 99 / 100].as_secs_f64() * 1000.0 }
}
