//! Versions of a projection over HTTP: they come, are compared, go live in one step, go back, fault and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kinora_tests::{Answer, Api, Host, module, until};
use serde_json::{Value, json};

async fn count(api: &Api, stream: &str, ns: &[u64]) -> Answer {
    let events: Vec<Value> = ns.iter().map(|n| json!({"type": "Count", "data": {"n": n}})).collect();
    let answer = api.post(&format!("streams/{stream}/events"), json!(events)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

#[tokio::test]
async fn a_version_replays_goes_live_follows_the_log_and_gives_way_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1, 2]).await;
    count(&api, "b", &[10]).await;

    let digest = api.upload(module("hostile")).await;
    assert_eq!(api.deploy("counts", &digest, &[]).await, 1);
    // The log also has what the host has to say: that a version was deployed.
    let status = api.until_caught_up("counts", 1).await;
    assert_eq!((status["checkpoint"].clone(), status["state"].clone()), (json!(3), json!("ready")));
    let unpromoted = api.get("read-models/counts/counts/a").await;
    assert_eq!((unpromoted.status, unpromoted.body["title"].as_str()), (409, Some("nothing live")));
    assert_eq!(
        api.post("projections/counts/versions/1/promote", Value::Null).await.status,
        400,
        "null is no promotion"
    );
    let promoted = api.post("projections/counts/versions/1/promote", json!({})).await;
    assert_eq!((promoted.status, promoted.body["live"].clone()), (200, json!(1)));

    let row = api.get("read-models/counts/counts/a?min_position=4").await;
    assert_eq!(row, Answer { status: 200, version: Some(1), position: Some(4), body: json!({"n": 3, "filler": ""}) });
    let position = count(&api, "a", &[4]).await.body["last_position"].as_u64().unwrap();
    let row = api.get(&format!("read-models/counts/counts/a?min_position={position}")).await;
    assert_eq!((row.position, row.body["n"].clone()), (Some(5), json!(7)), "it reads its own writes");
    let late = api.get("read-models/counts/counts/a?min_position=99&timeout=0.05").await;
    assert_eq!((late.status, late.body["position"].clone()), (503, json!(5)));

    let listed = api.get("read-models/counts/counts?order=n.desc&n=gt.7").await;
    assert_eq!(listed.body, json!({"rows": [{"key": "b", "row": {"n": 10, "filler": ""}}], "next": null}));
    let refused = api.get("read-models/counts/counts?filler=near.x").await;
    assert_eq!((refused.status, refused.body["title"].as_str()), (400, Some("invalid filter")));
    let total = api.get("read-models/counts/queries/loop").await;
    assert_eq!((total.status, total.body["title"].as_str()), (500, Some("query stopped")));

    assert_eq!(api.deploy("counts", &digest, &[]).await, 2);
    api.until_caught_up("counts", 2).await;
    let diff = api.get("projections/counts/diff?from=1&to=2").await.body;
    assert_eq!((diff["position"].clone(), diff["tables"][0]["unchanged"].clone()), (json!(6), json!(2)));
    let stale = api.post("projections/counts/versions/2/promote", json!({"expected_live": 2})).await;
    assert_eq!((stale.status, stale.body["live"].clone()), (409, json!(1)));
    let promoted = api.post("projections/counts/versions/2/promote", json!({"expected_live": 1})).await;
    assert_eq!((promoted.body["live"].clone(), promoted.body["previous"].clone()), (json!(2), json!(1)));
    assert_eq!(promoted.body["versions"][0]["state"], "standby");

    count(&api, "a", &[1]).await;
    api.until_caught_up("counts", 1).await;
    let back = api.post("projections/counts/rollback", json!({})).await;
    assert_eq!((back.status, back.body["live"].clone()), (200, json!(1)));
    let row = api.get("read-models/counts/counts/a").await;
    assert_eq!((row.version, row.body["n"].clone()), (Some(1), json!(8)), "the standby kept projecting");

    let metrics = api.metrics().await;
    for line in [
        "kinora_log_events 10",
        r#"kinora_version_live{projection="counts",version="1"} 1"#,
        r#"kinora_version_state{projection="counts",version="2",state="standby"} 1"#,
        r#"kinora_http_requests_total{route="/v1/projections/{name}/rollback",method="POST",status="200"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert_eq!(api.readiness().await.status, 200);

    let live = api.post("projections/counts/versions/1/retire", json!({})).await;
    assert_eq!((live.status, live.body["title"].as_str()), (409, Some("wrong state")));
    let retired = api.post("projections/counts/versions/2/retire", json!({})).await;
    assert_eq!((retired.status, retired.body["previous"].clone()), (200, Value::Null));
    assert!(!dir.path().join("read-models/counts/2").exists());
    let in_use = api.delete(&format!("modules/{digest}")).await;
    assert_eq!((in_use.status, in_use.body["title"].as_str()), (409, Some("module in use")));
}

