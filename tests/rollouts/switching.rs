//! Traffic that moves under load, and hosts that die while it moves: nobody sees an error, a mixed answer or a step
//! back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kinora_tests::{Api, Host, module, until};
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

/// Reads, in one session: a row and a list by turns. Gives the versions that answered, without repetitions.
async fn read(api: Api, stop: Arc<AtomicBool>, last: Arc<AtomicU64>) -> Vec<u64> {
    let (mut session, mut versions) = (None::<String>, Vec::new());
    let (mut position, mut n, mut round) = (0, 0, 0_u64);
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let path =
            if round.is_multiple_of(2) { "read-models/counts/counts/a" } else { "read-models/counts/counts?limit=50" };
        let mut request = api.client.get(api.at(path));
        if let Some(session) = &session {
            request = request.header("kinora-session", session);
        }
        let answer = api.text(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let number = |name| answer.header(name).parse().unwrap();
        let (version, seen): (u64, u64) = (number("kinora-version"), number("kinora-position"));
        session = Some(answer.header("kinora-session").to_owned());
        let body = answer.json();
        assert!(seen >= position, "it went back from {position} to {seen}");
        position = seen;
        let rows: Vec<Value> = match body["rows"].as_array() {
            Some(rows) => rows.iter().map(|row| row["row"].clone()).collect(),
            None => vec![body.clone()],
        };
        assert!(!rows.is_empty() && rows.iter().all(|row| is_of(row, version)), "version {version}: {body}");
        if body.get("n").is_some() {
            let now = body["n"].as_u64().unwrap();
            assert!(now >= n, "it went back from {n} to {now}");
            n = now;
        }
        if versions.last() != Some(&version) {
            versions.push(version);
            last.store(version, Ordering::Relaxed);
        }
    }
    versions
}

async fn write(api: Api, stream: &'static str, stop: Arc<AtomicBool>) -> u64 {
    let mut total = 0;
    while !stop.load(Ordering::Relaxed) {
        count(&api, stream, &[1; 20]).await;
        total += 20;
    }
    total
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_queries_and_appends_runs_through_ten_promotions_and_rollbacks() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1]).await;
    count(&api, "b", &[1]).await;
    two_versions(&api).await;
    let stop = Arc::new(AtomicBool::new(false));
    let seen: [Arc<AtomicU64>; 6] = Default::default();
    let readers = seen.each_ref().map(|last| tokio::spawn(read(api.clone(), Arc::clone(&stop), Arc::clone(last))));
    let all_see = async |version: u64| {
        until("the switch", async || seen.iter().all(|last| last.load(Ordering::Relaxed) == version)).await;
    };
    let writers = ["a", "b"].map(|stream| tokio::spawn(write(api.clone(), stream, Arc::clone(&stop))));
    for round in 0..10 {
        all_see(1).await;
        let promoted = api.post("projections/counts/versions/2/promote", json!({"expected_live": 1})).await;
        assert_eq!((promoted.status, &promoted.body["live"]), (200, &json!(2)), "round {round}: {promoted:?}");
        all_see(2).await;
        let back = api.post("projections/counts/rollback", json!({})).await;
        assert_eq!((back.status, &back.body["live"]), (200, &json!(1)), "round {round}: {back:?}");
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        let versions = reader.await.unwrap();
        assert!(versions.len() >= 20, "{versions:?}");
    }
    for (stream, writer) in ["a", "b"].into_iter().zip(writers) {
        let total = writer.await.unwrap() + 1;
        for version in [1, 2] {
            api.until_caught_up("counts", version).await;
            let row = api.get(&format!("read-models/counts/counts/{stream}?version={version}")).await;
            assert_eq!(row.body["n"], json!(total), "{stream} in version {version}");
        }
    }
}

#[tokio::test]
async fn a_session_waits_for_what_it_has_seen_and_a_foreign_token_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1]).await;
    two_versions(&api).await;
    let ask = async |token: &str, more: &str| {
        let request = api.client.get(api.at(&format!("read-models/counts/counts/a?{more}")));
        api.send(request.header("kinora-session", token)).await.status
    };
    assert_eq!(ask("p2", "").await, 200);
    assert_eq!(ask("p900", "timeout=0.05").await, 503);
    assert_eq!(ask("p900", "timeout=0.05&min_position=1").await, 503, "the later of the two holds");
    assert_eq!(ask("900", "").await, 400);
}
