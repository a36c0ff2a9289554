//! Retries of changes: with an `Idempotency-Key` a request is done once, however often it comes, and with
//! `expected_live` only while that version is live.

use kinora_tests::{Answer, Api, Host, module};
use reqwest::Method;
use serde_json::{Value, json};

async fn count(api: &Api, ns: &[u64]) {
    let events: Vec<Value> = ns.iter().map(|n| json!({"type": "Count", "data": {"n": n}})).collect();
    assert_eq!(api.post("streams/a/events", json!(events)).await.status, 201);
}

/// Sends a change of the projection, with a key if there is one.
async fn change(api: &Api, method: Method, path: &str, key: Option<&str>, body: &Value) -> Answer {
    let mut request = api.client.request(method, api.at(path)).json(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    api.send(request).await
}

async fn post(api: &Api, path: &str, key: &str, body: Value) -> Answer {
    change(api, Method::POST, &format!("projections/counts/{path}"), Some(key), &body).await
}

/// How many entries the history has.
async fn entries(api: &Api) -> usize {
    api.get("projections/counts/history?limit=1000").await.body["events"].as_array().unwrap().len()
}

/// Two versions that are ready; the second one is live, and the first one was.
async fn two_versions(api: &Api) -> String {
    count(api, &[1, 2]).await;
    let digest = api.upload(module("hostile")).await;
    for version in [1, 2] {
        assert_eq!(api.deploy("counts", &digest, &[]).await, version);
        api.until_caught_up("counts", version).await;
        let promoted = api.post(&format!("projections/counts/versions/{version}/promote"), json!({})).await;
        assert_eq!(promoted.status, 200, "{promoted:?}");
    }
    digest
}

/// The first of two versions is live again, and the second is paused.
async fn one_live_and_one_paused(api: &Api) -> String {
    let digest = two_versions(api).await;
    api.post("projections/counts/rollback", json!({})).await;
    api.post("projections/counts/versions/2/pause", json!({})).await;
    digest
}

fn live(answer: &Answer) -> (u16, Option<u64>, Option<u64>) {
    (answer.status, answer.body["live"].as_u64(), answer.body["previous"].as_u64())
}

#[tokio::test]
async fn a_retried_rollback_answers_as_the_first_did_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    two_versions(&api).await;
    let back = post(&api, "rollback", "back", json!({"expected_live": 2})).await;
    assert_eq!(live(&back), (200, Some(1), Some(2)), "{back:?}");
    let known = entries(&api).await;
    for _ in 0..3 {
        let again = post(&api, "rollback", "back", json!({"expected_live": 2})).await;
        assert_eq!(live(&again), (200, Some(1), Some(2)), "{again:?}");
    }
    let other = post(&api, "rollback", "back", json!({"expected_live": 1})).await;
    assert_eq!((other.status, other.body["title"].as_str()), (422, Some("idempotency key reused")), "{other:?}");
    let other = post(&api, "versions/2/promote", "back", json!({"expected_live": 2})).await;
    assert_eq!((other.status, other.body["title"].as_str()), (422, Some("idempotency key reused")), "{other:?}");
    assert_eq!(entries(&api).await, known, "nothing has been done");

    // Whatever has become of the projection since: the answer is that to the first request.
    api.until_caught_up("counts", 2).await;
    assert_eq!(live(&post(&api, "versions/2/promote", "on", json!({"expected_live": 1})).await).1, Some(2));
    let again = post(&api, "rollback", "back", json!({"expected_live": 2})).await;
    assert_eq!(live(&again), (200, Some(1), Some(2)), "{again:?}");
    let states: Vec<_> = again.body["versions"].as_array().unwrap().iter().map(|version| &version["state"]).collect();
    assert_eq!(states, ["live", "standby"], "{again:?}");
    assert_eq!(live(&api.get("projections/counts").await).1, Some(2), "and it is the second one that answers");
    host.stop();

    let host = Host::start(dir.path());
    let api = host.api();
    let again = post(&api, "rollback", "back", json!({"expected_live": 2})).await;
    assert_eq!(live(&again), (200, Some(1), Some(2)), "{again:?}");
    assert_eq!((live(&api.get("projections/counts").await).1, entries(&api).await), (Some(2), known + 1));
}

#[tokio::test]
async fn many_retries_at_once_are_one_change() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    two_versions(&api).await;
    let known = entries(&api).await;
    let asked = (0..16).map(|_| {
        let api = api.clone();
        tokio::spawn(async move { post(&api, "rollback", "back", json!({})).await })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert_eq!(live(&answer.await.unwrap()), (200, Some(1), Some(2)));
    }
    assert_eq!(entries(&api).await, known + 1);
}

