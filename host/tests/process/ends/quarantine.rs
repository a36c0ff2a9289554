//! Guests that end the host, which here is killed while they run: it starts again all the same, and knows them.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use kinora_tests::{Api, Handwritten, Program, module, until};
use serde_json::{Value, json};

/// Fuel for longer than any test.
const ENDLESS: [&str; 2] = ["sandbox.event_fuel=1000000000000000", "sandbox.describe_fuel=1000000000000000"];

fn host_with(data: &Path, arguments: &[&str]) -> Program {
    let mut command = Program::command(data);
    command.args(["--listen", "127.0.0.1:0"]).args(arguments);
    command.args(ENDLESS.iter().flat_map(|limit| ["--limit", limit]));
    Program::start_command(command)
}

fn host(data: &Path) -> Program {
    host_with(data, &[])
}

/// Appends an event, and gives its position.
async fn append(api: &Api, kind: &str) -> u64 {
    let answer = api.post("streams/s/events", json!({"type": kind, "data": {"n": 1}})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["first_position"].as_u64().unwrap()
}

/// Waits until a guest that is on probation runs and gets no further: one that is on its way to where it will loop is
/// somewhere else.
async fn until_under_way(data: &Path, name: &str) {
    const LOOKS: u32 = 20;
    let probation = data.join("probation");
    let seen = Mutex::new((Vec::new(), 0));
    until(name, async || {
        let note = std::fs::read(probation.join(name)).unwrap_or_default();
        let under_way = serde_json::from_slice::<Value>(&note).is_ok_and(|note| note["under_way"] == true);
        let place = std::fs::read(probation.join(format!("{name}.at"))).unwrap_or_default();
        let mut seen = seen.lock().unwrap();
        let looks = if seen.0 == place { seen.1 + 1 } else { 0 };
        *seen = (place, looks);
        under_way && looks >= LOOKS && seen.0.iter().any(|byte| *byte != 0xff)
    })
    .await;
}

/// A version `bad` that loops at an event, and a version `good` that passes over it.
async fn deploy_both(api: &Api) {
    append(api, "Count").await;
    let bad = api.upload(module("hostile")).await;
    let good = api.upload(Handwritten { bad: "Loop", ..Handwritten::default() }.module()).await;
    api.deploy_live("bad", &bad).await;
    api.deploy_live("good", &good).await;
}

#[tokio::test]
async fn a_version_that_ends_the_host_twice_in_one_place_is_quarantined_until_somebody_resumes_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = host(dir.path());
    deploy_both(&first.api()).await;
    let position = append(&first.api(), "Loop").await;
    first.kill();
    for _ in 0..2 {
        let again = host(dir.path());
        until_under_way(dir.path(), "version-bad-1").await;
        again.api().until_caught_up("good", 1).await;
        again.kill();
    }
    let quarantining = host(dir.path());
    let api = quarantining.api();
    let status = api.until_state("bad", 1, "faulted").await;
    let fault = &status["fault"];
    assert_eq!((&fault["category"], &status["checkpoint"]), (&json!("quarantined"), &json!(position - 1)), "{status}");
    assert!(fault["message"].as_str().unwrap().contains("the host ended 2 times"), "{fault}");
    assert!(fault["hint"].as_str().unwrap().contains("resume the version"), "{fault}");
    append(&api, "Count").await;
    api.until_caught_up("good", 1).await;
    let history = api.get("projections/bad/history").await.body.to_string();
    assert!(history.contains("VersionFaulted") && history.contains("quarantined"), "{history}");
    let shown = Command::new(Program::path()).args(["status", "bad", "--url", &quarantining.url]).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("faulted") && shown.contains("the host ended 2 times"), "{shown}");

    let answer = api.post("projections/bad/versions/1/resume", json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    until_under_way(dir.path(), "version-bad-1").await;
    quarantining.kill();
    let once_more = host(dir.path());
    let status = once_more.api().until_state("bad", 1, "faulted").await;
    assert_eq!(status["fault"]["category"], "quarantined", "it had one more time: {status}");
    once_more.stop();
}

#[tokio::test]
async fn a_host_that_is_killed_while_versions_get_on_blames_none_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let first = host(dir.path());
    deploy_both(&first.api()).await;
    first.kill();
    for _ in 0..4 {
        let again = host(dir.path());
        let api = again.api();
        append(&api, "Count").await;
        api.until_caught_up("bad", 1).await;
        api.until_state("bad", 1, "live").await;
        again.kill();
    }
    let last = host(dir.path());
    last.api().until_state("bad", 1, "live").await;
    last.stop();
    assert_eq!(std::fs::read_dir(dir.path().join("probation")).unwrap().count(), 0, "an end in order leaves no note");
}

