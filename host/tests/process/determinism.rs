//! A projector whose rows depend on batches or restarts is refused at its deployment, or found by a replay of all of
//! history.

use std::process::Command;

use kinora_tests::{Api, Host, Program, module, put_raw};
use serde_json::{Value, json};

/// Appends, and gives the position of the first event. The log has events of the host's own between those of the tests.
async fn append(api: &Api, stream: &str, kind: &str, ns: std::ops::Range<u64>) -> u64 {
    let events: Vec<Value> = ns.map(|n| json!({"type": kind, "data": {"n": n}})).collect();
    let answer = api.post(&format!("streams/{stream}/events"), json!(events)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["first_position"].as_u64().unwrap()
}

async fn digest(api: &Api, version: u64) -> Value {
    let answer = api.get(&format!("projections/counts/versions/{version}/digest")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

async fn verification(api: &Api, version: u64) -> Value {
    let answer = api.get(&format!("projections/counts/versions/{version}/verification")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Exit code, and everything that was written.
fn kinora(host: &Host, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(Program::path()).args(arguments).env("KINORA_URL", &host.url).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code().unwrap(), text)
}

/// A host whose first version has counted so many events of the stream `a`, with the digest of its module.
async fn counted(dir: &std::path::Path, events: u64) -> (Host, Api, String) {
    let host = Host::start(dir);
    let api = host.api();
    let module = api.upload(module("hostile")).await;
    append(&api, "a", "Count", 0..events).await;
    api.deploy("counts", &module, &[]).await;
    api.until_state("counts", 1, "ready").await;
    (host, api, module)
}

#[tokio::test]
async fn what_depends_on_instances_is_refused_with_the_first_row_and_event_and_nobody_else_notices() {
    for (kind, first, row) in [("Remember", 0, "is {\"n\":1"), ("HoldBack", 1, "not there")] {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::start(dir.path());
        let api = host.api();
        let module = api.upload(module("hostile")).await;
        append(&api, "a", "Count", 0..700).await;
        api.deploy("counts", &module, &[]).await;
        let status = api.until_state("counts", 1, "ready").await;
        assert_eq!(status["determinism"]["left_out"], 0, "{status}");
        assert!(status["determinism"]["events"].as_u64().unwrap() >= 512, "{status}");
        api.post("projections/counts/versions/1/promote", json!({})).await;

        // Version 1 has no reason to stop at these.
        append(&api, "b", "Count", 0..100).await;
        let first = append(&api, "c", kind, 0..3).await + first;
        api.deploy("counts", &module, &[]).await;
        let status = api.until_state("counts", 2, "faulted").await;
        let fault = &status["fault"];
        assert_eq!((&fault["category"], &fault["position"]), (&json!("nondeterministic"), &json!(first)), "{status}");
        assert_eq!((&fault["event_type"], &fault["stream"]), (&json!(kind), &json!("c")), "{status}");
        let message = fault["message"].as_str().unwrap();
        assert!(message.contains(r#"row "c" of table "counts""#) && message.contains(row), "{message}");
        assert_eq!((&status["checkpoint"], &status["determinism"]), (&Value::Null, &Value::Null));
        let left = std::fs::read_dir(dir.path().join("read-models")).unwrap();
        assert!(left.flatten().all(|entry| !entry.file_name().to_str().unwrap().starts_with('.')));
        let row = api.get(&format!("read-models/counts/counts/a?min_position={first}")).await;
        assert_eq!(row.status, 200, "the old one goes on: {row:?}");
    }
}

#[tokio::test]
async fn events_that_cannot_be_handled_out_of_their_context_are_left_out_of_the_sample_only() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let module = api.upload(module("hostile")).await;
    append(&api, "a", "Count", 0..20).await;
    append(&api, "a", "Fault", 0..1).await;
    append(&api, "a", "Count", 0..20).await;
    api.deploy("counts", &module, &[]).await;
    let status = api.until_state("counts", 1, "faulted").await;
    assert_eq!((&status["fault"]["category"], &status["fault"]["position"]), (&json!("fault"), &json!(20)), "{status}");
    assert_eq!((&status["determinism"]["events"], &status["determinism"]["left_out"]), (&json!(40), &json!(1)));
    assert_eq!(status["checkpoint"], 19);
}

#[tokio::test]
async fn versions_of_the_same_make_have_the_same_rows_at_the_same_position() {
    let dir = tempfile::tempdir().unwrap();
    let (host, api, module) = counted(dir.path(), 40).await;
    append(&api, "b", "Count", 0..40).await;
    api.deploy("counts", &module, &[]).await;
    api.until_caught_up("counts", 2).await;
    api.until_caught_up("counts", 1).await;
    let (first, second) = (digest(&api, 1).await, digest(&api, 2).await);
    for field in ["identity", "rows_digest", "position"] {
        assert_eq!(first[field], second[field], "{field}");
    }
    let position = first["position"].as_u64().unwrap();
    let ready = api.get("projections/counts/versions/1").await.body;
    assert_eq!((&ready["identity"], &ready["skipped"]), (&first["identity"], &json!([])));

    let last = append(&api, "c", "Count", 0..1).await;
    api.until_caught_up("counts", 1).await;
    assert_ne!(digest(&api, 1).await["rows_digest"], first["rows_digest"]);
    let past = api.get(&format!("projections/counts/versions/1/digest?position={position}")).await;
    assert_eq!(
        (past.status, past.body["title"].as_str(), &past.body["position"]),
        (409, Some("beyond position"), &json!(last))
    );
    let future = api.get(&format!("projections/counts/versions/1/digest?position={}", last + 1)).await;
    assert_eq!((future.status, future.body["title"].as_str()), (503, Some("not there yet")));
    let now = api.get(&format!("projections/counts/versions/2/digest?position={last}")).await;
    assert_eq!((now.status, &now.body["rows_digest"]), (200, &digest(&api, 1).await["rows_digest"]));

    let verified = verification(&api, 1).await;
    assert_eq!(
        (&verified["agrees"], &verified["events"], &verified["difference"]),
        (&json!(true), &json!(last + 1), &Value::Null)
    );
    let (code, text) = kinora(&host, &["verify", "counts", "2"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains(&format!("counts version 2: {} events replayed", last + 1)) && text.contains("the same rows"),
        "{text}"
    );
}

#[tokio::test]
async fn a_replay_of_all_of_history_finds_what_no_sample_had() {
    let dir = tempfile::tempdir().unwrap();
    let (host, api, _) = counted(dir.path(), 10).await;
    let first = append(&api, "b", "Remember", 0..3).await;
    api.until_caught_up("counts", 1).await;
    let verified = verification(&api, 1).await;
    let difference = &verified["difference"];
    assert_eq!((&verified["agrees"], &difference["position"]), (&json!(false), &json!(first)), "{verified}");
    assert_eq!((&difference["event_type"], &difference["row"]["key"]), (&json!("Remember"), &json!("b")), "{verified}");
    let (code, text) = kinora(&host, &["verify", "counts"]);
    assert_eq!(code, 5, "{text}");
    assert!(
        text.contains(&format!("first after event {first} (Remember)")) && text.contains("not deterministic"),
        "{text}"
    );
}

#[tokio::test]
async fn rows_that_somebody_changed_on_disk_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (host, _, _) = counted(dir.path(), 10).await;
    host.stop();
    put_raw(&dir.path().join("read-models/counts/1"), b"\x01\0\0a", br#"{"n":44,"filler":""}"#);
    let host = Host::start(dir.path());
    let api = host.api();
    api.until_caught_up("counts", 1).await;
    let verified = verification(&api, 1).await;
    let (row, ways) = (&verified["difference"]["row"], &verified["difference"]["ways"]);
    assert_eq!((&verified["agrees"], &verified["difference"]["position"]), (&json!(false), &Value::Null), "{verified}");
    assert_eq!((&row["one"], &row["other"]), (&json!(r#"{"n":44,"filler":""}"#), &json!(r#"{"n":45,"filler":""}"#)));
    assert_eq!(ways[0], "as the version has it");
    let (code, text) = kinora(&host, &["verify", "counts"]);
    assert!(code == 5 && text.contains("rows were damaged"), "{text}");
}
