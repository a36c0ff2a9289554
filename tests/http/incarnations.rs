//! Lives of a log: what a host handed out before it was restored from a backup is never taken for what it says since.

use std::path::Path;

use kinora_engine::backup::restore;
use kinora_server::serve::Options;
use kinora_tests::{Api, Host, Text, copied, module, until};
use serde_json::{Value, json};

/// What a client has of a host.
struct Held {
    etag: String,
    session: String,
    next: String,
    /// Of the last event, and of the rows.
    event: String,
    rows: String,
}

async fn count(api: &Api, ns: std::ops::Range<u64>) -> u64 {
    let events: Vec<Value> = ns.map(|n| json!({"type": "Count", "data": {"n": n}})).collect();
    let answer = api.post("streams/a/events", json!(events)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["last_position"].as_u64().unwrap()
}

async fn row(api: &Api, header: (&str, &str), more: &str) -> Text {
    let request = api.client.get(api.at(&format!("read-models/counts/counts/a{more}")));
    api.text(request.header(header.0, header.1)).await
}

async fn held(api: &Api, last: u64) -> Held {
    let row = row(api, ("accept", "*/*"), &format!("?min_position={last}")).await;
    let list = api.get(&format!("read-models/counts/counts?limit=1&min_position={last}")).await;
    let mut events = api.follow(api.client.get(api.at(&format!("events?from={last}")))).await;
    let mut rows = api.follow(api.client.get(api.at(&format!("read-models/counts/counts?min_position={last}")))).await;
    Held {
        etag: row.header("etag").to_owned(),
        session: row.header("kinora-session").to_owned(),
        next: list.body["next"].as_str().unwrap().to_owned(),
        event: events.next().await.id,
        rows: rows.until(|message| message.kind == "position").await.pop().unwrap().id,
    }
}

fn assert_is(answer: &Text, status: u16, slug: &str) {
    let body: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!((answer.status, &body["type"]), (status, &json!(format!("https://kinora.dev/problems/{slug}"))));
}

fn started(data: &Path, backups: &Path) -> Host {
    Host::run(Options { backups: Some(backups.to_owned()), ..Host::options(data) })
}

#[tokio::test]
async fn what_was_handed_out_before_a_restoration_is_not_taken_for_what_is_there_since() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backups, restored) = (dir.path().join("data"), dir.path().join("backups"), dir.path().join("restored"));
    let host = started(&data, &backups);
    let api = host.api();
    count(&api, 0..3).await;
    assert_eq!(api.post("streams/b/events", json!({"type": "Count", "data": {"n": 1}})).await.status, 201);
    let digest = api.upload(module("tally")).await;
    api.deploy_live("counts", &digest).await;
    let last = count(&api, 3..4).await;
    let shared = held(&api, last).await;
    assert_eq!(api.post("backups", json!({})).await.status, 201);
    let last = count(&api, 4..9).await;
    let lost = held(&api, last).await;
    host.stop();

    restore(&backups, None, &restored).unwrap();
    let host = started(&restored, &backups);
    let api = host.api();
    api.until_state("counts", 1, "live").await;
    // As far as the one before had come, with other events.
    let again = count(&api, 20..25).await;
    assert_eq!(again, last);
    api.until_caught_up("counts", 1).await;
    let log = api.get("log").await.body;
    assert_eq!((log["incarnations"].as_array().unwrap().len(), &log["poisoned"]), (2, &Value::Null), "{log}");

    for held in [&shared, &lost] {
        assert_eq!(row(&api, ("if-none-match", &held.etag), "").await.status, 200, "it is sent again");
        let page = api.text(api.client.get(format!("{}{}", api.url, held.next))).await;
        assert_is(&page, 400, "invalid-cursor");
        let request = api.client.get(api.at("read-models/counts/counts")).header("last-event-id", &held.rows);
        assert_eq!(api.follow(request).await.next().await.kind, "reset");
    }
    let resumed = |id: &str| api.client.get(api.at("events")).header("last-event-id", id);
    assert_eq!(row(&api, ("kinora-session", &shared.session), "").await.status, 200, "it is still so");
    assert_eq!(api.follow(resumed(&shared.event)).await.next().await.kind, "event");
    assert_is(&row(&api, ("kinora-session", &lost.session), "").await, 410, "other-incarnation");
    let refused = api.try_follow(resumed(&lost.event)).await.err().unwrap();
    assert_is(&refused, 410, "other-incarnation");
    // What is handed out now is good now.
    let now = held(&api, again).await;
    assert_eq!(row(&api, ("if-none-match", &now.etag), "").await.status, 304);
    assert_eq!(row(&api, ("kinora-session", &now.session), "").await.status, 200);
    assert_eq!(api.text(api.client.get(format!("{}{}", api.url, now.next))).await.status, 200);
}

#[tokio::test]
async fn a_read_model_of_events_that_are_gone_is_refused_and_one_that_goes_less_far_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backups) = (dir.path().join("data"), dir.path().join("backups"));
    let host = started(&data, &backups);
    let api = host.api();
    count(&api, 0..3).await;
    let digest = api.upload(module("tally")).await;
    api.deploy_live("counts", &digest).await;
    assert_eq!(api.post("backups", json!({})).await.status, 201);
    let model = |data: &Path| data.join("read-models/counts/1");
    host.stop();
    let before = copied(&model(&data));
    let host = started(&data, &backups);
    let api = host.api();
    api.until_state("counts", 1, "live").await;
    let last = count(&api, 3..9).await;
    api.get(&format!("read-models/counts/counts/a?min_position={last}")).await;
    host.stop();

    // The log is put back under read models that are there.
    for (kept, is_refused) in [(copied(&model(&data)), true), (before, false)] {
        let restored = tempfile::tempdir().unwrap();
        let restored = restored.path().join("data");
        restore(&backups, None, &restored).unwrap();
        std::fs::create_dir_all(model(&restored).parent().unwrap()).unwrap();
        std::fs::rename(kept.keep(), model(&restored)).unwrap();
        let host = started(&restored, &backups);
        let api = host.api();
        if is_refused {
            let status = api.until_state("counts", 1, "faulted").await;
            let why = status["fault"]["message"].as_str().unwrap();
            assert!(why.contains("was restored or repaired since, has only the first"), "{why}");
        } else {
            api.until_caught_up("counts", 1).await;
            let last = count(&api, 20..30).await;
            let row = api.get(&format!("read-models/counts/counts/a?min_position={last}")).await;
            assert_eq!(row.status, 200, "{row:?}");
            until("its rows", async || api.rows("counts", "counts", 1).await.len() == 2).await;
        }
        host.stop();
    }
}
