//! Versions that stand still: whatever the reason, old rows are never handed out without a word.

use kinora_tests::{Api, Host, module};
use serde_json::{Value, json};

async fn append(api: &Api, kind: &str) {
    assert_eq!(api.post("streams/a/events", json!([{"type": kind, "data": {"n": 1}}])).await.status, 201);
}

/// Status, state, warning and body of an answer.
async fn ask(api: &Api, path: &str) -> (u16, String, String, Value) {
    let response = api.client.get(api.at(&format!("read-models/counts/{path}"))).send().await.unwrap();
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    let (status, state, warning) = (response.status().as_u16(), header("kinora-state"), header("warning"));
    (status, state, warning, response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_paused_version_answers_as_one_does_that_stopped_at_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    append(&api, "Count").await;
    let digest = api.upload(module("hostile")).await;
    api.deploy("counts", &digest, &[]).await;
    api.until_state("counts", 1, "ready").await;
    api.post("projections/counts/versions/1/promote", json!({})).await;
    for still in ["paused", "faulted"] {
        match still {
            "paused" => drop(api.post("projections/counts/versions/1/pause", json!({})).await),
            _ => append(&api, "Fault").await,
        }
        api.until_state("counts", 1, still).await;
        append(&api, "Count").await;
        for path in ["counts/a", "counts?limit=5", "queries/total?arguments={}", "counts?aggregate=count()"] {
            let (status, _, _, body) = ask(&api, path).await;
            let title = format!("version {still}");
            assert_eq!((status, body["title"].as_str(), &body["state"]), (503, Some(&*title), &json!(still)), "{path}");
            assert!(body["hint"].as_str().unwrap().contains("stale=true"), "{body}");
            let more = if path.contains('?') { "&" } else { "?" };
            let (status, state, warning, _) = ask(&api, &format!("{path}{more}stale=true")).await;
            assert_eq!((status, state.as_str()), (200, still), "{path}");
            assert!(warning.starts_with("110 kinora \"stale"), "{path}: {warning}");
        }
        let client = api.client.patch(api.at("projections/counts"));
        api.send(client.json(&json!({"on_fault": "stale"}))).await;
        let (status, state, warning, body) = ask(&api, "counts/a").await;
        assert_eq!((status, state.as_str(), &body["n"]), (200, still, &json!(if still == "paused" { 1 } else { 2 })));
        assert!(warning.starts_with("110 kinora \"stale"), "{warning}");
        let client = api.client.patch(api.at("projections/counts"));
        api.send(client.json(&json!({"on_fault": "refuse"}))).await;
        if still == "paused" {
            api.post("projections/counts/versions/1/resume", json!({})).await;
            api.until_caught_up("counts", 1).await;
            assert_eq!((ask(&api, "counts/a").await.0, ask(&api, "counts/a").await.1), (200, String::new()));
        }
    }
}
