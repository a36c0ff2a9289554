//! Hosts that die while traffic moves: what was asked for is done or not, and said once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kinora_tests::{Api, Program, Seed, module, until};
use serde_json::{Value, json};

async fn count(api: &Api, stream: &str, ns: &[u64]) {
    let events: Vec<Value> = ns.iter().map(|n| json!({"type": "Count", "data": {"n": n}})).collect();
    let answer = api.post(&format!("streams/{stream}/events"), json!(events)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Version 1 writes rows with `filler`, version 2 rows with `events`.
async fn two_versions(api: &Api) {
    for (version, name) in [(1, "hostile"), (2, "tally")] {
        let digest = api.upload(module(name)).await;
        assert_eq!(api.deploy("counts", &digest, &[]).await, version);
        api.until_caught_up("counts", version).await;
    }
    assert_eq!(api.post("projections/counts/versions/1/promote", json!({})).await.status, 200);
}

/// Whether a row is one that this version writes.
fn is_of(row: &Value, version: u64) -> bool {
    let field = |name| row.get(name).is_some();
    (field("filler"), field("events")) == if version == 1 { (true, false) } else { (false, true) }
}

/// Sends a request, and kills the host after a while, answered or not.
async fn killed_during(host: Program, path: &'static str, after: Duration) {
    let api = host.api();
    let asked = tokio::spawn(async move {
        let request = if path.contains("/diff") { api.client.get(api.at(path)) } else { api.client.post(api.at(path)) };
        let _ = api.try_text(request).await;
    });
    tokio::time::sleep(after).await;
    host.kill();
    asked.await.unwrap();
}

/// The version that the history says is live, which has to be the one that is.
async fn live(api: &Api) -> u64 {
    let status = api.get("projections/counts").await.body;
    let live = status["live"].as_u64().unwrap();
    let matches = |page: &Value| {
        let mut switches = page["events"].as_array().unwrap().iter().filter(|event| event["data"].get("to").is_some());
        switches.next_back().unwrap()["data"]["to"] == live
    };
    api.until("projections/counts/history?limit=1000", matches).await;
    let row = api.get("read-models/counts/counts/a").await;
    assert_eq!((row.status, row.version), (200, Some(live)), "{row:?}");
    assert!(is_of(&row.body, live), "{row:?}");
    live
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_while_it_switches_or_compares_has_done_it_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Program::start(dir.path());
    let address = host.address().to_owned();
    for stream in 0..50 {
        count(&host.api(), &format!("s{stream}"), &[1; 100]).await;
    }
    count(&host.api(), "a", &[1]).await;
    two_versions(&host.api()).await;
    let (mut seen, mut seed) = (Vec::new(), Seed::from_environment());
    for round in 0..12 {
        let path = match round % 3 {
            0 => "projections/counts/versions/2/promote",
            1 => "projections/counts/diff/rows?from=1&to=2&format=ndjson",
            _ => "projections/counts/rollback",
        };
        killed_during(host, path, Duration::from_micros(seed.below(3_500))).await;
        host = Program::start_at(dir.path(), &address);
        for version in [1, 2] {
            host.api().until_caught_up("counts", version).await;
        }
        seen.push(live(&host.api()).await);
    }
    let diff = host.api().get("projections/counts/diff?from=1&to=2").await.body;
    assert_eq!(diff["tables"][0]["changed"], json!(51), "{diff}; live were {seen:?}");
    assert_eq!(diff["tables"][0]["added"], json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_while_it_retires_a_version_has_all_of_its_rows_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Program::start(dir.path());
    let address = host.address().to_owned();
    count(&host.api(), "a", &[1, 2]).await;
    two_versions(&host.api()).await;
    let digest = host.api().upload(module("tally")).await;
    let mut seed = Seed::from_environment();
    for _ in 0..6 {
        let version = host.api().get("projections/counts").await.body["versions"].as_array().unwrap().len() as u64;
        let path: &'static str = Box::leak(format!("projections/counts/versions/{version}/retire").into_boxed_str());
        killed_during(host, path, Duration::from_micros(seed.below(3_500))).await;
        host = Program::start_at(dir.path(), &address);
        let api = host.api();
        let status = api.get(&format!("projections/counts/versions/{version}")).await.body;
        let folder = dir.path().join(format!("read-models/counts/{version}"));
        if status["state"] == "retired" {
            assert!(!folder.exists(), "{status}");
            assert_eq!(api.get(&format!("read-models/counts/counts/a?version={version}")).await.status, 409);
            let next = api.deploy("counts", &digest, &[]).await;
            api.until_caught_up("counts", next).await;
        } else {
            api.until_caught_up("counts", version).await;
            let row = api.get(&format!("read-models/counts/counts/a?version={version}")).await;
            assert_eq!((row.status, &row.body["n"]), (200, &json!(3)), "{row:?}");
        }
        assert_eq!(live(&api).await, 1);
    }
}

/// Pauses and resumes version 1 by turns, each for a reason of its own, until the host is gone. Gives the reasons that
/// were acknowledged.
async fn turned(api: &Api, life: u64, answered: &AtomicU64) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for (n, what) in ["pause", "resume"].into_iter().cycle().enumerate() {
        let why = format!("life {life}, change {n}");
        let request = api.client.post(api.at(&format!("projections/counts/versions/1/{what}")));
        match api.try_text(request.header("kinora-reason", &why).json(&json!({}))).await {
            Ok(answer) if answer.status == 200 => {
                acknowledged.push(why);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            // A version that was left paused cannot be paused.
            Ok(_) => {}
            Err(_) => break,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_in_the_history_once_whenever_the_host_is_killed() {
    const LIVES: u64 = 25;
    const LEAST_CHANGES: u64 = 4;
    let mut seed = Seed::from_environment();
    let dir = tempfile::tempdir().unwrap();
    let mut host = Program::start(dir.path());
    count(&host.api(), "a", &[1]).await;
    two_versions(&host.api()).await;
    let mut acknowledged = Vec::new();
    for life in 0..LIVES {
        let api = host.api();
        let answered = Arc::new(AtomicU64::new(0));
        let turning = tokio::spawn({
            let answered = Arc::clone(&answered);
            async move { turned(&api, life, &answered).await }
        });
        let changes = LEAST_CHANGES + seed.below(10);
        until("changes", async || answered.load(Ordering::Relaxed) >= changes).await;
        host.kill();
        acknowledged.push(turning.await.unwrap());
        host = Program::start(dir.path());
    }
    let api = host.api();
    // Whatever waits in the catalog comes before this one.
    api.post("projections/counts/versions/2/pause", json!({})).await;
    let mut recorded = Vec::new();
    let mut page = "streams/$kinora%2Fprojections%2Fcounts/events?limit=1000".to_owned();
    loop {
        let events = api.get(&page).await.body;
        let whys = events["events"].as_array().unwrap().iter().filter_map(|event| event["data"]["why"].as_str());
        recorded.extend(whys.map(str::to_owned));
        match events["next"].as_str() {
            Some(next) if !events["events"].as_array().unwrap().is_empty() => {
                page = next.trim_start_matches("/v1/").to_owned();
            }
            _ => break,
        }
    }
    let count = recorded.len();
    recorded.sort_unstable();
    recorded.dedup();
    assert_eq!(recorded.len(), count, "nothing is there twice");
    let done: usize = acknowledged.iter().map(Vec::len).sum();
    assert!(done as u64 >= LIVES * LEAST_CHANGES, "{done} changes");
    for why in acknowledged.iter().flatten() {
        assert!(recorded.binary_search(why).is_ok(), "{why} is missing");
    }
    assert!(count - done <= LIVES as usize, "one change at most was under way in each life");
}
