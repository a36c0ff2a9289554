//! A projector that declares partitions is replayed by several instances with the rows that one would give; one whose
//! declaration is not true is stopped, and an event that cannot be handled is found as ever.

use std::collections::BTreeMap;
use std::path::Path;

use kinora_tests::{Api, Host, module, open, request};
use kinora_types::{EventType, ExpectedRevision, NewEvent};
use serde_json::{Value, json};
use uuid::Uuid;

/// Events, and what their keys are spread over.
#[derive(Clone, Copy)]
struct Size {
    events: u64,
    keys: u64,
}

/// Enough for many windows, and for reading ahead.
const SMALL: Size = Size { events: 60_000, keys: 1_009 };

/// So many rows that an instance gathers the events of several large windows before it applies them.
const LARGE: Size = Size { events: 400_000, keys: 300_007 };

fn key(n: u64, keys: u64) -> Option<String> {
    (!n.is_multiple_of(7)).then(|| format!("key:{}", n * n % keys))
}

fn event(n: u64, keys: u64, kind: &str) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(u128::from(n) + 1),
        kind: EventType::new(kind, 1).unwrap(),
        data: serde_json::from_str(&format!(r#"{{"n":{n}}}"#)).unwrap(),
        metadata: None,
        tags: key(n, keys).into_iter().chain([format!("other:{n}")]).map(|tag| tag.parse().unwrap()).collect(),
    }
}

/// Makes a log before a host opens it. `kind` says of which type event `n` is.
async fn write_log(dir: &Path, size: Size, kind: impl Fn(u64) -> &'static str) {
    let log = open(&dir.join("log"));
    for from in (0..size.events).step_by(5_000) {
        let events = (from..size.events.min(from + 5_000)).map(|n| event(n, size.keys, kind(n)));
        log.append(request("s", ExpectedRevision::Any, events.collect())).await.unwrap();
    }
}

async fn deployed(api: &Api) {
    let digest = api.upload(module("partitioned")).await;
    assert_eq!(api.deploy("notes", &digest, &[]).await, 1);
}

/// The rows as a few lines make them.
fn expected(upto: u64, keys: u64, kind: impl Fn(u64) -> &'static str) -> BTreeMap<String, Value> {
    let mut rows: BTreeMap<String, (u64, u32, u64)> = BTreeMap::new();
    for n in (0..upto).filter(|n| kind(*n) == "Noted") {
        let (count, mixed, last) = rows.entry(key(n, keys).unwrap_or("none".into())).or_default();
        *count += 1;
        *mixed = mixed.wrapping_mul(31).wrapping_add(n as u32);
        *last = n;
    }
    rows.into_iter()
        .map(|(key, (count, mixed, last))| (key, json!({"count": count, "mixed": mixed, "last": last})))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_instances_make_the_rows_that_one_would_make() {
    let kind = |n: u64| if n.is_multiple_of(5) { "Passed" } else { "Noted" };
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), SMALL, kind).await;
    let host = Host::start(dir.path());
    let api = host.api();
    deployed(&api).await;
    api.until_state("notes", 1, "ready").await;
    let rows: BTreeMap<_, _> = api.rows("notes", "notes", 1).await.into_iter().collect();
    assert_eq!(rows, expected(SMALL.events, SMALL.keys, kind));
    // From here on one instance keeps up.
    let more = json!([{"type": "Noted", "data": {"n": 3}, "tags": ["key:live"]}]);
    let appended = api.post("streams/s/events", more).await;
    assert_eq!(appended.status, 201);
    let position = &appended.body["first_position"];
    let row = api.get(&format!("read-models/notes/notes/key:live?version=1&min_position={position}")).await;
    assert_eq!(row.body, json!({"count": 1, "mixed": 3, "last": position}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_that_is_not_true_stops_the_replay() {
    let dir = tempfile::tempdir().unwrap();
    write_log(dir.path(), SMALL, |n| if n % 1_000 == 999 { "Total" } else { "Noted" }).await;
    let host = Host::start(dir.path());
    let api = host.api();
    deployed(&api).await;
    let status = api.until_state("notes", 1, "faulted").await;
    assert_eq!(status["fault"]["category"], "partition", "{status}");
    assert!(status["fault"]["message"].as_str().unwrap().contains("\"total\""), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_handled_stops_it_there_with_all_before_it_committed() {
    for (size, bad) in [(SMALL, 41_234), (LARGE, 371_234)] {
        let kind = |n: u64| if n == bad { "Failing" } else { "Noted" };
        let dir = tempfile::tempdir().unwrap();
        write_log(dir.path(), size, kind).await;
        let host = Host::start(dir.path());
        let api = host.api();
        deployed(&api).await;
        let status = api.until_state("notes", 1, "faulted").await;
        let fault = &status["fault"];
        assert_eq!((&fault["position"], &fault["category"]), (&json!(bad), &json!("fault")), "{status}");
        assert_eq!(status["checkpoint"], bad - 1);
        let rows: BTreeMap<_, _> = api.rows("notes", "notes", 1).await.into_iter().collect();
        assert_eq!(rows, expected(bad, size.keys, kind));
    }
}