#[tokio::test]
async fn a_module_that_ends_the_host_twice_is_not_tried_again_until_somebody_uploads_it() {
    let dir = tempfile::tempdir().unwrap();
    let endless = Handwritten { describe: "(loop $again (br $again))", ..Handwritten::default() }.module();
    let first = host(dir.path());
    let api = first.api();
    let answer = api.send(api.client.post(api.at("modules")).body(endless.clone())).await;
    let digest = answer.body["digest"].as_str().unwrap().to_owned();
    let (note, path) = (format!("module-{digest}"), format!("modules/{digest}"));
    until_under_way(dir.path(), &note).await;
    first.kill();
    let second = host(dir.path());
    until_under_way(dir.path(), &note).await;
    second.kill();
    let third = host(dir.path());
    let api = third.api();
    let refused = api.get(&path).await.body;
    assert_eq!((&refused["state"], &refused["error"]["title"]), (&json!("refused"), &json!("held")), "{refused}");
    assert!(refused["error"]["detail"].as_str().unwrap().contains("ended 2 times"), "{refused}");
    let answer = api.send(api.client.post(api.at("modules")).body(endless)).await;
    assert_eq!((answer.status, &answer.body["state"]), (201, &json!("compiling")), "{answer:?}");
    until_under_way(dir.path(), &note).await;
    third.kill();
}

#[tokio::test]
async fn a_paused_host_runs_no_guest_and_lets_versions_be_seen_ended_and_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let first = host(dir.path());
    deploy_both(&first.api()).await;
    let other = first.api().upload(module("hostile")).await;
    first.api().deploy("bad", &other, &[]).await;
    first.api().until_state("bad", 2, "ready").await;
    append(&first.api(), "Loop").await;
    first.kill();
    let paused = host_with(dir.path(), &["--paused"]);
    let api = paused.api();
    for (name, version) in [("bad", 1), ("bad", 2), ("good", 1)] {
        api.until_state(name, version, "paused").await;
    }
    assert_eq!(std::fs::read_dir(dir.path().join("probation")).unwrap().count(), 0, "nothing is started");
    let row = "read-models/bad/counts/s";
    assert_eq!(api.get(row).await.body["title"], "version paused");
    assert_eq!(api.get(&format!("{row}?stale=true")).await.body["n"], 1);
    let named = api.get("read-models/good/queries/ask?stale=true").await;
    assert_eq!((named.status, named.body["title"].as_str()), (409, Some("wrong state")), "{named:?}");
    let ended = api.post("projections/bad/versions/2/abort", json!({})).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let pause = api.post("projections/bad/versions/1/pause", json!({})).await;
    assert_eq!(pause.status, 200, "{pause:?}");
    let resumed = api.post("projections/good/versions/1/resume", json!({})).await;
    assert_eq!(resumed.status, 200, "{resumed:?}");
    api.until_state("good", 1, "live").await;
    api.until_caught_up("good", 1).await;
    assert_eq!(api.get("read-models/good/queries/ask").await.status, 200);
    paused.stop();
    let again = host(dir.path());
    again.api().until_state("bad", 1, "paused").await;
    again.api().until_state("good", 1, "live").await;
    again.stop();
}

#[tokio::test]
async fn what_is_under_way_is_ended_by_a_pause_an_abort_and_the_end_of_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let first = host(dir.path());
    let api = first.api();
    deploy_both(&api).await;
    let position = append(&api, "Loop").await;
    let path = "projections/bad/versions/1";
    for _ in 0..2 {
        let paused = api.post(&format!("{path}/pause"), json!({})).await;
        assert_eq!(paused.status, 200, "{paused:?}");
        let status = api.get(path).await.body;
        assert_eq!((&status["state"], &status["fault"]), (&json!("paused"), &Value::Null), "{status}");
        assert_eq!(status["checkpoint"], position - 1, "nothing of what was under way is there");
        let resumed = api.post(&format!("{path}/resume"), json!({})).await;
        assert_eq!(resumed.status, 200, "{resumed:?}");
        until_under_way(dir.path(), "version-bad-1").await;
    }
    let digest = api.get(path).await.body["module"].as_str().unwrap().to_owned();
    let version = api.deploy("bad", &digest, &[]).await;
    until_under_way(dir.path(), &format!("version-bad-{version}")).await;
    let aborted = api.post(&format!("projections/bad/versions/{version}/abort"), json!({})).await;
    assert_eq!(aborted.status, 200, "{aborted:?}");
    first.stop();
    assert_eq!(std::fs::read_dir(dir.path().join("probation")).unwrap().count(), 0, "nobody is to blame");
}

#[tokio::test]
async fn a_decider_that_ends_the_host_twice_while_it_is_tried_is_not_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = host(dir.path());
    let api = first.api();
    // A fold that never ends.
    let event = json!({"type": "Endless", "data": {}});
    assert_eq!(api.post("streams/contrary-1/events", event).await.status, 201);
    let digest = api.upload(module("contrary")).await;
    assert_eq!(api.try_decider("contrary", &digest).await, 1);
    until_under_way(dir.path(), "decider-contrary-1").await;
    first.kill();
    let second = host(dir.path());
    until_under_way(dir.path(), "decider-contrary-1").await;
    second.kill();
    let third = host(dir.path());
    let faulted = third.api().until_decider("contrary", 1, "faulted").await;
    assert!(faulted["reason"].as_str().unwrap().contains("the host ended 2 times"), "{faulted}");
    // Whoever wants it all the same deploys it anew; an end in order blames nobody.
    assert_eq!(third.api().try_decider("contrary", &digest).await, 2);
    until_under_way(dir.path(), "decider-contrary-2").await;
    third.stop();
    let fourth = host(dir.path());
    until_under_way(dir.path(), "decider-contrary-2").await;
    fourth.stop();
}
