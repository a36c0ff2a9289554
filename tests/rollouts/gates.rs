//! Rollouts that people trust: what a deployment would come to, gates before a promotion, a history of it all, and what
//! is kept and for how long.

use kinora_tests::{Answer, Api, Host, module};
use serde_json::{Value, json};

async fn count(api: &Api, stream: &str, ns: &[u64]) -> u64 {
    let events: Vec<Value> = ns.iter().map(|n| json!({"type": "Count", "data": {"n": n}})).collect();
    let answer = api.post(&format!("streams/{stream}/events"), json!(events)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["last_position"].as_u64().unwrap()
}

async fn deploy(api: &Api, body: Value) -> u64 {
    let answer = api.post("projections/counts/versions", body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body["version"].as_u64().unwrap()
}

async fn promote(api: &Api, version: u64, body: Value) -> Answer {
    api.post(&format!("projections/counts/versions/{version}/promote"), body).await
}

/// A gate of a version: whether it is open, and why.
async fn gate(api: &Api, version: u64, name: &str) -> (bool, String) {
    let checklist = api.get(&format!("projections/counts/versions/{version}/gates")).await;
    assert_eq!(checklist.status, 200, "{checklist:?}");
    let gates = checklist.body["gates"].as_array().unwrap();
    let gate = gates.iter().find(|gate| gate["gate"] == name);
    let gate = gate.unwrap_or_else(|| panic!("no gate {name}: {gates:?}"));
    (gate["passed"].as_bool().unwrap(), gate["reason"].as_str().unwrap().to_owned())
}

/// What the history says, in order: the type without its prefix, and the data.
async fn history(api: &Api) -> Vec<(String, Value)> {
    let page = api.get("projections/counts/history").await;
    assert_eq!(page.status, 200, "{page:?}");
    let entry = |event: &Value| {
        assert_eq!(event["stream"], "$kinora/projections/counts");
        (event["type"].as_str().unwrap().strip_prefix("$kinora.").unwrap().to_owned(), event["data"].clone())
    };
    page.body["events"].as_array().unwrap().iter().map(entry).collect()
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    for stream in 0..20 {
        count(&api, &format!("s{stream}"), &[1; 500]).await;
    }
    api.post("streams/asides/events", json!([{"type": "Aside", "data": {}}])).await;
    let tally = api.upload(module("tally")).await;
    let answer = api.post("projections/counts/versions", json!({"module": tally, "dry_run": true})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let fates = json!([
        {"type": "Aside", "schema": 1, "count": 1, "becomes": "ignored"},
        {"type": "Count", "schema": 1, "count": 10_000, "becomes": "handled"},
    ]);
    assert_eq!(answer.body["events"], fates);
    let forecast = &answer.body["forecast"];
    assert_eq!((&forecast["events"], &forecast["concerned"]), (&json!(10_001), &json!(10_000)), "{forecast}");
    assert_eq!((&forecast["sampled_events"], &forecast["fault"]), (&json!(10_001), &Value::Null));
    for figure in ["events_per_second", "disk_bytes", "disk_free_bytes", "memory_bytes", "memory_limit_bytes"] {
        assert!(forecast[figure].as_f64().unwrap() > 0.0, "{figure}: {forecast}");
    }
    assert_eq!(api.get("projections/counts").await.status, 404, "there is no version");
    let left = std::fs::read_dir(dir.path().join("read-models")).unwrap().count();
    assert_eq!(left, 0, "the sample's rows are gone");

    // What would stop the version in its first events is said, too.
    let hostile = api.upload(module("hostile")).await;
    let gaps = api.post("projections/counts/versions", json!({"module": hostile, "dry_run": true})).await;
    assert_eq!((gaps.status, gaps.body["gaps"][0]["type"].as_str()), (422, Some("Aside")), "{gaps:?}");
    let later = json!({"module": hostile, "dry_run": true, "start": {"position": 10_001}});
    assert_eq!(api.post("projections/counts/versions", later).await.status, 200, "the gap is before the start");
    api.post("streams/s0/events", json!([{"type": "Panic", "data": {}}])).await;
    let fault = json!({"module": hostile, "dry_run": true, "start": {"position": 10_001}});
    let fault = api.post("projections/counts/versions", fault).await.body["forecast"]["fault"].clone();
    assert_eq!((&fault["category"], &fault["position"]), (&json!("panic"), &json!(10_001)));
}

#[tokio::test]
async fn a_version_goes_live_once_every_gate_is_open_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1, 2]).await;
    count(&api, "secret", &[5]).await;
    let (hostile, tally) = (api.upload(module("hostile")).await, api.upload(module("tally")).await);
    deploy(&api, json!({"module": hostile})).await;
    api.until_state("counts", 1, "ready").await;
    assert_eq!(promote(&api, 1, json!({})).await.status, 200);

    let unknown = json!({"module": tally, "gates": {"check": {"query": "nothing"}}});
    assert_eq!(api.post("projections/counts/versions", unknown).await.status, 404, "a check that is no query");
    let gates = json!({
        "reviewed": true,
        "difference": {"*": {"added": 1, "removed": 1}},
        "check": {"query": "enough", "arguments": {"at_least": 10}},
    });
    let version = deploy(&api, json!({"module": tally, "gates": gates})).await;
    api.until_caught_up("counts", version).await;
    let refused = promote(&api, version, json!({})).await;
    assert_eq!((refused.status, refused.body["title"].as_str()), (409, Some("gates closed")), "{refused:?}");
    assert_eq!(refused.body["gates"].as_array().unwrap().len(), 7, "{refused:?}");
    assert!(gate(&api, version, "ready").await.0);
    assert!(gate(&api, version, "caught_up").await.0);
    let (passed, why) = gate(&api, version, "deterministic").await;
    assert!(passed && why.contains("the same rows in 5 ways"), "{why}");
    assert!(!gate(&api, version, "reviewed").await.0);
    let stale = api.post(&format!("projections/counts/versions/{version}/review"), json!({"against": 7})).await;
    assert_eq!(stale.status, 409, "nobody compared it with what is live");
    api.post(&format!("projections/counts/versions/{version}/review"), json!({})).await;
    assert!(gate(&api, version, "reviewed").await.0);
    assert_eq!(gate(&api, version, "difference").await, (true, "within its bounds, compared with version 1".into()));
    assert_eq!(gate(&api, version, "check").await, (false, "enough answered false, not true".into()));
    // One more secret is one more row removed: beyond the bound.
    count(&api, "secret-2", &[100]).await;
    count(&api, "a", &[7]).await;
    api.until_caught_up("counts", version).await;
    assert!(gate(&api, version, "check").await.0);
    let (open, why) = gate(&api, version, "difference").await;
    assert_eq!((open, why.as_str()), (false, "2 rows removed in counts, at most 1 may be"));
    assert_eq!(promote(&api, version, json!({})).await.status, 409);
    let forced = promote(&api, version, json!({"force": true, "expected_live": 1})).await;
    assert_eq!((forced.status, &forced.body["live"]), (200, &json!(version)), "{forced:?}");
    assert_eq!(history(&api).await.last().unwrap().1["forced"], json!(true));
}

