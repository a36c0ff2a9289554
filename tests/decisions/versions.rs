//! Versions of rules: what they would decide otherwise is told, one of them decides, and no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::join_all;
use kinora_tests::{Api, Host, module, until};
use serde_json::{Value, json};

use crate::{BANK, account, balance};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_version_decides_otherwise_is_told_and_has_to_be_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["deciders.lanes=1"]);
    let api = host.api();
    let digest = api.decider_live("contrary", module("contrary")).await;
    // What leaves no trace in the log is counted all the same: this decider decides on what it should not keep.
    for _ in 0..3 {
        assert_eq!(api.post("deciders/contrary/1/Refuse?dry_run=true", json!({})).await.status, 422);
    }
    for id in ["1", "2"] {
        assert_eq!(api.command("contrary", id, "Count", json!({"n": 1})).await.status, 200);
    }
    let remembered = api.command("contrary", "1", "Remember", json!({})).await;
    assert_eq!(remembered.body["events"][0]["data"]["n"], 6, "{remembered:?}");
    assert_eq!(api.deploy_decider("contrary", &digest).await, 2);
    let report = api.until_decider("contrary", 2, "ready").await["report"].clone();
    let counts = ["events", "aggregates", "commands", "same", "different", "rejected", "unchanged", "unknown"];
    assert_eq!(counts.map(|name| report[name].as_u64().unwrap()), [3, 2, 3, 2, 1, 0, 0, 0], "{report}");
    let sample = &report["samples"][0];
    assert_eq!((&sample["name"], &sample["aggregate"]), (&json!("Remember"), &json!("1")), "{report}");
    assert_eq!(sample["position"], remembered.body["position"]);

    let refused = api.promote_decider("contrary", json!({"version": 2})).await;
    assert!(refused.status == 409 && refused.is("decides-otherwise"), "{refused:?}");
    assert_eq!((&refused.body["title"], &refused.body["differences"]), (&json!("decides otherwise"), &json!(1)));
    let decided = api.command("contrary", "1", "Count", json!({"n": 1})).await;
    assert_eq!((decided.status, &decided.body["version"]), (200, &json!(1)), "{decided:?}");
    let other = api.promote_decider("contrary", json!({"version": 2, "expected_live": 2, "accept_differences": true}));
    assert!(other.await.is("other-live"));
    let accepted = json!({"version": 2, "expected_live": 1, "accept_differences": true});
    assert_eq!(api.promote_decider("contrary", accepted).await.body["live"], 2);
    let decided = api.command("contrary", "1", "Count", json!({"n": 1})).await;
    assert_eq!((decided.status, &decided.body["version"]), (200, &json!(2)), "{decided:?}");
    let history = api.get("deciders/contrary/history").await.body["events"].clone();
    let happened = |event: &Value| event["data"]["what"].as_str().unwrap().to_owned();
    let happened: Vec<_> = history.as_array().unwrap().iter().map(happened).collect();
    assert_eq!(happened, ["deployed", "proved", "promoted", "deployed", "proved", "promoted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_go_back_and_are_given_up_and_a_restart_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::start(dir.path());
    let digest = host.api().decider_live(BANK, module("accounts")).await;
    account(&host.api(), "a", "ann", 100).await;
    let states = async |api: &Api| {
        let decider = api.get("deciders/bank").await.body;
        let state = |version: &Value| version["state"].as_str().unwrap().to_owned();
        (decider["live"].as_u64(), decider["versions"].as_array().unwrap().iter().map(state).collect::<Vec<_>>())
    };
    assert_eq!(host.api().deploy_decider(BANK, &digest).await, 2);
    assert_eq!(host.api().promote_decider(BANK, json!({"version": 2})).await.status, 200);
    assert_eq!(host.api().deploy_decider(BANK, &digest).await, 3);
    let change = async |api: &Api, what: &str, body: Value| api.post(&format!("deciders/bank/{what}"), body).await;
    for (what, body, status, live, versions) in [
        ("rollback", json!({"expected_live": 1}), 409, 2, ["standby", "live", "ready"]),
        ("rollback", json!({}), 200, 1, ["live", "standby", "ready"]),
        ("retire", json!({"version": 1}), 409, 1, ["live", "standby", "ready"]),
        ("retire", json!({"version": 2}), 200, 1, ["live", "retired", "ready"]),
        ("promote", json!({"version": 2}), 409, 1, ["live", "retired", "ready"]),
        ("rollback", json!({}), 409, 1, ["live", "retired", "ready"]),
        ("promote", json!({"version": 3}), 200, 3, ["standby", "retired", "live"]),
        ("rollback", json!({}), 200, 1, ["live", "retired", "standby"]),
    ] {
        let answer = change(&host.api(), what, body.clone()).await;
        assert_eq!(answer.status, status, "{what} {body}: {answer:?}");
        host.stop();
        host = Host::start(dir.path());
        let api = host.api();
        assert_eq!(states(&api).await, (Some(live), versions.map(str::to_owned).to_vec()), "{what} {body}");
        // The first command after a start is decided, too.
        let decided = api.command(BANK, "a", "Deposit", json!({"cents": 1})).await;
        assert_eq!((decided.status, &decided.body["version"]), (200, &json!(live)), "{decided:?}");
    }
    assert_eq!(balance(&host.api(), "a").await, 108);
    assert_eq!(host.api().audited(BANK).await, 10);
}

/// Sends commands to an account until it is told to stop, and gives how many were decided.
async fn deposits(api: Api, id: String, ends: Arc<AtomicBool>, all: Arc<AtomicU64>) -> u64 {
    let mut decided = 0;
    while !ends.load(Ordering::Acquire) {
        let answer = api.command(BANK, &id, "Deposit", json!({"cents": 1})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        decided += 1;
        all.fetch_add(1, Ordering::Release);
    }
    decided
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_decided_by_the_old_version_once_the_switch_is_in_the_log() {
    const SWITCHES: u64 = 50;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.decider_live(BANK, module("accounts")).await;
    assert_eq!(api.deploy_decider(BANK, &digest).await, 2);
    let ids: Vec<String> = (0..8).map(|id| format!("a{id}")).collect();
    for id in &ids {
        account(&api, id, "ann", 0).await;
    }
    let (ends, all) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let loads = ids.iter().map(|id| tokio::spawn(deposits(api.clone(), id.clone(), ends.clone(), all.clone())));
    let loads: Vec<_> = loads.collect();
    for switch in 0..SWITCHES {
        let before = all.load(Ordering::Acquire);
        until("commands between two switches", async || all.load(Ordering::Acquire) >= before + 10).await;
        let switched = match switch % 4 {
            3 => api.post("deciders/bank/rollback", json!({})).await,
            _ => api.promote_decider(BANK, json!({"version": 2 - switch % 2})).await,
        };
        assert_eq!(switched.status, 200, "{switched:?}");
        assert_eq!(switched.body["live"], 2 - switch % 2);
    }
    ends.store(true, Ordering::Release);
    let decided: Vec<u64> = join_all(loads).await.into_iter().map(Result::unwrap).collect();

    let (mut live, mut switches, mut by_version) = (Value::Null, 0, [0_u64; 3]);
    for event in api.all_events().await {
        if event["stream"] == "$kinora/deciders/bank" {
            if event["data"]["what"] == "promoted" {
                live = event["data"]["version"].clone();
                switches += 1;
            }
        } else {
            let version = &event["metadata"]["kinora"]["command"]["version"];
            assert_eq!(*version, live, "{event}");
            by_version[version.as_u64().unwrap() as usize] += 1;
        }
    }
    assert_eq!(switches, 1 + SWITCHES);
    assert!(by_version[1] > SWITCHES && by_version[2] > SWITCHES, "{by_version:?}");
    for (id, decided) in ids.iter().zip(decided) {
        assert_eq!(balance(&api, id).await, decided);
    }
    api.audited(BANK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_is_answered_by_whatever_version_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    let deposit = json!({"cents": 5});
    let key = [("Idempotency-Key", "d-1")];
    let first = api.command_with(BANK, ("a", "Deposit", &deposit), &key).await;
    assert_eq!(first.status, 200, "{first:?}");
    // The next version takes no such command at all.
    let other = api.upload(module("contrary")).await;
    assert_eq!(api.deploy_decider(BANK, &other).await, 2);
    let accepted = json!({"version": 2, "accept_differences": true, "accept_one_way": true});
    assert_eq!(api.promote_decider(BANK, accepted).await.status, 200);
    assert_eq!(api.command(BANK, "a", "Deposit", deposit.clone()).await.status, 404);
    let again = api.command_with(BANK, ("a", "Deposit", &deposit), &key).await;
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)), "{again:?}");
    assert_eq!(again.body["events"], first.body["events"]);
    let reused = api.command_with(BANK, ("a", "Deposit", &json!({"cents": 6})), &key).await;
    assert!(reused.status == 422 && reused.is("idempotency-key-reused"), "{reused:?}");
}
