//! A decider that misbehaves: it harms the command that it was told to spoil, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use kinora_tests::{Answer, Api, Host, module};
use serde_json::{Value, json};

const NAME: &str = "contrary";

/// The data of `Lie`.
const LIES: [&str; 16] = [
    "UndeclaredType",
    "UndeclaredClaim",
    "ClaimOfNothing",
    "TooManyEvents",
    "TooFewEvents",
    "NoEvents",
    "NoOutcome",
    "OneOutcomeTooMany",
    "NotJson",
    "NotOfItsSchema",
    "UnequalColumns",
    "FallingEnds",
    "DetailsNoObject",
    "NoCode",
    "WantsNothing",
    "WantsItsOwn",
];

/// Commands that fail, each with the category of its fault.
fn failing() -> Vec<(&'static str, Value, &'static str)> {
    let long = "x".repeat(2_000);
    let mut failing = vec![
        ("Loop", json!({}), "fuel-limit"),
        ("Panic", json!({}), "panic"),
        ("Recurse", json!({}), "stack-limit"),
        ("Grow", json!({}), "memory-limit"),
        ("FoldForever", json!({}), "fuel-limit"),
        ("FoldPanic", json!({}), "panic"),
        ("Fault", json!({}), "fault"),
        ("WantForEver", json!({}), "contract"),
        ("Want", json!({"scopes": 65}), "contract"),
        ("Into", json!({"stream": "$kinora/deciders/contrary"}), "contract"),
        ("Into", json!({"stream": "a\u{7}"}), "contract"),
        ("Into", json!({"stream": long}), "contract"),
        ("Tag", json!({"tag": long}), "contract"),
        ("Take", json!({"name": long}), "contract"),
    ];
    failing.extend(LIES.map(|how| ("Lie", json!({"how": how}), "contract")));
    failing
}

fn is_failure(answer: &Answer, category: &str) -> bool {
    let fault = &answer.body["fault"];
    let says = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
    let told = says(&fault["message"]) && says(&answer.body["hint"]);
    answer.status == 500 && answer.is("decider-failed") && fault["category"] == category && told
}

async fn count(api: &Api, id: &str) -> Answer {
    api.command(NAME, id, "Count", json!({"n": 1})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_leaves_nothing_and_the_next_ones_are_decided() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    let (mut wrong, mut counted) = (Vec::new(), 0);
    for (command, data, category) in failing() {
        for id in ["1", "2"] {
            assert_eq!(count(&api, id).await.status, 200);
        }
        counted += 1;
        let before = api.all_events().await.len();
        let failed = api.command(NAME, "1", command, data.clone()).await;
        if !is_failure(&failed, category) || api.all_events().await.len() != before {
            wrong.push(format!("{command} {:.60}: {failed:?}", data.to_string()));
            break;
        }
        let dry = api.command(NAME, "1", &format!("{command}?dry_run=true"), data).await;
        assert!(is_failure(&dry, category), "{dry:?}");
        for id in ["1", "2"] {
            assert_eq!(api.state_of(NAME, id).await["n"], counted);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(api.audited(NAME).await, 2 * counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_commands_of_one_aggregate_never_end_those_of_others_go_on() {
    const LOOPS: usize = 10;
    const OTHERS: usize = 16;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    let ended = Arc::new(AtomicBool::new(false));
    let looping = tokio::spawn({
        let (api, ended) = (api.clone(), Arc::clone(&ended));
        async move {
            for _ in 0..LOOPS {
                let looped = api.command(NAME, "looping", "Loop", json!({})).await;
                assert!(is_failure(&looped, "fuel-limit"), "{looped:?}");
            }
            ended.store(true, Ordering::Release);
        }
    });
    let others = (0..OTHERS).map(async |other| {
        let mut decided = 0;
        while !ended.load(Ordering::Acquire) {
            let counted = count(&api, &other.to_string()).await;
            assert_eq!(counted.status, 200, "{counted:?}");
            decided += 1;
        }
        decided
    });
    let decided: Vec<usize> = join_all(others).await;
    looping.await.unwrap();
    // Those that share its lane wait for each loop; all others do not.
    let slow = decided.iter().filter(|decided| **decided <= LOOPS + 2).count();
    assert!(slow < OTHERS / 2, "{decided:?}");
    assert!(decided.iter().all(|decided| *decided > 1), "{decided:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_states_do_not_survive_a_save_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.decider_live(NAME, module("contrary")).await;
    assert_eq!(api.command(NAME, "1", "Spoil", json!({})).await.status, 200);
    assert_eq!(count(&api, "1").await.status, 200);
    let version = api.try_decider(NAME, &digest).await;
    let faulted = api.until_decider(NAME, version, "faulted").await;
    assert!(faulted["reason"].as_str().unwrap().contains("cannot be loaded"), "{faulted}");
    let refused = api.promote_decider(NAME, json!({"version": version, "accept_differences": true})).await;
    assert!(refused.status == 409 && refused.is("wrong-state"), "{refused:?}");
    // The version that decides goes on.
    assert_eq!(count(&api, "1").await.status, 200);
    assert_eq!(count(&api, "2").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_do_not_fit_into_one_instance_are_folded_when_they_are_needed() {
    const STATES: u64 = 28;
    const BYTES: u64 = 8 << 20;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["deciders.lanes=1"]);
    let api = host.api();
    let digest = api.decider_live(NAME, module("contrary")).await;
    // Together they are more than the memory of an instance.
    let filled =
        join_all((0..STATES).map(async |id| api.command(NAME, &id.to_string(), "Fill", json!({"bytes": BYTES})).await));
    for answer in filled.await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for answer in join_all((0..STATES).map(async |id| count(&api, &id.to_string()).await)).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let version = api.deploy_decider(NAME, &digest).await;
    let report = api.until_decider(NAME, version, "ready").await["report"].clone();
    assert_eq!((&report["commands"], &report["same"]), (&json!(2 * STATES), &json!(2 * STATES)), "{report}");
    assert_eq!(api.audited(NAME).await, 2 * STATES);
}