#[tokio::test]
async fn a_version_goes_live_by_itself_once_its_gates_are_open_unless_somebody_else_was_faster() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1]).await;
    let tally = api.upload(module("tally")).await;
    let gates = json!({"check": {"query": "enough", "arguments": {"at_least": 10}}});
    let waiting = json!({"module": tally, "promote": "when_ready", "gates": gates});
    assert_eq!(deploy(&api, waiting.clone()).await, 1);
    api.until_state("counts", 1, "ready").await;
    count(&api, "a", &[9]).await;
    api.until_state("counts", 1, "live").await;
    // The switch does not wait for the log.
    let started = std::time::Instant::now();
    let promoted = loop {
        let found = history(&api).await.into_iter().find(|(what, _)| what == "VersionPromoted");
        assert!(found.is_some() || started.elapsed().as_secs() < 60, "it is not in the history");
        if let Some((_, promoted)) = found {
            break promoted;
        }
    };
    assert_eq!((&promoted["who"], &promoted["to"]), (&json!("kinora"), &json!(1)));

    let gates = json!({"check": {"query": "enough", "arguments": {"at_least": 1_000_000}}});
    assert_eq!(deploy(&api, json!({"module": tally, "promote": "when_ready", "gates": gates})).await, 2);
    assert_eq!(deploy(&api, json!({"module": tally})).await, 3);
    api.until_state("counts", 2, "ready").await;
    api.until_state("counts", 3, "ready").await;
    promote(&api, 3, json!({})).await;
    let given_up = api.until("projections/counts/versions/2", |status| status["promote"] == "manual").await;
    assert_eq!(given_up["state"], "ready");
    api.until("projections/counts/history", |page| {
        page["events"].as_array().unwrap().last().unwrap()["type"] == "$kinora.PromotionGivenUp"
    })
    .await;
}