/// Every operation that changes a projection in which version 1 is live, and version 2 is paused.
fn operations(module: &str) -> Vec<(Method, &'static str, Value)> {
    let post = |path, body| (Method::POST, path, body);
    vec![
        post("versions", json!({"module": module})),
        post("versions/2/resume", json!({})),
        post("versions/2/pause", json!({})),
        post("versions/2/retry", json!({})),
        post("versions/2/review", json!({})),
        post("versions/2/promote", json!({"force": true})),
        post("rollback", json!({})),
        post("versions/3/abort", json!({})),
        post("versions/2/retire", json!({})),
        (Method::PATCH, "", json!({"retain": 3})),
    ]
}

#[tokio::test]
async fn no_change_is_made_while_another_version_is_live_than_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = one_live_and_one_paused(&api).await;
    api.deploy("counts", &digest, &[]).await;
    api.until_state("counts", 3, "ready").await;
    let known = entries(&api).await;
    for (method, path, mut body) in operations(&digest) {
        body["expected_live"] = json!(77);
        let path = format!("projections/counts/{path}");
        let refused = change(&api, method, path.trim_end_matches('/'), Some("k"), &body).await;
        assert_eq!((refused.status, refused.body["title"].as_str()), (409, Some("other live")), "{path}: {refused:?}");
        assert_eq!(refused.body["live"], 1, "{path}: {refused:?}");
    }
    let wasm = api.client.post(api.at("projections/counts/versions?expected_live=77"));
    let wasm = api.send(wasm.header("content-type", "application/wasm").body(module("hostile"))).await;
    assert_eq!((wasm.status, wasm.body["title"].as_str()), (409, Some("other live")), "{wasm:?}");
    assert_eq!(entries(&api).await, known, "nothing has been done");
}

#[tokio::test]
async fn a_retry_of_any_change_is_answered_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = one_live_and_one_paused(&api).await;
    let mut version = None;
    for (number, (method, path, body)) in operations(&digest).into_iter().enumerate() {
        if path.ends_with("/promote") {
            api.until_caught_up("counts", 2).await;
        }
        if path.ends_with("/abort") {
            api.until_state("counts", 3, "ready").await;
        }
        let (before, key) = (entries(&api).await, format!("key {number}"));
        let path = format!("projections/counts/{path}");
        let send = async || change(&api, method.clone(), path.trim_end_matches('/'), Some(&key), &body).await;
        let first = send().await;
        assert!(first.status < 300, "{path}: {first:?}");
        let done = entries(&api).await;
        assert!(done > before, "{path} stands in the history");
        let again = send().await;
        assert_eq!((again.status, live(&again)), (first.status, live(&first)), "{path}: {again:?}");
        if path.ends_with("/versions") {
            version = first.body["version"].as_u64();
            assert_eq!(again.body["version"], first.body["version"], "{again:?}");
        }
        assert_eq!(entries(&api).await, done, "{path} has been done once");
    }
    assert_eq!(version, Some(3));
    let wasm = async || {
        let request = api.client.post(api.at("projections/counts/versions?expected_live=1"));
        let request = request.header("content-type", "application/wasm").header("idempotency-key", "wasm");
        api.send(request.body(module("hostile"))).await
    };
    let (first, again) = (wasm().await, wasm().await);
    assert_eq!((first.status, again.status, &again.body["version"]), (202, 202, &json!(4)), "{first:?} {again:?}");
    assert_eq!(first.body["version"], 4);

    let bad = json!([{"type": "Fault", "data": {}}]);
    let bad = api.post("streams/a/events", bad).await.body["first_position"].as_u64().unwrap();
    api.until_state("counts", 1, "faulted").await;
    let skip = json!({"position": bad, "reason": "a test", "expected_live": 1});
    for _ in 0..2 {
        let skipped = post(&api, "versions/1/skip", "skip", skip.clone()).await;
        assert_eq!(skipped.status, 200, "{skipped:?}");
    }
    let other = json!({"position": bad, "reason": "a test", "expected_live": 2});
    assert_eq!(post(&api, "versions/1/skip", "skip 2", other).await.body["title"], "other live");
}

#[tokio::test]
async fn projections_follow_an_upcaster_once() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, &[1]).await;
    let (hostile, old) = (api.upload(module("hostile")).await, api.upload(module("renaming")).await);
    // The same upcaster with a custom section more is another module.
    let new = api.upload([module("renaming"), vec![0, 2, 1, b'x']].concat()).await;
    api.deploy("counts", &hostile, &[&old]).await;
    api.until_caught_up("counts", 1).await;
    let body = json!({"upcaster": new, "replaces": old});
    let follow = async || change(&api, Method::POST, "upcasters/follow", Some("f"), &body).await;
    let (first, again) = (follow().await, follow().await);
    for answer in [first, again] {
        assert_eq!(
            (answer.status, &answer.body["projections"][0]["version"]["version"]),
            (200, &json!(2)),
            "{answer:?}"
        );
    }
    assert_eq!(api.get("projections/counts").await.body["versions"].as_array().unwrap().len(), 2);
}
