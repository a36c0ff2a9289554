//! Upcasters over HTTP: renamed, split, dropped and chained events reach the projector in order; what goes wrong on the
//! way stops the version at that event.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use kinora_tests::{Api, Host, module};
use serde_json::{Value, json};

async fn append(api: &Api, events: Value) {
    let answer = api.post("streams/a/events", events).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn event(kind: &str, schema: u32, data: Value) -> Value {
    json!({"type": kind, "schema": schema, "data": data})
}

async fn deployed(api: &Api) {
    let (projector, upcaster) = (api.upload(module("hostile")).await, api.upload(module("renaming")).await);
    assert_eq!(api.deploy("counts", &projector, &[&upcaster]).await, 1);
}

#[tokio::test]
async fn old_events_are_renamed_split_dropped_and_chained() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let events = json!([
        event("Count", 1, json!({"n": 1})),
        event("Counted", 1, json!({"n": 10})),
        event("Many", 1, json!({"ns": [100, 200, 300]})),
        event("Many", 1, json!({"ns": []})),
        event("Text", 1, json!(1000)),
        event("Text", 2, json!({"number": "2000"})),
    ]);
    append(&api, events).await;
    deployed(&api).await;
    let status = api.until_state("counts", 1, "ready").await;
    assert_eq!(status["checkpoint"], 5);
    append(&api, json!([event("Many", 1, json!({"ns": [5000]})), event("Many", 1, json!({"ns": []}))])).await;
    let row = api.get("read-models/counts/counts/a?version=1&min_position=7").await;
    assert_eq!(row.body["n"], 1 + 10 + 600 + 1000 + 2000 + 5000);
}

#[tokio::test]
async fn what_goes_wrong_in_an_upcaster_stops_the_version_there() {
    let cases = [
        (event("Text", 2, json!({"number": "seven"})), "fault", "\"seven\": invalid digit"),
        (event("Counted", 1, json!({"m": 1})), "fault", "missing field `n`"),
        (event("Forgotten", 2, json!({})), "fault", "neither changed nor dropped"),
    ];
    for (bad, category, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::start(dir.path());
        let api = host.api();
        append(&api, json!([event("Count", 1, json!({"n": 1})), event("Counted", 1, json!({"n": 2})), bad])).await;
        deployed(&api).await;
        let status = api.until_state("counts", 1, "faulted").await;
        let fault = &status["fault"];
        assert_eq!((&fault["position"], &fault["category"]), (&json!(2), &json!(category)), "{status}");
        assert!(fault["message"].as_str().unwrap().contains(words), "{status}");
        let row = api.get("read-models/counts/counts/a?version=1").await;
        assert_eq!((row.position, &row.body["n"]), (Some(1), &json!(3)), "what came before is committed");
    }
}
