//! Owners: streams that nobody else appends to, modules that stay, and names that nobody else writes.

use kinora_tests::{Host, module};
use serde_json::{Value, json};

use crate::{BANK, account, balance, rejected};

fn deposited() -> Value {
    json!({"type": "Deposited", "data": {"account": "a", "customer": "ann", "cents": 5}, "tags": ["customer:ann"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn who_owns_streams_is_who_appends_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    let append = async |stream: &str| api.post(&format!("streams/{stream}/events"), deposited()).await;
    assert_eq!(append("account-a").await.status, 201);
    assert_eq!(balance(&api, "a").await, 105);
    let deployed = api.post("deciders/bank/versions", json!({"module": digest, "owns": true})).await;
    assert_eq!(deployed.status, 202, "{deployed:?}");
    api.until_decider(BANK, 2, "ready").await;
    assert_eq!(append("account-a").await.status, 201, "it owns nothing before it is live");
    assert_eq!(api.promote_decider(BANK, json!({"version": 2})).await.status, 200);
    let refused = append("account-a").await;
    assert!(refused.status == 403 && refused.is("owned-stream"), "{refused:?}");
    assert_eq!(append("accounts").await.status, 201);
    assert_eq!(rejected(&api.command(BANK, "a", "Withdraw", json!({"cents": 110})).await), None);
    assert_eq!(balance(&api, "a").await, 0);
    api.audited(BANK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_category_has_one_owner_and_other_deciders_are_held_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("accounts")).await;
    let owning = json!({"module": digest, "owns": true});
    // Both are ready before one of them owns anything.
    for name in [BANK, "vault"] {
        assert_eq!(api.post(&format!("deciders/{name}/versions"), owning.clone()).await.status, 202);
        api.until_decider(name, 1, "ready").await;
    }
    assert_eq!(api.promote_decider(BANK, json!({"version": 1})).await.status, 200);
    account(&api, "a", "ann", 100).await;
    for refused in
        [api.promote_decider("vault", json!({"version": 1})).await, api.post("deciders/vault/versions", owning).await]
    {
        assert!(refused.status == 409 && refused.is("wrong-state"), "{refused:?}");
        assert_eq!(refused.body["owner"], BANK, "{refused:?}");
    }
    // One that does not say that it owns them sends nothing into them either.
    api.decider_live("contrary", module("contrary")).await;
    let into = async |stream: &str| api.command("contrary", "1", "Into", json!({"stream": stream})).await;
    for owned in ["account-a", "account-b-c", "account-"] {
        let failed = into(owned).await;
        assert!(failed.status == 500 && failed.body["fault"]["category"] == "contract", "{owned}: {failed:?}");
        assert!(failed.body["detail"].as_str().unwrap().contains("another decider owns"), "{failed:?}");
    }
    for free in ["accounts-a", "account"] {
        assert_eq!(into(free).await.status, 200, "{free}");
    }
    assert_eq!(balance(&api, "a").await, 100);
    api.audited(BANK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_what_would_pass_for_a_decision() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let command = json!({
        "id": "01a22d3f-25fb-7155-95de-d772ef17ebc4", "decider": BANK, "version": 1, "aggregate": "a",
        "name": "Withdraw", "data": {"cents": 5}, "time": 0, "events": 1,
    });
    let with = |metadata: Value| {
        let mut event = deposited();
        event["metadata"] = metadata;
        event
    };
    for metadata in [json!({"kinora": {"command": command}}), json!({"kinora": {"of": 1}, "other": "kinora"})] {
        let event = with(metadata);
        let appends = json!({"appends": [{"stream": "account-a", "events": [event]}]});
        for refused in [
            api.post("streams/account-a/events", event.clone()).await,
            api.post("streams/account-a/events", json!([deposited(), event])).await,
            api.post("transactions", appends).await,
        ] {
            assert!(refused.status == 403 && refused.is("reserved-name"), "{refused:?}");
        }
    }
    assert_eq!(api.post("streams/account-a/events", with(json!({"of": {"kinora": 1}}))).await.status, 201);
    assert_eq!(api.all_events().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_stays_as_long_as_a_version_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let live = api.decider_live(BANK, module("accounts")).await;
    account(&api, "a", "ann", 100).await;
    let other = api.upload(module("contrary")).await;
    assert_eq!(api.deploy_decider(BANK, &other).await, 2);
    let remove = async |digest: &str| api.delete(&format!("modules/{digest}")).await;
    for (digest, version, state) in [(&live, 1, "live"), (&other, 2, "ready")] {
        let uses = api.get(&format!("modules/{digest}/uses")).await.body;
        let deciders = json!([{"decider": BANK, "version": version, "state": state}]);
        assert_eq!(uses, json!({"uses": [], "deciders": deciders}));
        let refused = remove(digest).await;
        assert!(refused.status == 409 && refused.is("module-in-use"), "{refused:?}");
    }
    // Nothing was ever decided by it.
    assert_eq!(api.post("deciders/bank/retire", json!({"version": 2})).await.status, 200);
    assert_eq!(remove(&other).await.status, 204);
    // What has decided is needed to decide that again, also when it has been given up.
    assert_eq!(api.deploy_decider(BANK, &live).await, 3);
    assert_eq!(api.promote_decider(BANK, json!({"version": 3})).await.status, 200);
    assert_eq!(api.post("deciders/bank/retire", json!({"version": 1})).await.status, 200);
    assert_eq!(api.post("deciders/bank/rollback", json!({})).await.status, 409);
    assert!(remove(&live).await.is("module-in-use"));
    api.audited(BANK).await;
}
