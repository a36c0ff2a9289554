//! Commands that race: what excludes each other is not both decided, and nobody waits for ever.

use std::sync::Arc;

use futures::future::join_all;
use kinora_log::Durability;
use kinora_tests::{Answer, Api, Host, module};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::{BANK, account, balance, rejected};

const RACERS: usize = 16;

/// Sends commands `(id, command, data)`, all at the same moment.
async fn race(api: &Api, decider: &'static str, commands: Vec<(String, &'static str, Value)>) -> Vec<Answer> {
    let start = Arc::new(Barrier::new(commands.len()));
    let racers = commands.into_iter().map(|(id, command, data)| {
        let (api, start) = (api.clone(), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            api.command(decider, &id, command, data).await
        })
    });
    join_all(racers).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_leaves_the_accounts_of_a_customer_than_may_however_many_race_for_it() {
    const ROUNDS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    for round in 0..ROUNDS {
        let customer = format!("c{round}");
        let ids: Vec<String> = (0..RACERS).map(|racer| format!("{round}r{racer}")).collect();
        join_all(ids.iter().map(|id| account(&api, id, &customer, 300_000))).await;
        let share = accounts::DAILY_LIMIT_CENTS / 4;
        let withdraw = |id: String| (id, "Withdraw", json!({"cents": share}));
        let answers = race(&api, BANK, ids.into_iter().map(withdraw).collect()).await;
        let codes: Vec<_> = answers.iter().map(rejected).collect();
        let won = codes.iter().filter(|code| code.is_none()).count();
        assert_eq!(won, 4, "{codes:?}");
        assert!(codes.iter().flatten().all(|code| *code == "daily_limit"), "{codes:?}");
    }
    api.audited(BANK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_with_a_tag_counts_all_that_came_before() {
    const ROUNDS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live("contrary", module("contrary")).await;
    for round in 0..ROUNDS {
        let tag = format!("round:{round}");
        let racers = (0..RACERS).map(|racer| (format!("{racer}"), "CountTagged", json!({"tag": tag}))).collect();
        let answers = race(&api, "contrary", racers).await;
        let counted = |answer: &Answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            let event = &answer.body["events"][0];
            (event["position"].as_u64().unwrap(), event["data"]["n"].as_u64().unwrap())
        };
        let mut counts: Vec<_> = answers.iter().map(counted).collect();
        counts.sort_unstable();
        // Each says one more than all before it together.
        let counts: Vec<u64> = counts.into_iter().map(|(_, n)| n).collect();
        assert_eq!(counts, (0..RACERS).map(|at| 1 << at).collect::<Vec<u64>>());
    }
    api.audited("contrary").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_on_two_aggregates_misses_nothing_of_either() {
    const ROUNDS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live("contrary", module("contrary")).await;
    for round in 0..ROUNDS {
        let ids = [format!("{round}a"), format!("{round}b")];
        let count = |racer: usize| {
            let (id, other) = (&ids[racer % 2], &ids[(racer + 1) % 2]);
            (id.clone(), "CountBoth", json!({"other": other, "n": 1}))
        };
        let answers = race(&api, "contrary", (0..RACERS).map(count).collect()).await;
        let counted = |answer: &Answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.body["events"][1]["data"]["n"].as_u64().unwrap()
        };
        let mut counts: Vec<u64> = answers.iter().map(counted).collect();
        counts.sort_unstable();
        // Each adds one more than both have to both of them.
        assert_eq!(counts, (0..RACERS as u32).map(|at| 3_u64.pow(at)).collect::<Vec<_>>());
    }
    api.audited("contrary").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_back_and_forth_at_once_are_all_decided() {
    const ROUNDS: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    for (id, customer) in [("a", "ann"), ("b", "bob"), ("c", "ann")] {
        account(&api, id, customer, 10_000).await;
    }
    for _ in 0..ROUNDS {
        let transfer = |from: &str, to: &str| (from.to_owned(), "Transfer", json!({"to": to, "cents": 10}));
        let around = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "b"), ("c", "a"), ("a", "c")];
        let answers = race(&api, BANK, around.iter().map(|(from, to)| transfer(from, to)).collect()).await;
        assert!(answers.iter().all(|answer| rejected(answer).is_none()), "{answers:?}");
    }
    for id in ["a", "b", "c"] {
        assert_eq!(balance(&api, id).await, 10_000);
    }
    assert_eq!(api.audited(BANK).await, 6 + 6 * ROUNDS as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_sent_64_times_at_once_is_decided_once() {
    const ROUNDS: u64 = 10;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    account(&api, "b", "bob", 100).await;
    for round in 0..ROUNDS {
        let key = format!("k{round}");
        let start = Barrier::new(64);
        let sent = (0..64).map(async |_| {
            start.wait().await;
            let data = json!({"to": "b", "cents": 1});
            api.command_with(BANK, ("a", "Transfer", &data), &[("idempotency-key", &key)]).await
        });
        let mut answers = join_all(sent).await;
        let mut duplicates = 0;
        for answer in &mut answers {
            assert_eq!(answer.status, 200, "{answer:?}");
            duplicates += u64::from(answer.body["duplicate"] == true);
            answer.body["duplicate"] = Value::Null;
        }
        assert_eq!(duplicates, 63);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        // The same key for several things at once: one of them is what it means.
        let key = format!("other{round}");
        let start = Barrier::new(16);
        let sent = (0..16_u64).map(async |number| {
            start.wait().await;
            let (id, data) = (if number % 2 == 0 { "a" } else { "b" }, json!({"cents": 1 + number / 4}));
            api.command_with(BANK, (id, "Deposit", &data), &[("idempotency-key", &key)]).await
        });
        let answers = join_all(sent).await;
        let new = answers.iter().filter(|answer| answer.status == 200 && answer.body["duplicate"] == false);
        assert_eq!(new.count(), 1, "{answers:?}");
        let same = answers.iter().filter(|answer| answer.status == 200).count();
        let other = answers.iter().filter(|answer| answer.status == 422 && answer.is("idempotency-key-reused"));
        assert_eq!((same, other.count()), (2, 14), "{answers:?}");
    }
    assert_eq!(api.audited(BANK).await, 4 + 2 * ROUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_at_a_time_has_an_iban() {
    const ROUNDS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    for round in 0..ROUNDS {
        let open = |racer| (format!("{round}r{racer}"), "Open", json!({"customer": "ann", "iban": "DE00 1234"}));
        let answers = race(&api, BANK, (0..RACERS).map(open).collect()).await;
        let codes: Vec<_> = answers.iter().map(rejected).collect();
        let winner = codes.iter().position(Option::is_none).expect("one opens it");
        assert_eq!(codes.iter().flatten().filter(|code| **code == "iban_taken").count(), RACERS - 1, "{codes:?}");
        // It is free again once it is given up.
        let closed = api.command(BANK, &format!("{round}r{winner}"), "Close", json!({})).await;
        assert_eq!(rejected(&closed), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_append_is_seen_by_the_next_command_whatever_it_comes_to() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    let event = json!({"type": "Deposited", "data": {"account": "a", "customer": "ann", "cents": 5},
        "tags": ["customer:ann"]});
    let withdraw = |cents: u64| ("a", "Withdraw", json!({"cents": cents}));
    for alone in [true, false] {
        // The state is warm, and says no.
        let poor = api.commands(BANK, &[withdraw(105), ("a", "Deposit", json!({"cents": 1}))]).await;
        assert_eq!(rejected(&poor), Some("insufficient_funds"), "{poor:?}");
        assert_eq!(api.post("streams/account-a/events", event.clone()).await.status, 201);
        let paid = match alone {
            true => api.command(BANK, "a", "Withdraw", json!({"cents": 105})).await,
            false => api.commands(BANK, &[withdraw(105), ("a", "Deposit", json!({"cents": 1}))]).await,
        };
        assert_eq!(rejected(&paid), None, "{paid:?}");
        assert_eq!(api.command(BANK, "a", "Deposit", json!({"cents": 100})).await.status, 200);
    }
    api.audited(BANK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_syncs_are_put_off_changes_and_commands_wait_for_what_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Host::options(dir.path());
    options.log.durability = Durability::Interval(50);
    let host = Host::run(options);
    let api = host.api();
    let digest = api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    let event = json!({"type": "Deposited", "data": {"account": "a", "customer": "ann", "cents": 5},
        "tags": ["customer:ann"]});
    for version in 2..5 {
        assert_eq!(api.post("streams/account-a/events", event.clone()).await.status, 201);
        let paid = api.command(BANK, "a", "Withdraw", json!({"cents": 5})).await;
        assert_eq!(rejected(&paid), None, "{paid:?}");
        assert_eq!(api.deploy_decider(BANK, &digest).await, version);
        assert_eq!(api.promote_decider(BANK, json!({"version": version})).await.body["live"], version);
        let paid = api.command(BANK, "a", "Deposit", json!({"cents": 1})).await;
        assert_eq!((paid.status, &paid.body["version"]), (200, &json!(version)), "{paid:?}");
    }
    assert_eq!(api.audited(BANK).await, 8);
}
