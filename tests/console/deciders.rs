//! Deciders by pages: a version is deployed, looked at, promoted, rolled back and given up, and an aggregate is seen as
//! it was.

use kinora_tests::{Api, Host, module};
use serde_json::{Value, json};

use crate::stage::{Page, Visitor};

/// A form of a page, sent with what it has and with what somebody adds.
async fn sent(visitor: &Visitor, path: &str, more: &[(&str, &str)]) -> Page {
    let page = visitor.sees(path).await;
    let (token, key) = (page.field("token"), page.field("key"));
    let live = page.text.contains("name=\"expected_live\"").then(|| page.field("expected_live"));
    let own = [("token", token.as_str()), ("key", key.as_str())].into_iter();
    let own = own.chain(live.as_deref().map(|live| ("expected_live", live)));
    visitor.sends(path, &own.chain(more.iter().copied()).collect::<Vec<_>>()).await
}

async fn deployed(visitor: &Visitor, api: &Api, module: &str, version: u64) {
    let page = visitor.sees("/console/deploy?kind=decider").await;
    page.shows("of a decider");
    page.shows(module);
    let (token, key) = (page.field("token"), page.field("key"));
    let form =
        [("token", token.as_str()), ("key", &key), ("kind", "decider"), ("name", "contrary"), ("module", module)];
    let done = visitor.sends("/console/deploy", &form).await;
    assert_eq!(
        (done.status, done.header("location")),
        (303, format!("/console/commands/contrary/versions/{version}").as_str())
    );
    api.until_decider("contrary", version, "ready").await;
}

async fn live(api: &Api) -> Value {
    api.get("deciders/contrary").await.body["live"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decider_is_deployed_and_promoted_with_its_gates_in_sight_then_rolled_back_and_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["deciders.lanes=1"]);
    let (api, visitor) = (host.api(), Visitor::of(&host.api()));
    let digest = api.upload(module("contrary")).await;
    deployed(&visitor, &api, &digest, 1).await;
    visitor.sees("/console/").await.shows("contrary");
    visitor.sees("/console/commands/contrary/versions/1").await.shows("it decides all 0 recorded commands");
    let first = "/console/commands/contrary/versions/1/promote";
    let done = sent(&visitor, first, &[]).await;
    assert_eq!((done.status, done.header("location")), (303, "/console/commands/contrary?done=promote"));
    visitor.sees("/console/commands/contrary?done=promote").await.shows("It decides.");

    // What it should not keep has it decide otherwise.
    for _ in 0..3 {
        assert_eq!(api.post("deciders/contrary/1/Refuse?dry_run=true", json!({})).await.status, 422);
    }
    assert_eq!(api.command("contrary", "1", "Count", json!({"n": 1})).await.status, 200);
    assert_eq!(api.command("contrary", "1", "Remember", json!({})).await.status, 200);
    deployed(&visitor, &api, &digest, 2).await;
    let gates = api.get("deciders/contrary/versions/2/gates").await;
    assert_eq!(
        (gates.status, &gates.body["passed"], &gates.body["live"]),
        (200, &json!(false), &json!(1)),
        "{gates:?}"
    );
    let open = |gate: &str| {
        let all = gates.body["gates"].as_array().unwrap();
        all.iter().find(|found| found["gate"] == gate).unwrap()["passed"].clone()
    };
    assert_eq!(["ready", "differences", "stops", "one_way"].map(open), [true, false, true, true].map(Value::from));
    let page = visitor.sees("/console/commands/contrary/versions/2").await;
    for words in ["1 gates closed", "it decides 1 commands otherwise", "Remember", "1 otherwise"] {
        page.shows(words);
    }
    let promote = "/console/commands/contrary/versions/2/promote";
    visitor.sees(promote).await.shows("accept_differences");
    let refused = sent(&visitor, promote, &[]).await;
    assert_eq!((refused.status, live(&api).await), (409, json!(1)));
    refused.shows("decides-otherwise");
    let form = [("accept_differences", "true"), ("reason", "it is right")];
    assert_eq!(sent(&visitor, promote, &form).await.status, 303);
    assert_eq!(live(&api).await, 2);
    visitor.sees("/console/commands/contrary").await.shows("it is right");

    let back = "/console/commands/contrary/versions/2/rollback";
    visitor.sees(back).await.shows("decides then: <strong>v1</strong>");
    assert_eq!(sent(&visitor, back, &[]).await.status, 303);
    assert_eq!(live(&api).await, 1);
    assert_eq!(sent(&visitor, "/console/commands/contrary/versions/2/retire", &[]).await.status, 303);
    visitor.sees("/console/commands/contrary/versions/2").await.shows("it was given up");
    visitor.sees("/console/commands/contrary/versions/1/retire").await.shows("This cannot be done: it is live");
    let audit = {
        let token = visitor.sees("/console/commands/contrary").await.field("token");
        visitor.sends("/console/commands/contrary/audit", &[("token", &token)]).await
    };
    audit.shows("each by the version of that time");
    audit.shows("Recorded commands");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_is_shown_as_it_was_after_any_of_its_events() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let (api, visitor) = (host.api(), Visitor::of(&host.api()));
    api.decider_live("bank", module("accounts")).await;
    let open = json!({"customer": "ann", "iban": "DE0001"});
    let opened = api.command("bank", "7", "Open", open).await.body["position"].clone();
    assert_eq!(api.command("bank", "7", "Deposit", json!({"cents": 4200})).await.status, 200);
    assert_eq!(api.command("bank", "7", "Withdraw", json!({"cents": 99_999_999})).await.status, 422);
    let now = visitor.sees("/console/commands/bank?id=7").await;
    for words in ["4200", "As it is", "Revision", "Deposited", &format!("position={opened}")] {
        now.shows(words);
    }
    // As it was when the command was rejected.
    now.shows("Withdraw");
    let then = visitor.sees(&format!("/console/commands/bank?id=7&position={opened}")).await;
    then.shows("After event");
    let state = then.text.split_once("id=\"state\"").unwrap().1.split_once("</pre>").unwrap().0.to_owned();
    assert!(!state.contains("4200"), "{state}");
    visitor.sees("/console/commands/bank?id=8").await.shows("It has no events yet");
}
