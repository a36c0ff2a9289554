//! A host that is killed again and again, while a version replays and while it is live, ends with the same rows as one
//! that nobody disturbed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flights::{Feed, History};
use kinora_tests::{Api, Program, module};
use serde_json::{Value, json};

/// Events that are there when the version is deployed, and all of them.
const HISTORY: usize = 150_000;
const ALL: usize = 250_000;

/// Rows of every table, and where they come from.
async fn rows(api: &Api) -> Vec<(String, Vec<(String, Value)>)> {
    let model = api.get("read-models/ontime").await;
    // The host's own events stand behind those of the feed, or among them.
    assert!(model.position.unwrap() >= ALL as u64 - 1, "{model:?}");
    let mut tables = Vec::new();
    for table in model.body["tables"].as_array().unwrap() {
        let name = table["name"].as_str().unwrap();
        tables.push((name.to_owned(), api.rows("ontime", name, 1).await));
    }
    tables
}

async fn feed(url: &str, history: &Arc<History>, limit: usize, batch: usize) {
    let feed = Feed { url: url.to_owned(), batch, limit };
    feed.run(Arc::clone(history), |_| {}).await.unwrap();
}

async fn deploy(api: &Api) {
    let upcaster = api.upload(module("departures")).await;
    let projector = api.upload(module("ontime-v2")).await;
    assert_eq!(api.deploy("ontime", &projector, &[&upcaster]).await, 1);
}

async fn undisturbed(dir: &Path, history: &Arc<History>) -> Vec<(String, Vec<(String, Value)>)> {
    let host = Program::start(dir);
    let api = host.api();
    feed(&host.url, history, ALL, 5_000).await;
    deploy(&api).await;
    api.until_state("ontime", 1, "ready").await;
    api.post("projections/ontime/versions/1/promote", json!({})).await;
    rows(&api).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_at_any_moment_ends_with_the_same_rows() {
    let history = Arc::new(History::load().unwrap());
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = undisturbed(other.path(), &history).await;

    let mut host = Program::start(dir.path());
    feed(&host.url, &history, HISTORY, 5_000).await;
    deploy(&host.api()).await;
    let address = host.address().to_owned();
    let mut interrupted = 0;
    for milliseconds in [5, 60, 150, 250, 350, 450] {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let state = host.api().get("projections/ontime/versions/1").await.body["state"].clone();
        interrupted += usize::from(state != "ready");
        host.kill();
        host = Program::start_at(dir.path(), &address);
    }
    assert!(interrupted > 2, "the machine was too fast for this test: it replayed before it was killed");
    host.api().until_state("ontime", 1, "ready").await;
    host.api().post("projections/ontime/versions/1/promote", json!({})).await;

    // The feed goes on, whoever dies meanwhile: it repeats what was not answered, with the same ids.
    let (url, fed) = (host.url.clone(), Arc::clone(&history));
    let feeding = tokio::spawn(async move { feed(&url, &fed, ALL, 5_000).await });
    let mut kills = 0;
    while !feeding.is_finished() {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let status = host.api().get("projections/ontime").await.body;
        assert_eq!(status["live"], json!(1), "{status}");
        host.kill();
        kills += 1;
        host = Program::start_at(dir.path(), &address);
    }
    feeding.await.unwrap();
    assert!(kills > 2, "it was fed before it could be killed");
    let last = ALL as u64 - 1;
    let reached = host.api().get(&format!("read-models/ontime/carriers/UA?min_position={last}&timeout=60")).await;
    assert_eq!((reached.status, reached.version), (200, Some(1)), "{reached:?}");

    let actual = rows(&host.api()).await;
    assert_eq!(actual.len(), expected.len());
    for ((table, actual), (_, expected)) in actual.iter().zip(&expected) {
        assert_eq!(actual.len(), expected.len(), "{table}");
        for (actual, expected) in actual.iter().zip(expected) {
            assert_eq!(actual, expected, "{table}");
        }
    }
}
