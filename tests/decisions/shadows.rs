//! Shadows: a version that waits decides all that is decided, too, and what it would decide otherwise is told.

use kinora_tests::{Api, Host, module};
use serde_json::{Value, json};

use crate::rejected;

const NAME: &str = "contrary";

/// Figures of a report: recorded commands, those decided the same, differently and rejected; then of rejected ones all,
/// the same, otherwise and accepted.
fn figures(report: &Value) -> [u64; 8] {
    let of = |report: &Value, name: &str| report[name].as_u64().unwrap();
    let [commands, same, different, rejected] =
        ["commands", "same", "different", "rejected"].map(|name| of(report, name));
    let rejections = &report["rejections"];
    let [all, still, otherwise, accepted] =
        ["commands", "same", "otherwise", "accepted"].map(|name| of(rejections, name));
    [commands, same, different, rejected, all, still, otherwise, accepted]
}

/// Waits until the shadow of a version has decided as many commands, and gives its report.
async fn until_shadow(api: &Api, version: usize, commands: u64) -> Value {
    let shadow = |decider: &Value| decider["versions"][version - 1]["shadow"].clone();
    let decided = |report: &Value| report.is_object().then(|| figures(report)).map(|all| all[0] + all[4]);
    let is_there = |decider: &Value| decided(&shadow(decider)) == Some(commands);
    shadow(&api.until(&format!("deciders/{NAME}"), is_there).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_commands_are_kept_and_decided_again() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["deciders.lanes=1", "deciders.rejected_commands=3"]);
    let api = host.api();
    let digest = api.decider_live(NAME, module("contrary")).await;
    let count = async || assert_eq!(api.command(NAME, "1", "Count", json!({"n": 1})).await.status, 200);
    for _ in 0..4 {
        assert_eq!(rejected(&api.command(NAME, "1", "Refuse", json!({})).await), Some("as_told"));
        count().await;
    }
    // Nobody has sent it.
    assert_eq!(api.post("deciders/contrary/1/Refuse?dry_run=true", json!({})).await.status, 422);
    let kept = api.get("deciders/contrary/rejections").await.body;
    let told = |index: usize| {
        let one = &kept["rejections"][index];
        (one["name"].as_str().unwrap().to_owned(), one["code"].clone(), one["details"]["n"].clone())
    };
    let refused = |n: u64| ("Refuse".to_owned(), json!("as_told"), json!(n));
    assert_eq!([told(0), told(1), told(2)], [refused(3), refused(2), refused(1)], "{kept}");
    assert_eq!(kept["rejections"].as_array().unwrap().len(), 3);
    assert_eq!(api.get("deciders/nobody/rejections").await.status, 404);

    assert_eq!(api.deploy_decider(NAME, &digest).await, 2);
    let report = api.until_decider(NAME, 2, "ready").await["report"].clone();
    assert_eq!(figures(&report), [4, 4, 0, 0, 3, 3, 0, 0], "{report}");
    assert_eq!(api.audited(NAME).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_waits_decides_along_and_its_differences_have_to_be_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::start_with_limits(dir.path(), &["deciders.lanes=1"]);
    let api = host.api();
    let digest = api.decider_live(NAME, module("contrary")).await;
    assert_eq!(api.deploy_decider(NAME, &digest).await, 2);
    for n in 1..=3 {
        assert_eq!(api.command(NAME, "1", "Count", json!({"n": n})).await.status, 200);
    }
    assert_eq!(rejected(&api.command(NAME, "2", "Refuse", json!({})).await), Some("as_told"));
    assert_eq!(figures(&until_shadow(&api, 2, 4).await), [3, 3, 0, 0, 1, 1, 0, 0]);

    // From now on the live version has seen one command more, so that both disagree about whether they are odd.
    assert_eq!(api.post("deciders/contrary/1/Count?dry_run=true", json!({"n": 1})).await.status, 200);
    let answers =
        [api.command(NAME, "1", "RefuseOdd", json!({})).await, api.command(NAME, "1", "RefuseOdd", json!({})).await];
    let codes = answers.each_ref().map(rejected);
    assert!(codes == [None, Some("odd")] || codes == [Some("odd"), None], "{answers:?}");
    let report = until_shadow(&api, 2, 6).await;
    assert_eq!(figures(&report), [4, 3, 0, 1, 2, 1, 0, 1], "{report}");
    let sampled =
        |name: &str| report["samples"].as_array().unwrap().iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    assert!(
        sampled("now").contains(&json!("accepted")) && sampled("now").contains(&json!("rejected: odd")),
        "{report}"
    );
    assert!(sampled("was_rejected").contains(&json!("odd")), "{report}");

    let refused = api.promote_decider(NAME, json!({"version": 2})).await;
    assert!(refused.is("decides-otherwise") && refused.body["differences"] == 2, "{refused:?}");
    // The newest one decides along; when it is given up, the one before does again.
    assert_eq!(api.deploy_decider(NAME, &digest).await, 3);
    assert_eq!(api.post("deciders/contrary/retire", json!({"version": 3})).await.status, 200);
    assert_eq!(api.command(NAME, "1", "Count", json!({"n": 1})).await.status, 200);
    assert_eq!(figures(&until_shadow(&api, 2, 7).await), [5, 4, 0, 1, 2, 1, 0, 1]);
    assert_eq!(api.deploy_decider(NAME, &digest).await, 4);
    host.stop();
    host = Host::start_with_limits(dir.path(), &["deciders.lanes=1"]);
    let api = host.api();
    assert_eq!(api.command(NAME, "1", "Count", json!({"n": 1})).await.status, 200);
    assert_eq!(figures(&until_shadow(&api, 4, 1).await), [1, 1, 0, 0, 0, 0, 0, 0]);
    let promoted = api.promote_decider(NAME, json!({"version": 4, "accept_differences": true})).await;
    assert_eq!(promoted.status, 200, "{promoted:?}");
    api.until("deciders/contrary", |decider| decider["versions"][3]["shadow"].is_null()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_waits_and_cannot_fold_what_comes_is_faulted() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.decider_live(NAME, module("contrary")).await;
    assert_eq!(api.deploy_decider(NAME, &digest).await, 2);
    let appended = api.post("streams/contrary-2/events", json!({"type": "Deadly", "data": {}})).await;
    assert_eq!(appended.status, 201, "{appended:?}");
    let faulted = api.until("deciders/contrary", |decider| decider["versions"][1]["state"] == "faulted").await;
    let reason = faulted["versions"][1]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("as told"), "{reason}");
    assert!(api.promote_decider(NAME, json!({"version": 2})).await.is("wrong-state"));
}