#[tokio::test]
async fn the_history_says_who_did_what_and_why_and_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::start(dir.path());
    let address = host.address().to_owned();
    let api = host.api();
    count(&api, "a", &[1]).await;
    let tally = api.upload(module("tally")).await;
    deploy(&api, json!({"module": tally})).await;
    api.until_state("counts", 1, "ready").await;
    let request = api.client.post(api.at("projections/counts/versions/1/promote"));
    let request = request.header("kinora-actor", "ada").header("kinora-reason", "the first one");
    assert_eq!(api.send(request).await.status, 200);
    deploy(&api, json!({"module": tally})).await;
    api.until_state("counts", 2, "ready").await;
    promote(&api, 2, json!({})).await;
    api.post("projections/counts/rollback", json!({})).await;
    api.post("projections/counts/versions/2/pause", json!({})).await;
    host.stop();
    host = Host::start_at(dir.path(), &address);
    let api = host.api();
    let expected = [
        "VersionDeployed",
        "VersionPromoted",
        "VersionDeployed",
        "VersionPromoted",
        "VersionRolledBack",
        "VersionPaused",
    ];
    let entries = history(&api).await;
    assert_eq!(entries.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(), expected);
    let promoted = &entries[1].1;
    assert_eq!((&promoted["who"], &promoted["why"]), (&json!("ada"), &json!("the first one")));
    assert_eq!((&promoted["from"], &promoted["to"], &entries[4].1["to"]), (&Value::Null, &json!(1), &json!(1)));
    assert!(promoted["to_position"].as_u64().is_some() && promoted["at"].as_str().is_some(), "{promoted}");

    // Nobody can write into it, nor anything that looks like it.
    for (path, body) in [
        ("streams/$kinora%2Fprojections%2Fcounts/events", json!([{"type": "Count", "data": {"n": 1}}])),
        ("streams/mine/events", json!([{"type": "$kinora.VersionPromoted", "data": {}}])),
        ("transactions", json!({"appends": [{"stream": "$kinora/x", "events": [{"type": "Count", "data": {}}]}]})),
    ] {
        let refused = api.post(path, body).await;
        assert_eq!((refused.status, refused.body["title"].as_str()), (403, Some("reserved name")), "{path}");
    }
}

#[tokio::test]
async fn an_entry_that_a_crash_kept_from_the_log_is_there_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1]).await;
    let tally = api.upload(module("tally")).await;
    deploy(&api, json!({"module": tally})).await;
    api.until_state("counts", 1, "ready").await;
    host.stop();
    // As if the host had died between its catalog and its log: the catalog knows an entry that the log does not have.
    let path = dir.path().join("projections.json");
    let mut catalog: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let record = &mut catalog["projections"]["counts"];
    let entry = json!({
        "number": 2, "id": "00000000-0000-4000-8000-000000000001",
        "kind": "$kinora.VersionPaused", "data": r#"{"version":1}"#,
    });
    record["entries"] = json!(2);
    record["unrecorded"].as_array_mut().unwrap().push(entry);
    catalog.as_object_mut().unwrap().remove("checksum").unwrap();
    std::fs::write(&path, catalog.to_string()).unwrap();
    for _ in 0..2 {
        let host = Host::start(dir.path());
        let api = host.api();
        api.until("projections/counts/history", |page| page["head"] == 1).await;
        assert_eq!(history(&api).await.len(), 2, "once, however often the host starts");
        host.stop();
    }
}

