//! Commands as clients send them: wrong in many ways, on a revision, tried, sent again, several together.

use kinora_tests::{Answer, Api, Host, module, together};
use serde_json::{Value, json};

use crate::{BANK, account, balance, rejected};

async fn posted(api: &Api, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let request = api.client.post(api.at(path)).header("content-type", "application/json").body(body.into());
    api.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// A request that is no command: its path, headers and body, and the status and kind of the problem.
type Wrong<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);

const DEPOSIT: &str = "deciders/bank/a/Deposit";
const CENT: &[u8] = br#"{"cents":1}"#;
const OF_NO_DECIDER: &str = r#"{"decider":"shop","commands":[{"id":"a","command":"Close","data":{}}]}"#;
const OF_NO_KIND: &str = r#"{"decider":"bank","commands":[{"id":"a","command":"Rob","data":{}}]}"#;
const OF_NOBODY: &str = r#"{"decider":"bank","commands":[{"id":"","command":"Close","data":{}}]}"#;
const OF_THE_HOST: &str =
    r#"{"decider":"bank","commands":[{"id":"a","command":"Close","data":{},"metadata":{"kinora":1}}]}"#;

fn wrong_commands() -> Vec<Wrong<'static>> {
    vec![
        ("deciders/shop/a/Deposit", &[], CENT, 404, "unknown-decider"),
        ("deciders/bank/a/Rob", &[], CENT, 404, "unknown-command"),
        ("deciders/bank/a/deposit", &[], CENT, 404, "unknown-command"),
        (DEPOSIT, &[], br#"{"cents":0}"#, 400, "invalid-command"),
        (DEPOSIT, &[], br#"{"cents":-1}"#, 400, "invalid-command"),
        (DEPOSIT, &[], br#"{"cents":1.5}"#, 400, "invalid-command"),
        (DEPOSIT, &[], br#"{"cents":"1"}"#, 400, "invalid-command"),
        (DEPOSIT, &[], b"{}", 400, "invalid-command"),
        (DEPOSIT, &[], b"", 400, "invalid-command"),
        (DEPOSIT, &[], b"null", 400, "invalid-command"),
        (DEPOSIT, &[], b"[1]", 400, "invalid-command"),
        (DEPOSIT, &[], br#"{"cents":1"#, 400, "invalid-json"),
        (DEPOSIT, &[], b"\xff\xfe", 400, "invalid-json"),
        (DEPOSIT, &[], br#"{"cents":1} {"cents":1}"#, 400, "invalid-json"),
        ("deciders/bank/a%0Ab/Deposit", &[], CENT, 400, "invalid-name"),
        ("deciders/bank/a%00/Deposit", &[], CENT, 400, "invalid-name"),
        ("deciders/bank/%ff/Deposit", &[], CENT, 400, "invalid-parameter"),
        ("deciders/bank//Deposit", &[], CENT, 400, "invalid-name"),
        (DEPOSIT, &[("if-match", "seven")], CENT, 400, "invalid-header"),
        (DEPOSIT, &[("idempotency-key", "")], CENT, 400, "invalid-header"),
        ("commands", &[], br#"{"decider":"bank","commands":[]}"#, 400, "invalid-json"),
        ("commands", &[], br#"{"decider":"bank"}"#, 400, "invalid-json"),
        ("commands", &[], OF_NO_DECIDER.as_bytes(), 404, "unknown-decider"),
        ("commands", &[], OF_NO_KIND.as_bytes(), 404, "unknown-command"),
        ("commands", &[], OF_NOBODY.as_bytes(), 400, "invalid-name"),
        ("commands", &[], OF_THE_HOST.as_bytes(), 403, "reserved-name"),
        ("deciders/bank/promote", &[], br#"{"version":7}"#, 404, "unknown-version"),
        ("deciders/bank/promote", &[], br#"{"version":1}"#, 409, "wrong-state"),
        ("deciders/bank/promote", &[], br#"{"version":1,"expected_live":2}"#, 409, "other-live"),
        ("deciders/bank/rollback", &[], b"", 409, "nothing-to-roll-back-to"),
        ("deciders/bank/retire", &[], br#"{"version":1}"#, 409, "wrong-state"),
        ("deciders/shop/audit", &[], b"", 404, "unknown-decider"),
        ("deciders/bank/versions", &[], br#"{"module":"x"}"#, 400, "invalid-json"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_command_is_a_problem_with_a_hint_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    let before = api.all_events().await;
    let mut wrong: Vec<String> = Vec::new();
    let mut look = |path: &str, answer: Answer, status: u16, kind: &str| {
        let hint = answer.body["hint"].as_str().unwrap_or_default();
        if answer.status != status || !answer.is(kind) || hint.is_empty() {
            wrong.push(format!("{path}, {kind}: {answer:?}"));
        }
    };
    for (path, headers, body, status, kind) in wrong_commands() {
        look(path, posted(&api, path, headers, body).await, status, kind);
    }
    let key = "k".repeat(300);
    look("a long key", posted(&api, DEPOSIT, &[("idempotency-key", &key)], CENT).await, 413, "too-large");
    let id = "x".repeat(2_000);
    look("a long id", posted(&api, &format!("deciders/bank/{id}/Deposit"), &[], CENT).await, 400, "invalid-name");
    let many = vec![("a", "Deposit", json!({"cents": 1})); 65];
    look("65 together", api.commands(BANK, &many).await, 400, "invalid-json");
    let none = format!(r#"{{"module":"{}"}}"#, "0".repeat(64));
    look("no module", posted(&api, "deciders/bank/versions", &[], none).await, 404, "unknown-module");
    let projector = format!(r#"{{"module":"{}"}}"#, api.upload(module("tally")).await);
    look("a projector", posted(&api, "deciders/bank/versions", &[], projector).await, 422, "wrong-kind");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(api.all_events().await, before);
    assert_eq!(balance(&api, "a").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_that_was_changed_and_changed_back_is_not_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    let state = api.get("deciders/bank/a/state").await.body;
    assert_eq!(state["revision"], 1);
    let cents = json!({"cents": 10});
    assert_eq!(api.command(BANK, "a", "Deposit", cents.clone()).await.status, 200);
    assert_eq!(api.command(BANK, "a", "Withdraw", cents.clone()).await.status, 200);
    assert_eq!(balance(&api, "a").await, 100);
    let events = api.all_events().await.len();
    let stale = api.command_with(BANK, ("a", "Deposit", &cents), &[("if-match", "\"1\"")]).await;
    assert!(stale.status == 412 && stale.is("wrong-expected-revision"), "{stale:?}");
    assert_eq!(stale.body["current"], 3);
    let stale = api.command_with(BANK, ("a", "Deposit", &cents), &[("if-none-match", "*")]).await;
    assert_eq!(stale.status, 412, "{stale:?}");
    assert_eq!(api.all_events().await.len(), events);

    let key = [("if-match", "\"3\""), ("idempotency-key", "k")];
    let first = api.command_with(BANK, ("a", "Deposit", &cents), &key).await;
    assert_eq!((first.status, &first.body["revision"]), (200, &json!(4)), "{first:?}");
    // It was decided on that revision then: a retry is told so.
    let again = api.command_with(BANK, ("a", "Deposit", &cents), &key).await;
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)), "{again:?}");
    assert_eq!(api.command_with(BANK, ("new", "Deposit", &cents), &[("if-match", "*")]).await.status, 412);
    assert_eq!(balance(&api, "a").await, 110);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_and_leaves_nothing_not_even_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    account(&api, "b", "bob", 0).await;
    let before = api.all_events().await;
    for _ in 0..3 {
        let tried = api.command(BANK, "a", "Deposit?dry_run=true", json!({"cents": 500})).await;
        assert_eq!((tried.status, &tried.body["position"]), (200, &Value::Null), "{tried:?}");
        assert_eq!(tried.body["events"][0]["data"], json!({"account": "a", "customer": "ann", "cents": 500}));
        let tried = api.command(BANK, "a", "Transfer?dry_run=true", json!({"to": "b", "cents": 70})).await;
        assert_eq!(tried.body["events"].as_array().map(Vec::len), Some(2), "{tried:?}");
        let mut several =
            together(BANK, &[("a", "Deposit", json!({"cents": 9})), ("a", "Withdraw", json!({"cents": 109}))]);
        several["dry_run"] = json!(true);
        let tried = api.post("commands", several).await;
        assert_eq!(tried.status, 200, "{tried:?}");
    }
    assert_eq!(api.all_events().await, before);
    let more = api.command(BANK, "a", "Withdraw", json!({"cents": 101})).await;
    assert_eq!(rejected(&more), Some("insufficient_funds"));
    assert_eq!(rejected(&api.command(BANK, "b", "Withdraw", json!({"cents": 1})).await), Some("insufficient_funds"));
    assert_eq!(rejected(&api.command(BANK, "a", "Withdraw", json!({"cents": 100})).await), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_together_stand_all_or_none_each_on_those_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    account(&api, "b", "bob", 0).await;
    account(&api, "c", "cid", 0).await;
    let before = api.all_events().await.len();
    let cents = |cents: u64| json!({"cents": cents});
    // The second one has to see more: the first one is not there twice when they come again.
    let several = [("a", "Deposit", cents(50)), ("a", "Withdraw", cents(120)), ("a", "Withdraw", cents(60))];
    let more = api.commands(BANK, &several).await;
    assert_eq!((rejected(&more), &more.body["command"]), (Some("insufficient_funds"), &json!(2)), "{more:?}");
    let open = |iban: &str| json!({"customer": "dan", "iban": iban});
    // What was claimed is claimed by nobody twice, alone or together.
    let taken = api.commands(BANK, &[("d", "Open", open("DE00d")), ("e", "Open", open("DE00a"))]).await;
    assert_eq!(rejected(&taken), Some("iban_taken"), "{taken:?}");
    let twice = api.commands(BANK, &[("d", "Open", open("DE00d")), ("e", "Open", open("DE00d"))]).await;
    assert_eq!(rejected(&twice), Some("iban_taken"), "{twice:?}");
    assert_eq!(api.all_events().await.len(), before);

    let all = api.commands(BANK, &[("a", "Deposit", cents(50)), ("a", "Withdraw", cents(150))]).await;
    assert_eq!(all.status, 200, "{all:?}");
    // One that gives something up, and one that has to see more.
    let round =
        [("c", "Close", json!({})), ("b", "Deposit", cents(7)), ("b", "Transfer", json!({"to": "a", "cents": 7}))];
    let all = api.commands(BANK, &round).await;
    assert_eq!((all.status, all.body["decided"].as_array().map(Vec::len)), (200, Some(3)), "{all:?}");
    assert_eq!((balance(&api, "a").await, balance(&api, "b").await), (7, 0));
    assert_eq!(api.all_events().await.len(), before + 6);
    api.audited(BANK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_answered_from_the_log_and_a_key_means_one_thing() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    let key: &[_] = &[("idempotency-key", "open b")];
    let text = r#"{ "iban": "DE00b",  "customer": "bob" }"#;
    let first = posted(&api, "deciders/bank/b/Open", key, text).await;
    assert_eq!((first.status, &first.body["duplicate"]), (200, &json!(false)), "{first:?}");
    let several = [("a", "Deposit", json!({"cents": 5})), ("b", "Deposit", json!({"cents": 6}))];
    let together_key: &[_] = &[("idempotency-key", "both")];
    let both = posted(&api, "commands", together_key, together(BANK, &several).to_string()).await;
    assert_eq!(both.status, 200, "{both:?}");
    let before = api.all_events().await;
    host.stop();

    let host = Host::start(dir.path());
    let api = host.api();
    api.until("deciders/bank", |decider| decider["decides"] == true).await;
    // The same members in another order, and other blanks, are the same command.
    for text in [text, r#"{"customer":"bob","iban":"DE00b"}"#, "{\"customer\":\n\"bob\",\"iban\":\"DE00b\"}"] {
        let again = posted(&api, "deciders/bank/b/Open", key, text).await;
        assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)), "{again:?}");
        for member in ["events", "command", "position", "revision", "version"] {
            assert_eq!(again.body[member], first.body[member]);
        }
    }
    let again = posted(&api, "commands", together_key, together(BANK, &several).to_string()).await;
    assert_eq!(again.status, 200, "{again:?}");
    for at in 0..2 {
        assert_eq!(again.body["decided"][at]["events"], both.body["decided"][at]["events"]);
        assert_eq!(again.body["decided"][at]["duplicate"], true);
    }
    let open = |iban: &str| json!({"customer": "bob", "iban": iban});
    for (id, command, data) in [("b", "Open", open("DE00x")), ("c", "Open", open("DE00b")), ("b", "Close", json!({}))] {
        let other = api.command_with(BANK, (id, command, &data), key).await;
        assert!(other.status == 422 && other.is("idempotency-key-reused"), "{other:?}");
    }
    let (one, other) = (several[0].clone(), several[1].clone());
    let third = ("a", "Deposit", json!({"cents": 1}));
    for several in [vec![other.clone(), one.clone()], vec![one.clone(), other, third.clone()], vec![one, third]] {
        let reused = posted(&api, "commands", together_key, together(BANK, &several).to_string()).await;
        assert!(reused.status == 422 && reused.is("idempotency-key-reused"), "{several:?}: {reused:?}");
    }
    assert_eq!(api.all_events().await, before);
}