#[tokio::test]
async fn everything_is_as_it_was_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1, 2]).await;
    let digest = api.upload(module("hostile")).await;
    api.deploy("counts", &digest, &[]).await;
    api.until_state("counts", 1, "ready").await;
    api.post("projections/counts/versions/1/promote", json!({})).await;
    api.deploy("counts", &digest, &[]).await;
    api.until_state("counts", 2, "ready").await;
    api.post("projections/counts/versions/2/pause", json!({})).await;
    host.stop();

    let host = Host::start(dir.path());
    let api = host.api();
    let first = api.get("read-models/counts/counts/a").await;
    assert_eq!((first.status, first.version), (200, Some(1)), "it answers from its first moment on: {first:?}");
    let last = count(&api, "a", &[3]).await.body["last_position"].as_u64().unwrap();
    api.until_state("counts", 1, "live").await;
    api.until_state("counts", 2, "paused").await;
    let row = api.get(&format!("read-models/counts/counts/a?min_position={last}")).await;
    assert_eq!((row.version, row.body["n"].clone()), (Some(1), json!(6)));
    let paused = api.get("read-models/counts/counts/a?version=2&stale=true").await;
    assert!(paused.position.unwrap() < last && paused.body["n"] == 3, "{paused:?}");
    api.post("projections/counts/versions/2/resume", json!({})).await;
    api.until_caught_up("counts", 2).await;
    let resumed = api.get("read-models/counts/counts/a?version=2").await;
    assert!(resumed.position.unwrap() >= last && resumed.body["n"] == 6, "{resumed:?}");
}

#[tokio::test]
async fn an_event_that_cannot_be_handled_stops_its_version_with_all_before_it_committed() {
    for kind in ["Panic", "Fault", "Loop", "Large", "Grow"] {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::start(dir.path());
        let api = host.api();
        let digest = api.upload(module("hostile")).await;
        count(&api, "a", &[1, 2]).await;
        for version in [1, 2] {
            api.deploy("counts", &digest, &[]).await;
            api.until_state("counts", version, "ready").await;
        }
        api.post("projections/counts/versions/1/promote", json!({})).await;
        let events = json!([
            {"type": "Count", "data": {"n": 4}}, {"type": kind, "data": {}}, {"type": "Count", "data": {"n": 8}}
        ]);
        let appended = api.post("streams/a/events", events).await;
        let bad = appended.body["first_position"].as_u64().unwrap() + 1;
        for _ in 0..2 {
            let status = api.until_state("counts", 1, "faulted").await;
            let fault = &status["fault"];
            assert_eq!((&fault["position"], &fault["event_type"]), (&json!(bad), &json!(kind)), "{status}");
            assert_eq!(status["checkpoint"], json!(bad - 1));
            let refused = api.get("read-models/counts/counts/a").await;
            assert_eq!((refused.status, refused.body["title"].as_str()), (503, Some("version faulted")), "{refused:?}");
            assert_eq!((&refused.body["state"], &refused.body["fault"]), (&json!("faulted"), fault));
            let row = api.get("read-models/counts/counts/a?stale=true").await;
            assert_eq!((row.version, row.body["n"].clone()), (Some(1), json!(7)), "{kind}: all before it is there");
            assert_eq!(api.readiness().await.status, 503);
            // It starts from its checkpoint, and stops where it stopped.
            api.post("projections/counts/versions/1/resume", json!({})).await;
        }
        api.until_state("counts", 2, "faulted").await;
        let refused = api.post("projections/counts/versions/2/promote", json!({})).await;
        assert_eq!((refused.status, refused.body["state"].clone()), (409, json!("faulted")));
    }
}