#[tokio::test]
async fn standby_versions_are_kept_as_the_projection_says_and_others_are_aborted_or_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1, 2, 3]).await;
    let tally = api.upload(module("tally")).await;
    deploy(&api, json!({"module": tally})).await;
    let set = api.send(api.client.patch(api.at("projections/counts")).json(&json!({"retain": 1}))).await;
    assert_eq!(set.body["retain"], json!(1));
    for version in 1..=4 {
        if version > 1 {
            deploy(&api, json!({"module": tally})).await;
        }
        api.until_state("counts", version, "ready").await;
        promote(&api, version, json!({})).await;
    }
    let status = api.get("projections/counts").await.body;
    let states: Vec<_> =
        status["versions"].as_array().unwrap().iter().map(|version| version["state"].clone()).collect();
    assert_eq!(states, ["retired", "retired", "standby", "live"]);
    assert!(!dir.path().join("read-models/counts/1").exists() && dir.path().join("read-models/counts/3").exists());
    assert_eq!(api.post("projections/counts/rollback", json!({})).await.body["live"], json!(3));

    let start = json!({"module": tally, "start": {"position": 2}});
    let part = deploy(&api, start).await;
    api.until_caught_up("counts", part).await;
    let row = api.get(&format!("read-models/counts/counts/a?version={part}")).await;
    assert_eq!(row.body["n"], json!(3), "what came before the start is left out");
    let again = api.post(&format!("projections/counts/versions/{part}/retry"), json!({})).await;
    assert_eq!(again.status, 200, "{again:?}");
    api.until_caught_up("counts", part).await;
    let row = api.get(&format!("read-models/counts/counts/a?version={part}")).await;
    assert_eq!(row.body["n"], json!(3), "and is left out again");
    assert_eq!(
        api.post("projections/counts/versions/3/retry", json!({})).await.status,
        409,
        "the live one has to answer"
    );
    assert_eq!(api.post("projections/counts/versions/4/abort", json!({})).await.status, 409, "it was live");
    let aborted = api.post(&format!("projections/counts/versions/{part}/abort"), json!({})).await;
    assert_eq!(aborted.body["versions"][4]["state"], "aborted", "{aborted:?}");
    assert!(!dir.path().join(format!("read-models/counts/{part}.1")).exists());
    // The same by time: from the moment of an event on, and from just behind it.
    let last = count(&api, "a", &[10]).await;
    let time =
        api.get(&format!("events?from={last}&limit=1")).await.body["events"][0]["time"].as_str().unwrap().to_owned();
    for (time, left) in [(time.clone(), 10), (time.replace('Z', "9Z"), 0)] {
        let part = deploy(&api, json!({"module": tally, "start": {"time": time}})).await;
        api.until_caught_up("counts", part).await;
        let row = api.get(&format!("read-models/counts/counts/a?version={part}")).await;
        assert_eq!(row.body["n"].as_u64().unwrap_or_default(), left, "from {time}: {row:?}");
        assert_eq!(api.post(&format!("projections/counts/versions/{part}/abort"), json!({})).await.status, 200);
    }
    let beyond = api.post("projections/counts/versions", json!({"module": tally, "start": {"position": 9_999}})).await;
    assert_eq!((beyond.status, beyond.body["title"].as_str()), (400, Some("start beyond end")));
}

#[tokio::test]
async fn a_fault_is_remembered_over_a_restart_and_old_rows_come_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let last = count(&api, "a", &[1, 2]).await;
    let hostile = api.upload(module("hostile")).await;
    deploy(&api, json!({"module": hostile})).await;
    api.until_state("counts", 1, "ready").await;
    promote(&api, 1, json!({})).await;
    api.post("streams/a/events", json!([{"type": "Fault", "data": {}}])).await;
    let fault = api.until_state("counts", 1, "faulted").await["fault"].clone();
    api.until("projections/counts/history", |page| {
        page["events"].as_array().unwrap().last().unwrap()["type"] == "$kinora.VersionFaulted"
    })
    .await;
    host.stop();

    let host = Host::start(dir.path());
    let api = host.api();
    let status = api.get("projections/counts/versions/1").await.body;
    assert_eq!((&status["state"], &status["fault"]), (&json!("faulted"), &fault), "it does not try again by itself");
    let refused = api.get("read-models/counts/counts/a").await;
    assert_eq!((refused.status, &refused.body["fault"]), (503, &fault), "{refused:?}");
    let listed = api.get("read-models/counts/counts").await;
    assert_eq!(listed.status, 503, "{listed:?}");

    let set = api.send(api.client.patch(api.at("projections/counts")).json(&json!({"on_fault": "stale"}))).await;
    assert_eq!(set.status, 200);
    let stale = api.text(api.client.get(api.at("read-models/counts/counts/a"))).await;
    assert_eq!(stale.status, 200);
    let warning = stale.header("warning");
    assert!(warning.starts_with("110 kinora \"stale") && stale.header("kinora-state") == "faulted", "{warning}");
    assert_eq!(stale.json()["n"], json!(3));
    let waited = api.get(&format!("read-models/counts/counts/a?min_position={}&timeout=0.05", last + 50)).await;
    assert_eq!(waited.status, 503, "old rows are no answer for who has read newer ones");
}

