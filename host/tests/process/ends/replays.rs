//! A host that is killed again and again, while a version replays and while it is live, ends with the same rows as one
//! that nobody disturbed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flights::{Feed, Timeline};
use kinora_tests::{Api, Program, Seed, module, until};
use serde_json::{Value, json};

/// Events that are there when the version is deployed, and all of them.
const HISTORY: usize = 150_000;
const ALL: usize = 250_000;

/// Kills while versions replay, and while the feed goes on.
const KILLS: u64 = 6;

/// Rows of every table, and where they come from.
async fn rows(api: &Api) -> Vec<(String, Vec<(String, Value)>)> {
    let model = api.get("read-models/ontime").await;
    // The host's own events stand behind those of the feed, or among them.
    assert!(model.position.unwrap() >= ALL as u64 - 1, "{model:?}");
    let mut tables = Vec::new();
    for table in model.body["tables"].as_array().unwrap() {
        let name = table["name"].as_str().unwrap();
        tables.push((name.to_owned(), api.rows("ontime", name, model.version.unwrap()).await));
    }
    tables
}

async fn feed(url: &str, timeline: &Arc<Timeline>, limit: usize) {
    let feed = Feed { url: url.to_owned(), batch: 5_000, limit };
    feed.run(Arc::clone(timeline), |_| {}).await.unwrap();
}

/// Deploys one more version, and gives its number.
async fn deploy(api: &Api) -> u64 {
    let upcaster = api.upload(module("departures")).await;
    let projector = api.upload(module("ontime-v2")).await;
    api.deploy("ontime", &projector, &[&upcaster]).await
}

async fn undisturbed(dir: &Path, timeline: &Arc<Timeline>) -> Vec<(String, Vec<(String, Value)>)> {
    let host = Program::start(dir);
    let api = host.api();
    feed(&host.url, timeline, ALL).await;
    assert_eq!(deploy(&api).await, 1);
    api.until_state("ontime", 1, "ready").await;
    api.post("projections/ontime/versions/1/promote", json!({})).await;
    rows(&api).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_at_any_moment_ends_with_the_same_rows() {
    let timeline = Arc::new(Timeline::load().unwrap());
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = undisturbed(other.path(), &timeline).await;

    let mut host = Program::start(dir.path());
    feed(&host.url, &timeline, HISTORY).await;
    let address = host.address().to_owned();
    let mut seed = Seed::from_environment();
    let (mut version, mut interrupted, mut longest) = (deploy(&host.api()).await, 0, 450);
    while interrupted < KILLS {
        tokio::time::sleep(Duration::from_millis(seed.below(longest + 1))).await;
        let path = format!("projections/ontime/versions/{version}");
        if host.api().get(&path).await.body["state"] == "ready" {
            // It was there before it could be killed. The next one has less time: in the end, none.
            (version, longest) = (deploy(&host.api()).await, longest / 2);
            continue;
        }
        host.kill();
        interrupted += 1;
        host = Program::start_at(dir.path(), &address);
    }
    host.api().until_state("ontime", version, "ready").await;
    host.api().post(&format!("projections/ontime/versions/{version}/promote"), json!({})).await;

    // The feed goes on, whoever dies meanwhile: it repeats what was not answered, with the same ids.
    let fed = Arc::new(AtomicU64::new(0));
    let all = Feed { url: host.url.clone(), batch: 5_000, limit: ALL };
    let feeding = tokio::spawn({
        let (timeline, fed) = (Arc::clone(&timeline), Arc::clone(&fed));
        async move { all.run(timeline, |done| fed.store(done, Ordering::Relaxed)).await.unwrap() }
    });
    for kill in 0..KILLS {
        let life = ALL as u64 / KILLS;
        let moment = kill * life + seed.below(life);
        until("events", async || fed.load(Ordering::Relaxed) >= moment).await;
        let status = host.api().get("projections/ontime").await.body;
        assert_eq!(status["live"], json!(version), "{status}");
        host.kill();
        host = Program::start_at(dir.path(), &address);
    }
    feeding.await.unwrap();
    let last = ALL as u64 - 1;
    let reached = host.api().get(&format!("read-models/ontime/carriers/UA?min_position={last}&timeout=60")).await;
    assert_eq!((reached.status, reached.version), (200, Some(version)), "{reached:?}");

    let actual = rows(&host.api()).await;
    assert_eq!(actual.len(), expected.len());
    for ((table, actual), (_, expected)) in actual.iter().zip(&expected) {
        assert_eq!(actual.len(), expected.len(), "{table}");
        for (actual, expected) in actual.iter().zip(expected) {
            assert_eq!(actual, expected, "{table}");
        }
    }
}
