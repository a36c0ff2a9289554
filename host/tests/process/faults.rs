//! An event that stops a version: what is said about it, how it is reproduced elsewhere, and how it is passed over.

use std::path::Path;
use std::process::Command;

use kinora_tests::{Api, Handwritten, Program, module};
use serde_json::{Value, json};

async fn append(api: &Api, stream: &str, events: &[(&str, Value)]) -> u64 {
    let events: Vec<Value> = events.iter().map(|(kind, data)| json!({"type": kind, "data": data})).collect();
    let answer = api.post(&format!("streams/{stream}/events"), json!(events)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["first_position"].as_u64().unwrap()
}

/// Exit code, stdout and stderr. `url` may lead nowhere: what is offline does not mind.
fn kinora(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(Program::path()).args(arguments).env("KINORA_URL", url).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), stdout, stderr)
}

/// A host with a version that stopped at an event of this type, and where that stands.
async fn stopped_at(dir: &Path, kind: &str) -> (Program, Api, u64) {
    let host = Program::start(dir);
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    append(&api, "a", &[("Count", json!({"n": 4}))]).await;
    append(&api, "b", &[("Count", json!({"n": 3}))]).await;
    api.deploy("counts", &digest, &[]).await;
    api.until_state("counts", 1, "ready").await;
    let bad = append(&api, "b", &[(kind, json!({"n": 1})), ("Count", json!({"n": 8}))]).await;
    api.until_state("counts", 1, "faulted").await;
    (host, api, bad)
}

#[tokio::test]
async fn a_fault_says_where_in_the_log_and_where_in_the_guest() {
    for (kind, frame) in [("Panic", "hostile::Hostile"), ("Recurse", "hostile::recurse"), ("Loop", "hostile::Hostile")]
    {
        let dir = tempfile::tempdir().unwrap();
        let (_host, api, bad) = stopped_at(dir.path(), kind).await;
        let fault = api.get("projections/counts/versions/1").await.body["fault"].clone();
        assert_eq!((&fault["position"], &fault["stream"], &fault["schema"]), (&json!(bad), &json!("b"), &json!(1)));
        let frames = fault["backtrace"].as_array().unwrap();
        let named = frames.iter().any(|found| found.as_str().unwrap().contains(frame));
        assert!(named, "{kind}: {frame} is not in {frames:#?}");
        let line = |found: &Value| found.as_str().unwrap().contains("lib.rs:");
        assert!(frames.iter().any(line), "{kind}: no frame has a line in {frames:#?}");
        assert!(fault["hint"].as_str().unwrap().len() > 20, "{fault}");
    }
}