#[tokio::test]
async fn a_type_or_schema_that_nobody_knows_is_a_fault_never_a_skip() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    count(&api, "a", &[1]).await;
    api.deploy("counts", &digest, &[]).await;
    api.until_state("counts", 1, "ready").await;
    let events = json!([{"type": "Count", "data": {"n": 2}}, {"type": "Count", "schema": 2, "data": {}}]);
    let bad = api.post("streams/a/events", events).await.body["last_position"].clone();
    let status = api.until_state("counts", 1, "faulted").await;
    let fault = &status["fault"];
    assert_eq!((&fault["category"], &fault["position"], &fault["schema"]), (&json!("unknown-event"), &bad, &json!(2)));
    assert!(fault["message"].as_str().unwrap().contains("schema 1 only"), "{fault}");
    assert_eq!(status["checkpoint"], json!(bad.as_u64().unwrap() - 1), "what came before is there");

    let refused = api.post("projections/counts/versions", json!({"module": digest})).await;
    assert_eq!((refused.status, refused.body["title"].as_str()), (422, Some("gaps")), "found before anything runs");
    let gap = &refused.body["gaps"][0];
    assert_eq!((&gap["type"], &gap["schema"], &gap["count"]), (&json!("Count"), &json!(2), &json!(1)), "{refused:?}");
    assert_eq!(gap["first_position"], bad);
    assert!(gap["why"].as_str().unwrap().contains("schema 1 only"), "{gap}");
    assert_eq!(api.get("projections/counts").await.body["versions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn wrong_requests_get_a_problem_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    count(&api, "a", &[1, 2, 3]).await;
    api.deploy("counts", &digest, &[]).await;
    api.until_state("counts", 1, "ready").await;
    api.post("projections/counts/versions/1/promote", json!({})).await;
    let unknown = "0".repeat(64);

    let gets = [
        ("read-models/nobody/counts/a", 404, "unknown projection"),
        ("read-models/counts/nothing/a", 404, "unknown table"),
        ("read-models/counts/counts/nobody", 404, "unknown row"),
        ("read-models/counts/counts/a?version=9", 404, "unknown version"),
        ("read-models/counts/counts/a?colour=blue", 400, "invalid parameter"),
        ("read-models/counts/counts?n=5", 400, "invalid filter"),
        ("read-models/counts/counts?n=near.5", 400, "invalid filter"),
        ("read-models/counts/counts?order=filler[]", 400, "invalid order"),
        ("read-models/counts/counts?order=n.desc,,key.asc", 400, "invalid order"),
        ("read-models/counts/counts?limit=0", 400, "invalid parameter"),
        ("read-models/counts/counts?cursor=00", 400, "invalid cursor"),
        ("read-models/counts/queries/nothing", 404, "unknown query"),
        ("read-models/counts/queries/total?arguments=5", 400, "invalid arguments"),
        ("projections/nobody", 404, "unknown projection"),
        ("projections/counts/versions/x", 400, "invalid version"),
        ("projections/counts/diff?from=1&to=7", 404, "unknown version"),
        ("projections/counts/diff?from=1", 400, "invalid parameter"),
        ("modules/xyz", 400, "invalid digest"),
        (&format!("modules/{unknown}"), 404, "unknown module"),
    ];
    for (path, status, title) in gets {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.body["title"].as_str()), (status, Some(title)), "{path}: {answer:?}");
        assert!(answer.body["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{path}: {answer:?}");
    }
    let posts = [
        ("projections/counts/versions", json!({"module": unknown}), 404, "unknown module"),
        ("projections/counts/versions", json!({"module": digest, "colour": 1}), 400, "invalid json"),
        ("projections/counts/versions", json!({"module": digest, "upcasters": [digest]}), 422, "wrong kind"),
        ("projections/a%20b/versions", json!({"module": digest}), 400, "invalid name"),
        ("projections/counts/rollback", json!({}), 409, "nothing to roll back to"),
        ("projections/counts/versions/1/retire", json!({}), 409, "wrong state"),
        ("projections/nobody/rollback", json!({}), 404, "unknown projection"),
        ("modules", json!("hello"), 400, "not wasm"),
    ];
    for (path, body, status, title) in posts {
        let answer = api.post(path, body).await;
        assert_eq!((answer.status, answer.body["title"].as_str()), (status, Some(title)), "{path}: {answer:?}");
    }
    let status = api.get("projections/counts").await.body;
    assert_eq!(status["versions"].as_array().unwrap().len(), 1, "nothing was half done");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_fails_or_is_mixed_while_traffic_moves_back_and_forth() {
    const EVENTS: u64 = 21;
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    count(&api, "a", &[1]).await;
    let digest = api.upload(module("hostile")).await;
    for version in [1, 2] {
        api.deploy("counts", &digest, &[]).await;
        api.until_state("counts", version, "ready").await;
    }
    api.post("projections/counts/versions/1/promote", json!({})).await;
    let stop = Arc::new(AtomicBool::new(false));
    let all_seen = Arc::new(AtomicUsize::new(0));
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let (api, stop, all_seen) = (api.clone(), Arc::clone(&stop), Arc::clone(&all_seen));
            tokio::spawn(async move {
                let (mut versions, mut seen) = (Vec::new(), 0);
                while !stop.load(Ordering::Relaxed) {
                    let answer = api.get("read-models/counts/counts/a").await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let n = answer.body["n"].as_u64().unwrap();
                    if n > seen && n == EVENTS {
                        all_seen.fetch_add(1, Ordering::Relaxed);
                    }
                    seen = seen.max(n);
                    versions.push(answer.version.unwrap());
                }
                versions.dedup();
                versions
            })
        })
        .collect();
    let mut live = 1;
    for _ in 1..EVENTS {
        count(&api, "a", &[1]).await;
        live = 3 - live;
        let moved = api.post(&format!("projections/counts/versions/{live}/promote"), json!({})).await;
        assert_eq!(moved.body["live"], json!(live));
        let row = api.get("read-models/counts/counts/a").await;
        assert_eq!(row.version, Some(live), "what was answered after the switch comes from after the switch");
    }
    until("the last event", async || all_seen.load(Ordering::Relaxed) == asking.len()).await;
    stop.store(true, Ordering::Relaxed);
    for client in asking {
        let versions = client.await.unwrap();
        assert!(versions.len() > 3, "{versions:?}");
    }
}

