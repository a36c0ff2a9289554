//! Figures of a version: each means one thing, over all of its runs, and is there as soon as its state says so.

use std::path::Path;
use std::time::Instant;

use kinora_tests::{Api, Host, module, open, request};
use kinora_types::{EventType, ExpectedRevision, NewEvent};
use serde_json::{Value, json};
use uuid::Uuid;

/// Makes a log of `Count` events before a host opens it.
async fn write_log(dir: &Path, events: u64) {
    let log = open(&dir.join("log"));
    let event = |n: u64| NewEvent {
        id: Uuid::from_u128(u128::from(n) + 1),
        kind: EventType::new("Count", 1).unwrap(),
        data: serde_json::from_str(&format!(r#"{{"n":{n}}}"#)).unwrap(),
        metadata: None,
        tags: Vec::new(),
    };
    let events: Vec<_> = (0..events).map(event).collect();
    for (number, events) in events.chunks(5_000).enumerate() {
        log.append(request(&format!("s{number}"), ExpectedRevision::Any, events.to_vec())).await.unwrap();
    }
}

async fn deploy(api: &Api, body: Value) -> u64 {
    let answer = api.post("projections/counts/versions", body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body["version"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_replay_is_that_of_all_its_runs() {
    const EVENTS: u64 = 400_000;
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), EVENTS).await;
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    deploy(&api, json!({"module": digest})).await;
    let path = "projections/counts/versions/1";
    api.until(path, |status| status["state"] == "replaying").await;
    let began = Instant::now();
    api.until(path, |status| status["applied"].as_u64() > Some(EVENTS * 3 / 4)).await;
    let first_run = began.elapsed();
    assert_eq!(api.post(&format!("{path}/pause"), json!({})).await.status, 200);
    host.stop();

    let host = Host::start(dir.path());
    let api = host.api();
    api.post(&format!("{path}/resume"), json!({})).await;
    let status = api.until_state("counts", 1, "ready").await;
    let took = status["replayed_in_ms"].as_u64().unwrap();
    assert!(u128::from(took) >= first_run.as_millis(), "{took} ms are less than the {first_run:?} of the first run");

    // Whoever goes on with the rows of another needed its time, too.
    let version = deploy(&api, json!({"module": digest, "continue_from": 1})).await;
    let heir = api.until_state("counts", version, "ready").await;
    assert!(heir["continued"]["position"].is_u64(), "{heir}");
    assert!(heir["replayed_in_ms"].as_u64() >= Some(took), "{heir}");

    // To begin anew is another replay.
    api.post(&format!("projections/counts/versions/{version}/retry"), json!({})).await;
    let anew = api.until_state("counts", version, "ready").await;
    assert!(anew["replayed_in_ms"].as_u64().unwrap() > 0, "{anew}");
    assert_eq!(anew["applied"], json!(anew["head"].as_u64().unwrap() + 1), "{anew}");
}

#[tokio::test]
async fn applied_are_the_events_from_the_start_of_a_version_on() {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), 100).await;
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    let version = deploy(&api, json!({"module": digest, "start": {"position": 40}})).await;
    let status = api.until_caught_up("counts", version).await;
    let head = status["head"].as_u64().unwrap();
    assert_eq!((&status["applied"], &status["start"]), (&json!(head + 1 - 40), &json!(40)), "{status}");
    api.post(&format!("projections/counts/versions/{version}/pause"), json!({})).await;
    api.post("streams/a/events", json!([{"type": "Count", "data": {"n": 1}}])).await;
    let status = api.get(&format!("projections/counts/versions/{version}")).await.body;
    let number = |name: &str| status[name].as_u64().unwrap();
    assert_eq!(number("applied") + number("lag") + number("start"), number("head") + 1, "{status}");
}

#[tokio::test]
async fn a_version_begins_where_the_one_does_that_it_goes_on_from() {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), 100).await;
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    let first = deploy(&api, json!({"module": digest, "start": {"position": 40}})).await;
    api.until_caught_up("counts", first).await;
    let second = deploy(&api, json!({"module": digest, "continue_from": first})).await;
    let status = api.until_caught_up("counts", second).await;
    assert_eq!((&status["start"], &status["continued"]["why_not"]), (&json!(40), &Value::Null), "{status}");
    let elsewhere = json!({"module": digest, "continue_from": first, "start": {"position": 41}});
    let third = deploy(&api, elsewhere).await;
    let status = api.until_caught_up("counts", third).await;
    assert!(status["continued"]["why_not"].as_str().unwrap().contains("does not begin"), "{status}");
}

#[tokio::test]
async fn a_forecast_knows_of_the_memory_of_every_instance() {
    const EVENTS: u64 = 60_000;
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log"));
    let event = |n: u64| NewEvent {
        id: Uuid::from_u128(u128::from(n) + 1),
        kind: EventType::new("Noted", 1).unwrap(),
        data: serde_json::from_str(&format!(r#"{{"n":{n}}}"#)).unwrap(),
        metadata: None,
        tags: vec![format!("key:{n}").parse().unwrap()],
    };
    for first in (0..EVENTS).step_by(5_000) {
        let events: Vec<_> = (first..first + 5_000).map(event).collect();
        log.append(request("s", ExpectedRevision::Any, events)).await.unwrap();
    }
    drop(log);
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("partitioned")).await;
    let mut forecast = Value::Null;
    // Whether all of it fits into the time of a sample is a matter of what else the machine does.
    while forecast["sampled_events"] != EVENTS {
        let asked = json!({"module": digest, "dry_run": true});
        forecast = api.post("projections/notes/versions", asked).await.body["forecast"].clone();
    }
    let forecast = forecast["memory_bytes"].as_u64().unwrap();
    api.deploy("notes", &digest, &[]).await;
    let mut most = 0;
    loop {
        let status = api.get("projections/notes/versions/1").await.body;
        most = most.max(status["memory_bytes"].as_u64().unwrap());
        if status["state"] == "ready" {
            break;
        }
    }
    println!("memory: {forecast} forecast, {most} seen");
    assert!(forecast * 5 >= most * 4, "{forecast} bytes were said, {most} seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_validated_for_long_is_not_called_stalled_and_says_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["projections.stall_seconds=1", "sandbox.event_fuel=6000000000"]);
    let api = host.api();
    // Each of them burns all of its fuel before it fails, and is left out of the sample.
    let slow = json!([{"type": "Count", "data": {"n": 1}}, {"type": "Loop", "data": {}}, {"type": "Loop", "data": {}}]);
    for _ in 0..3 {
        assert_eq!(api.post("streams/a/events", slow.clone()).await.status, 201);
    }
    let digest = api.upload(module("hostile")).await;
    deploy(&api, json!({"module": digest})).await;
    let (mut since, mut longest) = (None, 0);
    loop {
        let status = api.get("projections/counts/versions/1").await.body;
        if status["state"] != "validating" {
            break;
        }
        assert_eq!(status["stalled_seconds"], Value::Null, "{status}");
        assert_eq!(status["events_per_second"], 0.0, "{status}");
        if status["validation"]["way"] == 1 && status["validation"]["of"] == 9 {
            longest = since.get_or_insert_with(Instant::now).elapsed().as_millis();
        }
    }
    assert!(longest > 2_000, "it has been validated for {longest} ms only");
    api.until_state("counts", 1, "faulted").await;
}
