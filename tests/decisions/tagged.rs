//! Aggregates by tag: what they are folded from is of any stream, any time and any schema.

use futures::future::join_all;
use kinora_tests::{Api, Host, module};
use serde_json::{Value, json};

use crate::rejected;

const COUNTERS: &str = "counters";

fn event(kind: &str, schema: u32, data: Value, tags: &[&str]) -> Value {
    json!({"type": kind, "schema": schema, "data": data, "tags": tags})
}

async fn append(api: &Api, stream: &str, events: Value) {
    let answer = api.post(&format!("streams/{stream}/events"), events).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

async fn count(api: &Api, id: &str) -> u64 {
    api.state_of(COUNTERS, id).await["n"].as_u64().unwrap()
}

/// Deploys a version that folds events of old schemas, too.
async fn live_with_old_events(api: &Api, version: u64) {
    let (decider, upcaster) = (api.upload(module(COUNTERS)).await, api.upload(module("renaming")).await);
    let body = json!({"module": decider, "upcasters": [upcaster]});
    let deployed = api.post("deciders/counters/versions", body).await;
    assert_eq!(deployed.status, 202, "{deployed:?}");
    api.until_decider(COUNTERS, version, "ready").await;
    let promoted = api.promote_decider(COUNTERS, json!({"version": version})).await;
    assert_eq!(promoted.status, 200, "{promoted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decider_never_sees_an_old_schema() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    // Renamed, split into several, forgotten on purpose, and brought here in three steps; in streams of all kinds.
    let a = ["counter:a"];
    let old = json!([
        event("Counted", 1, json!({"n": 1}), &a),
        event("Many", 1, json!({"ns": [2, 3, 4]}), &a),
        event("Many", 1, json!({"ns": []}), &a),
        event("Text", 1, json!(10), &a),
        event("Counted", 1, json!({"n": 7}), &["counter:b"]),
        event("Unheard", 1, json!({}), &["other"]),
    ]);
    append(&api, "old", old).await;
    append(&api, "older", event("Text", 2, json!({"number": "20"}), &["counter:b", "counter:a"])).await;

    // Without the upcaster it would have to decide on what it does not know.
    let digest = api.upload(module(COUNTERS)).await;
    let refused = api.try_decider(COUNTERS, &digest).await;
    let faulted = api.until_decider(COUNTERS, refused, "faulted").await;
    assert!(faulted["reason"].as_str().unwrap().contains("Counted"), "{faulted}");

    live_with_old_events(&api, 2).await;
    assert_eq!([count(&api, "a").await, count(&api, "b").await, count(&api, "c").await], [40, 27, 0]);
    assert_eq!(rejected(&api.command(COUNTERS, "a", "Add", json!({"n": 61})).await), Some("full"));
    let added = api.command(COUNTERS, "a", "Add", json!({"n": 60})).await;
    assert_eq!(added.status, 200, "{added:?}");
    let decided = &added.body["events"][0];
    assert_eq!((&decided["stream"], &decided["tags"]), (&json!("counter-a"), &json!(["counter:a"])));
    // An old event comes after new ones, too.
    append(&api, "old", event("Many", 1, json!({"ns": [30, 43]}), &["counter:b"])).await;
    assert_eq!(count(&api, "b").await, 100);
    assert_eq!(rejected(&api.command(COUNTERS, "b", "Add", json!({"n": 1})).await), Some("full"));
    assert_eq!(api.audited(COUNTERS).await, 1);

    // The next version decides it all as it was, from the same old events.
    live_with_old_events(&api, 3).await;
    assert_eq!([count(&api, "a").await, count(&api, "b").await], [100, 100]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_to_all_counters_at_once_never_fill_one_beyond_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(COUNTERS, module(COUNTERS)).await;
    let ids = ["a", "b", "c", "d"];
    let commands = (0..120_usize).map(|number| {
        let (api, id, other) = (api.clone(), ids[number % 4], ids[(number / 4 + 1 + number) % 4]);
        async move {
            let answer = match other == id {
                true => api.command(COUNTERS, id, "Add", json!({"n": 3})).await,
                false => api.command(COUNTERS, id, "AddToBoth", json!({"other": other, "n": 3})).await,
            };
            assert!(matches!(rejected(&answer), None | Some("full")), "{answer:?}");
        }
    });
    join_all(commands).await;
    for id in ids {
        let tagged: u64 = api
            .all_events()
            .await
            .iter()
            .filter(|event| event["tags"].as_array().is_some_and(|tags| tags.contains(&json!(format!("counter:{id}")))))
            .map(|event| event["data"]["n"].as_u64().unwrap())
            .sum();
        assert!((1..=100).contains(&tagged), "{id}: {tagged}");
        assert_eq!(count(&api, id).await, tagged);
    }
    api.audited(COUNTERS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_may_expect_where_its_tag_is() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(COUNTERS, module(COUNTERS)).await;
    let add = async |header: (&str, &str)| {
        let header = [header];
        api.command_with(COUNTERS, ("a", "Add", &json!({"n": 1})), &header).await
    };
    let first = add(("If-None-Match", "*")).await;
    assert_eq!((first.status, &first.body["revision"]), (200, &first.body["position"]), "{first:?}");
    let again = add(("If-None-Match", "*")).await;
    assert!(again.status == 412 && again.is("wrong-expected-revision"), "{again:?}");
    assert_eq!(again.body["current"], first.body["position"]);
    // Others, elsewhere, do not matter.
    assert_eq!(api.command(COUNTERS, "b", "Add", json!({"n": 1})).await.status, 200);
    let last = first.body["position"].to_string();
    let second = add(("If-Match", &format!("\"{last}\""))).await;
    assert_eq!(second.status, 200, "{second:?}");
    let late = add(("If-Match", &format!("\"{last}\""))).await;
    assert!(late.status == 412 && late.body["current"] == second.body["position"], "{late:?}");
    let state = api.get("deciders/counters/a/state").await;
    assert_eq!(state.body["revision"], second.body["position"], "{state:?}");
    assert_eq!(add(("If-Match", "*")).await.status, 200);
}
