//! Limits that are set on the command line, and what is seen of a version that does not get on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use kinora_tests::{Api, Handwritten, Host, module};
use serde_json::{Value, json};

fn host(data: &std::path::Path, limits: &[&str]) -> Host {
    let mut command = Host::command(data);
    command.args(["--listen", "127.0.0.1:0"]);
    for limit in limits {
        command.args(["--limit", limit]);
    }
    Host::start_command(command)
}

async fn append(api: &Api, kind: &str) {
    let answer = api.post("streams/s/events", json!({"type": kind, "data": {"n": 1}})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

async fn metrics(api: &Api) -> String {
    api.client.get(format!("{}/metrics", api.url)).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_version_that_does_not_get_on_is_seen_while_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(dir.path(), &["sandbox.event_fuel=1000000000000", "projections.stall_seconds=1"]);
    let api = host.api();
    append(&api, "Count").await;
    let bad = api.upload(module("hostile")).await;
    let good = api.upload(Handwritten { bad: "Loop", ..Handwritten::default() }.module()).await;
    for (name, digest) in [("bad", &bad), ("good", &good)] {
        api.deploy(name, digest, &[]).await;
        api.until_state(name, 1, "ready").await;
        api.post(&format!("projections/{name}/versions/1/promote"), json!({})).await;
    }
    let line = |name: &str, value: &str| {
        format!("kinora_version_stalled_seconds{{projection=\"{name}\",version=\"1\"}} {value}")
    };
    assert!(metrics(&api).await.contains(&line("bad", "0\n")));
    append(&api, "Loop").await;
    let status = api.until("projections/bad/versions/1", |status| status["stalled_seconds"].as_u64() >= Some(1)).await;
    assert_eq!((&status["state"], &status["lag"]), (&json!("live"), &json!(1)), "{status}");
    let metrics = metrics(&api).await;
    assert!(!metrics.contains(&line("bad", "0\n")) && metrics.contains(&line("good", "0\n")), "{metrics}");
    let ready = api.client.get(format!("{}/readyz", api.url)).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["waiting"][0]["projection"], "bad", "{ready}");
    append(&api, "Count").await;
    let status = api.until_caught_up("good", 1).await;
    assert_eq!(status["stalled_seconds"], Value::Null, "{status}");
    host.kill();
}

#[tokio::test]
async fn limits_are_set_by_name_shown_and_held_and_what_is_used_is_shown_too() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(dir.path(), &["sandbox.value_bytes=64", "sandbox.event_fuel=5000000"]);
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

    let wrong = Host::command(dir.path()).args(["--limit", "sandbox.speed=1"]).output().unwrap();
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(said.contains("there is no limit \"sandbox.speed\"") && said.contains("sandbox.event_fuel"), "{said}");
}