#[tokio::test]
async fn what_openapi_describes_is_there_and_is_what_the_guide_lists() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let document = api.send(api.client.get(format!("{}/openapi.json", api.url))).await.body;
    let paths = document["paths"].as_object().unwrap();
    for (path, operations) in paths {
        let filled = path.replace("{version}", "1").replace(['{', '}'], "");
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            let found = api.send(api.client.request(method, format!("{}{filled}", api.url))).await.body;
            assert!(
                !["unknown route", "wrong method"].contains(&found["title"].as_str().unwrap_or_default()),
                "{path}: {found}"
            );
        }
    }
    let guide = include_str!("../../host/docs/http.md");
    for path in ["/v1/transactions", "/v1/modules", "/v1/limits", "/healthz", "/readyz", "/metrics"] {
        assert!(guide.contains(path) && paths.contains_key(path), "{path}");
    }
    for segment in ["gates", "review", "promote", "pause", "resume", "retry", "abort", "retire"] {
        assert!(paths.contains_key(&format!("/v1/projections/{{name}}/versions/{{version}}/{segment}")), "{segment}");
    }
    // The guide has a row for each operation, and for no other.
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut listed: Vec<String> = rows.map(|(row, _)| row.to_owned()).filter(|row| row.contains(" /")).collect();
    let operations = |(path, operations): (&String, &Value)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(|method| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
    };
    let mut described: Vec<String> = paths.iter().flat_map(operations).collect();
    listed.sort();
    described.sort();
    assert_eq!(listed, described);
    // Every reference leads somewhere.
    for reference in document.to_string().split("\"#/components/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document.pointer(&format!("/components/{name}")).is_some(), "{name}");
    }
}