#[tokio::test]
async fn a_bundle_reproduces_the_fault_offline_and_shows_whether_another_module_is_better() {
    let dir = tempfile::tempdir().unwrap();
    let (host, api, bad) = stopped_at(dir.path(), "Overdraw").await;
    let healthy = api.post("projections/counts/versions", json!({"module": "0".repeat(64)})).await;
    assert_eq!(healthy.status, 404);
    let file = dir.path().join("fault.json");
    let file = file.to_str().unwrap();
    let (code, stdout, stderr) = kinora(&host.url, &["repro", file, "--fetch", "counts"]);
    assert_eq!(code, 5, "{stdout}{stderr}");
    host.kill();

    let bundle: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!((&bundle["reproduced"], &bundle["fault"]["category"]), (&json!(true), &json!("fault")));
    assert_eq!(bundle["rows"], json!([{"table": "counts", "key": "b", "row": {"n": 3, "filler": ""}}]));
    assert_eq!((&bundle["event"]["type"], &bundle["event"]["data"]), (&json!("Overdraw"), &json!({"n": 1})));

    let nowhere = "http://127.0.0.1:9";
    let (code, stdout, stderr) = kinora(nowhere, &["repro", file]);
    assert_eq!(code, 5, "{stdout}{stderr}");
    assert!(
        stdout.contains("3 is not enough") && stdout.contains(&format!("event {bad}, Overdraw schema 1, stream b")),
        "{stdout}"
    );

    let put = "(call $put (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 64) (i32.const 7))";
    let mended = Handwritten { apply: put, bad: "Overdraw", ..Handwritten::default() };
    let wasm = dir.path().join("mended.wasm");
    std::fs::write(&wasm, mended.module()).unwrap();
    let (code, stdout, stderr) = kinora(nowhere, &["repro", file, "--module", wasm.to_str().unwrap(), "-o", "json"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let rerun: Value = serde_json::from_str(&stdout).unwrap();
    let written = json!([{"table": "rows", "key": "k", "row": "{\"n\":1}"}]);
    assert_eq!((&rerun["fault"], &rerun["written"]), (&Value::Null, &written));

    let mut changed = bundle.clone();
    changed["module"]["base64"] = json!("AAAA");
    std::fs::write(file, changed.to_string()).unwrap();
    let (code, _, stderr) = kinora(nowhere, &["repro", file]);
    assert!(code == 1 && stderr.contains("other bytes than its digest says"), "{stderr}");
}

#[tokio::test]
async fn an_unknown_type_is_reproduced_too_and_what_runs_has_no_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let (host, api, bad) = stopped_at(dir.path(), "Strange").await;
    let file = dir.path().join("fault.json");
    let (code, stdout, _) =
        kinora(&host.url, &["repro", file.to_str().unwrap(), "--fetch", "counts", "--version", "1"]);
    assert!(code == 5 && stdout.contains("neither handles nor ignores Strange"), "{stdout}");

    api.post("projections/counts/versions/1/skip", json!({"position": bad, "reason": "not ours"})).await;
    api.until_caught_up("counts", 1).await;
    let none = api.get("projections/counts/versions/1/reproduction").await;
    assert_eq!((none.status, none.body["title"].as_str()), (409, Some("nothing to reproduce")));
}

#[tokio::test]
async fn a_bundle_of_an_unknown_type_has_the_rows_that_a_mended_guest_reads() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    // The same guest, but for a type that it does not know.
    let mut unmended = module("hostile");
    while let Some(at) = unmended.windows(8).position(|found| found == b"Overdraw") {
        unmended[at..at + 8].copy_from_slice(b"Overdrew");
    }
    append(&api, "b", &[("Count", json!({"n": 3}))]).await;
    let digest = api.upload(unmended).await;
    api.deploy("counts", &digest, &[]).await;
    api.until_state("counts", 1, "ready").await;
    append(&api, "b", &[("Overdraw", json!({}))]).await;
    let status = api.until_state("counts", 1, "faulted").await;
    assert_eq!(status["fault"]["category"], "unknown-event", "{status}");
    let (file, mended) = (dir.path().join("fault.json"), dir.path().join("mended.wasm"));
    let (file, mended) = (file.to_str().unwrap(), mended.to_str().unwrap());
    std::fs::write(mended, module("hostile")).unwrap();
    let (code, stdout, _) = kinora(&host.url, &["repro", file, "--fetch", "counts"]);
    assert!(code == 5 && stdout.contains("neither handles nor ignores Overdraw"), "{stdout}");
    let (code, stdout, stderr) = kinora(&host.url, &["repro", file, "--module", mended]);
    assert!(code == 5 && stdout.contains("3 is not enough"), "it reads the row of the version: {stdout}{stderr}");
    assert!(!stdout.contains("not in the bundle"), "{stdout}");

    // A bundle without them says so.
    let mut bundle: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    bundle["other_rows"] = Value::Null;
    std::fs::write(file, bundle.to_string()).unwrap();
    let (_, stdout, _) = kinora(&host.url, &["repro", file, "--module", mended]);
    assert!(stdout.contains("unknown  counts b: it is not in the bundle"), "{stdout}");
}

