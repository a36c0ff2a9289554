//! Trains: commands of one aggregate that wait together are decided in one go, and each comes to what it would alone.

use futures::future::join_all;
use kinora_tests::{Answer, Api, Host, module};
use serde_json::{Value, json};

const NAME: &str = "contrary";

/// Has commands of one aggregate wait behind one that takes its time, and gives what became of them. Mostly they wait
/// in this order.
async fn waiting(api: &Api, id: &str, commands: Vec<(&'static str, Value)>) -> Vec<Answer> {
    let sent = |command: &'static str, data: Value| {
        let (api, id) = (api.clone(), id.to_owned());
        tokio::spawn(async move { api.command(NAME, &id, command, data).await })
    };
    let looping = sent("Loop", json!({}));
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let mut all = Vec::new();
    for (command, data) in commands {
        all.push(sent(command, data));
        tokio::time::sleep(std::time::Duration::from_millis(4)).await;
    }
    assert_eq!(looping.await.unwrap().status, 500);
    join_all(all).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_an_event_that_cannot_be_kept_is_not_decided_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    let answers = waiting(
        &api,
        "1",
        vec![
            ("Count", json!({"n": 10})),
            ("Tag", json!({"tag": "x".repeat(2_000)})),
            ("Refuse", json!({})),
            ("Count", json!({"n": 10})),
        ],
    );
    let answers = answers.await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 500, 422, 200], "{answers:?}");
    // The event that could not be kept would have added one.
    assert_eq!(answers[2].body["details"]["n"].as_u64().unwrap() % 10, 0, "{:?}", answers[2]);
    assert_eq!(api.state_of(NAME, "1").await["n"], 20);
    assert_eq!(api.command(NAME, "1", "Refuse", json!({})).await.body["details"]["n"], 20);
    assert_eq!(api.audited(NAME).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_never_ends_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    let mut commands = vec![("Count", json!({"n": 1})); 10];
    commands.insert(3, ("Loop", json!({})));
    commands.insert(7, ("Panic", json!({})));
    commands.insert(8, ("Lie", json!({"how": "OneOutcomeTooMany"})));
    let answers = waiting(&api, "1", commands).await;
    let failed: Vec<_> =
        (0..).zip(&answers).filter(|(_, answer)| answer.status != 200).map(|(at, _)| at).collect::<Vec<u32>>();
    assert_eq!(failed, [3, 7, 8], "{answers:?}");
    assert_eq!(api.state_of(NAME, "1").await["n"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_and_given_up_by_turns_is_free_if_it_was_given_up_last() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    let name = json!({"name": "n"});
    for turns in 1..=3 {
        let id = turns.to_string();
        assert_eq!(api.command(NAME, &id, "Take", name.clone()).await.status, 200);
        let turns = vec![[("Take", name.clone()), ("GiveUp", name.clone())]; turns].concat();
        let answers = waiting(&api, &id, turns).await;
        assert!(answers.iter().all(|answer| [200, 422].contains(&answer.status)), "{answers:?}");
        // They may have come in another order; the last one of the log is what holds.
        let is_free = api.all_events().await.last().unwrap()["data"]["given_up"] == true;
        let taken = api.command(NAME, "other", "Take", name.clone()).await;
        assert_eq!(taken.status, if is_free { 200 } else { 422 }, "{taken:?}: {answers:?}");
        let holder = if is_free { "other" } else { &id };
        assert_eq!(api.command(NAME, holder, "GiveUp", name.clone()).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_and_given_up_at_once_is_refused_and_the_other_way_round_it_is_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    let name = json!({"name": "n"});
    let before = api.all_events().await.len();
    let refused = api.commands(NAME, &[("1", "Take", name.clone()), ("1", "GiveUp", name.clone())]).await;
    assert_eq!((refused.status, &refused.body["fault"]["category"]), (500, &json!("contract")), "{refused:?}");
    assert_eq!(api.all_events().await.len(), before);
    assert_eq!(api.command(NAME, "1", "Take", name.clone()).await.status, 200);
    let passed_on = api.commands(NAME, &[("1", "GiveUp", name.clone()), ("2", "Take", name.clone())]).await;
    assert_eq!(passed_on.status, 200, "{passed_on:?}");
    let lost = api.command(NAME, "1", "Take", name.clone()).await;
    assert_eq!((lost.status, &lost.body["code"]), (422, &json!("name_taken")), "{lost:?}");
    // Whose it is is for those to know who may ask for that.
    assert_eq!(lost.body["details"], json!({"scope": "name", "value": "n"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_too_much_for_one_append_are_appended_one_by_one() {
    const EVENTS: u64 = 4_000;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(NAME, module("contrary")).await;
    let answers = waiting(&api, "1", vec![("Emit", json!({"events": EVENTS})); 4]).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers.iter().find(|it| it.status != 200));
    assert_eq!(api.state_of(NAME, "1").await["n"], 4 * EVENTS);
    // One that is too much by itself is refused, and nothing else.
    let answers = waiting(&api, "1", vec![("Emit", json!({"events": 10_001})), ("Count", json!({"n": 1}))]).await;
    assert!(answers[0].status == 413 && answers[0].is("too-large"), "{:?}", answers[0].status);
    assert_eq!(answers[1].status, 200, "{:?}", answers[1]);
}
