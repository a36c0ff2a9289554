//! Replays: what is read ahead and by posting lists gives the same rows, versions that replay at once all get there,
//! and one that is stopped in the middle goes on from there.

use std::path::Path;

use kinora_tests::{Api, Host, module, open, request};
use kinora_types::{EventType, ExpectedRevision, NewEvent};
use serde_json::json;
use uuid::Uuid;

const EVENTS: u64 = 100_000;

/// Makes a log before a host opens it, in one stream. `kind` says of which type event `n` is.
async fn write_log(dir: &Path, kind: impl Fn(u64) -> &'static str) {
    let log = open(&dir.join("log"));
    let event = |n: u64| NewEvent {
        id: Uuid::from_u128(u128::from(n) + 1),
        kind: EventType::new(kind(n), 1).unwrap(),
        data: serde_json::from_str(&format!(r#"{{"n":{n}}}"#)).unwrap(),
        metadata: None,
        tags: vec!["key:a".parse().unwrap()],
    };
    let events: Vec<_> = (0..EVENTS).map(event).collect();
    for events in events.chunks(5_000) {
        log.append(request("s", ExpectedRevision::Any, events.to_vec())).await.unwrap();
    }
}

async fn counted(api: &Api, name: &str) -> (u64, u64) {
    let row = api.get(&format!("read-models/{name}/notes/key:a?version=1")).await.body;
    (row["count"].as_u64().unwrap(), row["last"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_that_wants_few_of_all_events_gets_just_those() {
    for one_in in [2, 50, 30_000] {
        let dir = tempfile::tempdir().unwrap();
        write_log(dir.path(), |n| if n % one_in == 1 { "Noted" } else { "Passed" }).await;
        let host = Host::start(dir.path());
        let api = host.api();
        let digest = api.upload(module("partitioned")).await;
        api.deploy("notes", &digest, &[]).await;
        let status = api.until_state("notes", 1, "ready").await;
        assert!(status["checkpoint"].as_u64() >= Some(EVENTS - 1), "what nobody wants counts as applied: {status}");
        let last = (0..EVENTS).rev().find(|n| n % one_in == 1).unwrap();
        assert_eq!(counted(&api, "notes").await, (last / one_in + 1, last));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_replay_at_once_all_get_there() {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), |_| "Noted").await;
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("partitioned")).await;
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        api.deploy(name, &digest, &[]).await;
    }
    for name in names {
        api.until_state(name, 1, "ready").await;
        assert_eq!(counted(&api, name).await, (EVENTS, EVENTS - 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_waits_for_its_turn_can_be_paused_and_goes_on_later() {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), |_| "Noted").await;
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("partitioned")).await;
    let names = ["a", "b", "c", "d"];
    for name in names {
        api.deploy(name, &digest, &[]).await;
    }
    for name in names {
        api.until(&format!("projections/{name}/versions/1"), |status| status["state"] != "validating").await;
        let paused = api.post(&format!("projections/{name}/versions/1/pause"), json!({})).await;
        assert_eq!(paused.status, 200, "{paused:?}");
    }
    for name in names {
        api.post(&format!("projections/{name}/versions/1/resume"), json!({})).await;
    }
    for name in names {
        api.until_state(name, 1, "ready").await;
        assert_eq!(counted(&api, name).await, (EVENTS, EVENTS - 1));
    }
}
