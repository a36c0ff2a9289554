//! Events by pages: one of them at each step of its upcasting, with what led to it and what came of it.

use kinora_tests::{Api, Host, module};
use serde_json::{Value, json};

use crate::stage::Visitor;

async fn appended(api: &Api, event: Value) -> (u64, String) {
    let answer = api.post("streams/a/events", event).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let position = answer.body["last_position"].as_u64().unwrap();
    let event = api.get(&format!("events?from={position}&limit=1")).await.body["events"][0].clone();
    (position, event["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_event_is_shown_at_each_step_of_its_upcasting() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let (api, visitor) = (host.api(), Visitor::of(&host.api()));
    let (text, _) = appended(&api, json!({"type": "Text", "schema": 1, "data": 1000})).await;
    let (dropped, _) = appended(&api, json!({"type": "Many", "schema": 1, "data": {"ns": []}})).await;
    let (plain, _) = appended(&api, json!({"type": "Count", "data": {"n": 5}})).await;
    let (projector, upcaster) = (api.upload(module("hostile")).await, api.upload(module("renaming")).await);
    assert_eq!(api.deploy("counts", &projector, &[&upcaster]).await, 1);
    api.until_state("counts", 1, "ready").await;
    let way = async |position: u64| api.get(&format!("projections/counts/versions/1/upcasting/{position}")).await;
    let found = way(text).await;
    let calls = found.body["calls"].as_array().unwrap();
    let kind = |event: &Value| format!("{}/{}", event["type"].as_str().unwrap(), event["schema"]);
    let steps: Vec<_> = calls.iter().map(|call| (kind(&call["takes"][0]), kind(&call["makes"][0]))).collect();
    let expected = [("Text/1", "Text/2"), ("Text/2", "Counted/1"), ("Counted/1", "Count/1")];
    assert_eq!(steps, expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    assert_eq!((&found.body["outcome"], &found.body["arrives"][0]["data"]), (&json!("handled"), &json!({"n": 1000})));
    let found = way(dropped).await;
    assert_eq!((&found.body["arrives"], &found.body["calls"][0]["makes"]), (&json!([]), &json!([])), "{found:?}");
    assert_eq!(way(plain).await.body["calls"], json!([]));
    assert!(way(1_000_000).await.is("invalid-parameter"));

    let page = visitor.sees(&format!("/console/events/{text}")).await;
    for words in ["As a version gets it", "counts v1", "Text/2", "Counted/1", "The projector gets Count/1"] {
        page.shows(words);
    }
    visitor.sees(&format!("/console/events/{dropped}")).await.shows("An upcaster drops it");
    assert!(!visitor.sees(&format!("/console/events/{plain}")).await.text.contains("As a version gets it"));

    // One that an upcaster cannot take: the fault shows where it fails.
    let (bad, _) = appended(&api, json!({"type": "Text", "schema": 2, "data": {"number": "seven"}})).await;
    api.until_state("counts", 1, "faulted").await;
    assert_eq!(way(bad).await.body["outcome"], "failed");
    let fault = visitor.sees("/console/projections/counts/versions/1/fault").await;
    fault.shows("As this version gets it");
    fault.shows("The version stops at it");
}

#[tokio::test]
async fn causes_and_effects_are_a_tree_and_an_event_is_found_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let (api, visitor) = (host.api(), Visitor::of(&host.api()));
    let caused = async |kind: &str, cause: &str, tags: Value| {
        let metadata = json!({"causation_id": cause, "correlation_id": "c-1"});
        appended(&api, json!({"type": kind, "data": {}, "metadata": metadata, "tags": tags})).await
    };
    let (root, ordered) = appended(&api, json!({"type": "Ordered", "data": {}})).await;
    let (paid, payment) = caused("Paid", &ordered, json!(["order:c-1"])).await;
    // More than are looked at one by one.
    let others: Vec<Value> = (0..300).map(|n| json!({"type": "Other", "data": {"n": n}})).collect();
    assert_eq!(api.post("streams/b/events", json!(others)).await.status, 201);
    let (shipped, _) = caused("Shipped", &payment, json!(["order:c-1"])).await;
    let page = visitor.sees(&format!("/console/events/{paid}")).await;
    for (position, kind) in [(root, "Ordered"), (paid, "Paid"), (shipped, "Shipped")] {
        page.shows(&format!("/console/events/{position}"));
        page.shows(&format!("<strong>{kind}</strong>"));
    }
    page.shows("(this one)");
    let alone = visitor.sees(&format!("/console/events/{}", paid + 1)).await;
    alone.shows("It names no cause, and none of the 200 events");
    visitor.sees(&format!("/console/events/{ordered}")).await.shows(&format!("Event {root}"));
    let found = api.get(&format!("events?from_id={payment}&limit=1")).await;
    assert_eq!(found.body["events"][0]["position"], paid);
    let none = "00000000-0000-4000-8000-000000000000";
    assert!(api.get(&format!("events?from_id={none}")).await.is("invalid-parameter"));
    assert!(api.get(&format!("events?from_id={payment}&from=1")).await.is("invalid-parameter"));
    assert_eq!(visitor.sees(&format!("/console/events/{none}")).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_a_command_leads_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let (api, visitor) = (host.api(), Visitor::of(&host.api()));
    api.decider_live("bank", module("accounts")).await;
    for (id, iban) in [("1", "DE0001"), ("2", "DE0002")] {
        let opened = api.command("bank", id, "Open", json!({"customer": "ann", "iban": iban})).await;
        assert_eq!(opened.status, 200, "{opened:?}");
    }
    assert_eq!(api.command("bank", "1", "Deposit", json!({"cents": 4200})).await.status, 200);
    let moved = api.command("bank", "1", "Transfer", json!({"to": "2", "cents": 100})).await;
    let events = moved.body["events"].as_array().unwrap().clone();
    assert!(events.len() > 1, "{moved:?}");
    for event in &events {
        let page = visitor.sees(&format!("/console/events/{}", event["position"])).await;
        page.shows("The command <strong>Transfer</strong>");
        for other in &events {
            page.shows(&format!("/console/events/{}", other["position"]));
        }
    }
}