#[tokio::test]
async fn an_event_is_skipped_for_a_reason_only_and_that_shows_for_ever_after() {
    let dir = tempfile::tempdir().unwrap();
    let (host, api, bad) = stopped_at(dir.path(), "Fault").await;
    let identity = api.get("projections/counts/versions/1").await.body["identity"].clone();
    let refused = [
        (json!({"position": bad - 1, "reason": "because"}), 409, "not stopped there"),
        (json!({"position": bad, "reason": "  "}), 400, "no reason"),
        (json!({"position": bad}), 400, "invalid json"),
    ];
    for (body, status, title) in refused {
        let answer = api.post("projections/counts/versions/1/skip", body).await;
        assert_eq!((answer.status, answer.body["title"].as_str()), (status, Some(title)), "{answer:?}");
    }
    let (code, stdout, stderr) =
        kinora(&host.url, &["skip", "counts", "1", &bad.to_string(), "--reason", "a test booking"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    api.until_caught_up("counts", 1).await;
    let row = api.get("read-models/counts/counts/b?version=1").await;
    assert_eq!(row.body["n"], 11, "the events behind it are applied");
    host.stop();

    let host = Program::start(dir.path());
    let api = host.api();
    let status = api.until_caught_up("counts", 1).await;
    let skipped = &status["skipped"][0];
    assert_eq!((&skipped["position"], &skipped["event_type"]), (&json!(bad), &json!("Fault")), "{status}");
    assert_eq!((&skipped["reason"], &skipped["stream"]), (&json!("a test booking"), &json!("b")));
    assert!(skipped["fault"].as_str().unwrap().contains("cannot be"), "{skipped}");
    assert_ne!(status["identity"], identity, "it is no longer what it was made of alone");
    let (_, stdout, _) = kinora(&host.url, &["status", "counts"]);
    assert!(stdout.contains(&format!("counts version 1 skipped event {bad} (Fault): a test booking")), "{stdout}");
    let metrics = api.metrics().await;
    let line = r#"kinora_version_skipped_events{projection="counts",version="1"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    let verified = api.get("projections/counts/versions/1/verification").await;
    assert_eq!(verified.body["agrees"], true, "a replay passes over it, too: {verified:?}");

    let again = api.post("projections/counts/versions/1/skip", json!({"position": bad, "reason": "again"})).await;
    assert_eq!(again.status, 409);
    let digest = status["module"].as_str().unwrap().to_owned();
    api.deploy("counts", &digest, &[]).await;
    let status = api.until_state("counts", 2, "faulted").await;
    assert_eq!(
        (&status["fault"]["position"], &status["skipped"]),
        (&json!(bad), &json!([])),
        "another version has no such pass"
    );
}

#[tokio::test]
async fn a_mended_module_goes_on_where_the_other_stopped_if_its_rows_are_the_same_and_replays_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    let put = "(call $put (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 64) (i32.const 7))";
    let bad = format!("(if (call $bad (local.get $batch)) (then unreachable)) {put}").leak();
    let other = "(call $put (i32.const 0) (i32.const 256) (i32.const 1) (i32.const 1024) (i32.const 7))";
    let faulty = Handwritten { apply: bad, ..Handwritten::default() };
    let mended = Handwritten { apply: put, ..Handwritten::default() };
    let different = Handwritten { apply: other, texts: br#"{"n":9}"#, ..Handwritten::default() };
    for _ in 0..20 {
        append(&api, "a", &[("Count", json!({}))]).await;
    }
    append(&api, "a", &[("Bad", json!({})), ("Count", json!({}))]).await;
    let faulty = api.upload(faulty.module()).await;
    api.deploy("k", &faulty, &[]).await;
    api.until_state("k", 1, "faulted").await;

    let deploy = async |module: Handwritten| {
        let module = api.upload(module.module()).await;
        let answer = api.post("projections/k/versions", json!({"module": module, "continue_from": 1})).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        api.until_caught_up("k", answer.body["version"].as_u64().unwrap()).await
    };
    let sound = deploy(mended).await;
    assert_eq!(sound["continued"], json!({"from": 1, "position": 19, "compared": 20, "why_not": null}), "{sound}");
    assert!(sound["checkpoint"].as_u64() > Some(20), "{sound}");
    assert_eq!(api.get("projections/k/versions/2/verification").await.body["agrees"], true);
    let unsound = deploy(different).await;
    let why = unsound["continued"]["why_not"].as_str().unwrap();
    assert!(why.contains("other rows") && why.contains(r#"row "k""#), "{why}");
    assert_eq!(&unsound["continued"]["position"], &Value::Null);
    assert_eq!(api.get("read-models/k/rows/k?version=3").await.body, json!({"n": 9}), "it replayed");

    api.post("projections/k/versions/1/skip", json!({"position": 20, "reason": "not ours"})).await;
    api.until_caught_up("k", 1).await;
    let file = dir.path().join("faulty.wasm");
    std::fs::copy(dir.path().join("modules").join(&faulty).join("source.wasm"), &file).unwrap();
    let arguments = ["deploy", "k", "--module", file.to_str().unwrap(), "--continue-from", "1", "--wait"];
    let (code, stdout, stderr) = kinora(&host.url, &arguments);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let heir = api.get("projections/k/versions/4").await.body;
    assert_eq!(heir["skipped"][0]["position"], 20, "{heir}");
    assert!(heir["continued"]["position"].as_u64() > Some(20), "{heir}");
    let nobody = api.post("projections/k/versions", json!({"module": faulty, "continue_from": 9})).await;
    assert_eq!((nobody.status, nobody.body["title"].as_str()), (404, Some("unknown version")));
}

#[tokio::test]
async fn a_command_is_decided_offline_as_it_is_on_the_host_and_by_another_module() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    api.decider_live("accounts", module("accounts")).await;
    api.decider_live("contrary", module("contrary")).await;
    let ada = json!({"customer": "ada", "iban": "DE02120300000000202051"});
    for (name, data) in [("Open", ada), ("Deposit", json!({"cents": 700}))] {
        assert_eq!(api.command("accounts", "1", name, data).await.status, 200);
    }
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (taken, rejected, failed) = (path("taken.json"), path("rejected.json"), path("failed.json"));
    let log = api.get("log").await.body;
    for (file, command, data) in [
        (&taken, ["accounts", "1", "Withdraw"], r#"{"cents":500}"#),
        (&rejected, ["accounts", "1", "Withdraw"], r#"{"cents":900}"#),
        (&failed, ["contrary", "1", "Panic"], "{}"),
    ] {
        let arguments = [&["decide"], &command[..], &["--data", data, "--repro", file]].concat();
        let (code, _, stderr) = kinora(&host.url, &arguments);
        assert_eq!(code, 0, "{stderr}");
    }
    // Nothing was appended by that.
    assert_eq!(api.get("log").await.body["events"], log["events"]);
    let unknown = api.post("deciders/accounts/1/Fly/reproduction", json!({})).await;
    assert!(unknown.is("unknown-command"), "{unknown:?}");
    let unknown = api.post("deciders/accounts/1/Withdraw/reproduction?version=7", json!({"cents": 1})).await;
    assert!(unknown.is("unknown-version"), "{unknown:?}");
    host.kill();

    let nowhere = "http://127.0.0.1:9";
    let (code, stdout, stderr) = kinora(nowhere, &["repro", &taken]);
    assert!(code == 0 && stdout.contains("decided on 2 events"), "{stdout}{stderr}");
    assert!(stdout.contains("it is accepted") && stdout.contains("Withdrawn"), "{stdout}{stderr}");
    let (code, stdout, stderr) = kinora(nowhere, &["repro", &rejected, "-o", "json"]);
    let said: Value = serde_json::from_str(&stdout).unwrap();
    assert!(code == 0 && said["decision"]["rejected"].is_object(), "{stdout}{stderr}");
    let bundle: Value = serde_json::from_slice(&std::fs::read(&rejected).unwrap()).unwrap();
    assert_eq!(bundle["outcome"], said["decision"]);
    let (code, stdout, stderr) = kinora(nowhere, &["repro", &failed]);
    assert!(code == 5 && stdout.contains("panic: ") && stdout.contains("as told"), "{stdout}{stderr}");
    // By a module that takes no such command.
    let other = kinora_tests::module_path("accounts");
    let (code, stdout, _) = kinora(nowhere, &["repro", &failed, "--module", other.to_str().unwrap()]);
    assert!(code == 5 && stdout.contains("it takes no command Panic"), "{stdout}");
}
