//! Switches: what others would stop at, and where there is no way back, is said before it is so.

use kinora_tests::{Host, module};
use serde_json::json;

use crate::{BANK, account, balance};

#[tokio::test(flavor = "multi_thread")]
async fn projections_that_would_stop_are_named_before_there_is_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let tally = api.upload(module("tally")).await;
    api.deploy_live("tally", &tally).await;
    // One that takes everything is not in the way.
    let shapes = api.upload(module("shapes")).await;
    api.deploy_live("shapes", &shapes).await;
    let digest = api.upload(module("contrary")).await;
    assert_eq!(api.deploy_decider("contrary", &digest).await, 1);
    let refused = api.promote_decider("contrary", json!({"version": 1})).await;
    assert!(refused.status == 409 && refused.is("would-stop"), "{refused:?}");
    assert_eq!(refused.body["title"], "would stop");
    let stops = refused.body["stops"].as_array().unwrap();
    assert!(stops.iter().all(|stop| stop["projection"] == "tally" && stop["version"] == 1), "{refused:?}");
    assert!(stops.iter().any(|stop| stop["type"] == "Counted" && stop["schema"] == 1), "{refused:?}");
    assert!(stops[0]["why"].as_str().unwrap().contains("neither handles nor ignores"), "{refused:?}");
    assert_eq!(api.get("deciders/contrary").await.body["live"], json!(null));
    assert_ne!(api.get("projections/tally/versions/1").await.body["state"], "faulted");
    // Whoever says so can have it.
    let accepted = api.promote_decider("contrary", json!({"version": 1, "accept_stops": true})).await;
    assert_eq!(accepted.body["live"], 1, "{accepted:?}");
    assert_eq!(api.command("contrary", "1", "Count", json!({"n": 1})).await.status, 200);
    api.until_state("tally", 1, "faulted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_way_back_it_is_marked_and_then_refused() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    let other = api.upload(module("contrary")).await;
    assert_eq!(api.deploy_decider(BANK, &other).await, 2);
    let one_way =
        async |version: usize| api.get("deciders/bank").await.body["versions"][version - 1]["one_way"].clone();
    assert_eq!(one_way(1).await, json!(null));
    let marked = one_way(2).await;
    assert!(marked.as_array().unwrap().contains(&json!("Counted schema 1")), "{marked}");
    // Nothing of it has come yet, so there is a way back.
    assert_eq!(api.promote_decider(BANK, json!({"version": 2})).await.status, 200);
    assert_eq!(api.post("deciders/bank/rollback", json!({})).await.body["live"], 1);
    account(&api, "a", "ann", 100).await;
    let lost = api.promote_decider(BANK, json!({"version": 2})).await;
    assert!(lost.status == 409 && lost.is("one-way"), "{lost:?}");
    let accepted = json!({"version": 2, "accept_one_way": true});
    assert_eq!(api.promote_decider(BANK, accepted).await.status, 200);
    assert_eq!(api.command(BANK, "1", "Count", json!({"n": 1})).await.status, 200);
    let refused = api.post("deciders/bank/rollback", json!({})).await;
    assert!(refused.status == 409 && refused.is("one-way"), "{refused:?}");
    assert_eq!((&refused.body["title"], &refused.body["types"]), (&json!("one way"), &json!(["Counted schema 1"])));
    let back = api.promote_decider(BANK, json!({"version": 1, "accept_one_way": true})).await;
    assert_eq!(back.body["live"], 1, "{back:?}");
    assert_eq!(balance(&api, "a").await, 100);
}
