//! Limits that are set, and what of them is used.

use kinora_tests::{Api, Host, module};
use serde_json::json;

async fn append(api: &Api, kind: &str) {
    let answer = api.post("streams/s/events", json!({"type": kind, "data": {"n": 1}})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn limits_are_set_by_name_shown_and_held_and_what_is_used_is_shown_too() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["sandbox.value_bytes=64", "sandbox.event_fuel=5000000"]);
    let api = host.api();
    let limits = api.get("limits").await.body;
    assert_eq!((&limits["sandbox"]["value_bytes"], &limits["log"]["event_tags"]), (&json!(64), &json!(32)));
    let digest = api.upload(module("hostile")).await;
    for _ in 0..50 {
        append(&api, "Count").await;
    }
    api.deploy("counts", &digest, &[]).await;
    let status = api.until_state("counts", 1, "ready").await;
    let usage = &status["usage"];
    for (used, limit) in [("event_fuel", 5_000_000), ("memory_bytes", 192 << 20), ("commit_bytes", 256 << 20)] {
        let used = usage[used].as_u64().unwrap();
        assert!(used > 0 && used < limit, "{status}");
    }
    append(&api, "Large").await;
    let status = api.until_state("counts", 1, "faulted").await;
    assert_eq!(status["fault"]["limit"], json!({"name": "value_bytes", "value": 64}), "{status}");
    assert!(status["fault"]["hint"].as_str().unwrap().contains("--limit sandbox.value_bytes=N"), "{status}");
}

/// Refused as `limit-reached`, with the limit's name.
fn assert_no_room(answer: &kinora_tests::Answer, limit: &str) {
    assert_eq!((answer.status, &answer.body["title"]), (409, &json!("limit reached")), "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(limit), "{limit} is not in {detail}");
}

#[tokio::test]
async fn modules_projections_and_versions_have_a_number_and_whoever_wants_more_is_told_which() {
    let dir = tempfile::tempdir().unwrap();
    let limits = ["sandbox.modules=2", "projections.projections=1", "projections.versions=2"];
    let host = Host::start_with_limits(dir.path(), &limits);
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    let other = api.upload(module("tally")).await;
    let third = api.send(api.client.post(api.at("modules")).body(module("members"))).await;
    assert_no_room(&third, "sandbox.modules");
    assert_eq!(api.delete(&format!("modules/{other}")).await.status, 204);
    api.upload(module("members")).await;
    append(&api, "Count").await;
    for version in 1..=2 {
        assert_eq!(api.deploy("counts", &digest, &[]).await, version);
    }
    let another = api.post("projections/counts/versions", json!({"module": digest})).await;
    assert_no_room(&another, "projections.versions");
    let another = api.post("projections/others/versions", json!({"module": digest})).await;
    assert_no_room(&another, "projections.projections");
    api.until_state("counts", 1, "ready").await;
    assert_eq!(api.post("projections/counts/versions/1/abort", json!({})).await.status, 200);
    assert_eq!(api.deploy("counts", &digest, &[]).await, 3);
}