#[tokio::test]
async fn a_difference_can_be_seen_before_the_review_that_it_is_for() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1, 2]).await;
    let (hostile, tally) = (api.upload(module("hostile")).await, api.upload(module("tally")).await);
    deploy(&api, json!({"module": hostile})).await;
    api.until_state("counts", 1, "ready").await;
    promote(&api, 1, json!({})).await;
    let gates = json!({
        "reviewed": true, "ready_for_seconds": 3_600, "difference": {"*": {"added": 0}},
        "check": {"query": "enough", "arguments": {"at_least": 10}},
    });
    let version = deploy(&api, json!({"module": tally, "gates": gates})).await;
    api.until_caught_up("counts", version).await;
    assert!(!gate(&api, version, "reviewed").await.0 && !gate(&api, version, "ready_for").await.0);
    let (passed, why) = gate(&api, version, "difference").await;
    assert_eq!((passed, why.as_str()), (false, "1 rows added in counts, at most 0 may be"));
    assert_eq!(gate(&api, version, "check").await, (false, "enough answered false, not true".into()));
}

#[tokio::test]
async fn a_gate_that_can_never_open_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1]).await;
    let tally = api.upload(module("tally")).await;
    for difference in [json!({"count": {"added": 0}}), json!({"*": {}, "Counts": {"changed": 1}})] {
        for dry_run in [false, true] {
            let body = json!({"module": tally, "gates": {"difference": difference}, "dry_run": dry_run});
            let refused = api.post("projections/counts/versions", body).await;
            assert_eq!((refused.status, refused.body["title"].as_str()), (404, Some("unknown table")), "{refused:?}");
            assert!(refused.body["detail"].as_str().unwrap().contains("counts"), "it says what there is: {refused:?}");
        }
    }
    let body = json!({"module": tally, "gates": {"difference": {"counts": {"added": 0}}}});
    assert_eq!(api.post("projections/counts/versions", body).await.status, 202);
}

#[tokio::test]
async fn skips_are_handed_on_to_another_version_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let hostile = api.upload(module("hostile")).await;
    count(&api, "a", &[1]).await;
    deploy(&api, json!({"module": hostile})).await;
    api.until_state("counts", 1, "ready").await;
    for kind in ["Fault", "Strange"] {
        let bad = json!([{"type": kind, "data": {}}]);
        let position = api.post("streams/a/events", bad).await.body["first_position"].clone();
        api.until_state("counts", 1, "faulted").await;
        let skip = json!({"position": position, "reason": "a test booking"});
        assert_eq!(api.post("projections/counts/versions/1/skip", skip).await.status, 200);
        api.until_caught_up("counts", 1).await;
    }
    count(&api, "a", &[2]).await;
    let gaps = api.post("projections/counts/versions", json!({"module": hostile})).await;
    assert_eq!((gaps.status, gaps.body["title"].as_str()), (422, Some("gaps")), "{gaps:?}");
    let version = deploy(&api, json!({"module": hostile, "skips_of": 1})).await;
    let status = api.until_caught_up("counts", version).await;
    let skipped = status["skipped"].as_array().unwrap();
    assert_eq!((skipped.len(), &skipped[0]["reason"]), (2, &json!("a test booking")), "{status}");
    let row = api.get(&format!("read-models/counts/counts/a?version={version}")).await;
    assert_eq!(row.body["n"], 3);
    let nobody = api.post("projections/counts/versions", json!({"module": hostile, "skips_of": 9})).await;
    assert_eq!((nobody.status, nobody.body["title"].as_str()), (404, Some("unknown version")));
}
