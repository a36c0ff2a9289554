//! Upcasters over HTTP: renamed, split, dropped and chained events reach the projector in order; what goes wrong on the
//! way stops the version at that event.

use kinora_tests::{Api, Handwritten, Host, module};
use serde_json::{Value, json};

async fn append(api: &Api, events: Value) {
    let answer = api.post("streams/a/events", events).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn event(kind: &str, schema: u32, data: Value) -> Value {
    json!({"type": kind, "schema": schema, "data": data})
}

async fn deployed(api: &Api) {
    let (projector, upcaster) = (api.upload(module("hostile")).await, api.upload(module("renaming")).await);
    assert_eq!(api.deploy("counts", &projector, &[&upcaster]).await, 1);
}

#[tokio::test]
async fn old_events_are_renamed_split_dropped_and_chained() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let events = json!([
        event("Count", 1, json!({"n": 1})),
        event("Counted", 1, json!({"n": 10})),
        event("Many", 1, json!({"ns": [100, 200, 300]})),
        event("Many", 1, json!({"ns": []})),
        event("Text", 1, json!(1000)),
        event("Text", 2, json!({"number": "2000"})),
    ]);
    append(&api, events).await;
    deployed(&api).await;
    let status = api.until_state("counts", 1, "ready").await;
    assert!(status["checkpoint"].as_u64().unwrap() >= 5);
    append(&api, json!([event("Many", 1, json!({"ns": [5000]})), event("Many", 1, json!({"ns": []}))])).await;
    let row = api.get("read-models/counts/counts/a?version=1&min_position=8").await;
    assert_eq!(row.body["n"], 1 + 10 + 600 + 1000 + 2000 + 5000);
}

#[tokio::test]
async fn what_goes_wrong_in_an_upcaster_stops_the_version_there() {
    let cases = [
        (event("Text", 2, json!({"number": "seven"})), "fault", "\"seven\": invalid digit"),
        (event("Counted", 1, json!({"m": 1})), "fault", "missing field `n`"),
        (event("Forgotten", 2, json!({})), "fault", "neither changed nor dropped"),
    ];
    for (bad, category, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::start(dir.path());
        let api = host.api();
        append(&api, json!([event("Count", 1, json!({"n": 1})), event("Counted", 1, json!({"n": 2})), bad])).await;
        deployed(&api).await;
        let status = api.until_state("counts", 1, "faulted").await;
        let fault = &status["fault"];
        assert_eq!((&fault["position"], &fault["category"]), (&json!(2), &json!(category)), "{status}");
        assert!(fault["message"].as_str().unwrap().contains(words), "{status}");
        let row = api.get("read-models/counts/counts/a?version=1&stale=true").await;
        assert_eq!((row.position, &row.body["n"]), (Some(1), &json!(3)), "what came before is committed");
    }
}

#[tokio::test]
async fn a_dry_run_shows_what_upcasters_make_of_all_of_history_and_which_events_they_cannot_take() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let mut events = vec![event("Counted", 1, json!({"n": 1})); 3_000];
    events[2_500] = event("Counted", 1, json!({"m": 1}));
    events.push(event("Many", 1, json!({"ns": [100, 200]})));
    events.push(event("Many", 1, json!({"ns": []})));
    events.push(event("Text", 1, json!(1000)));
    events.push(event("Text", 2, json!({"number": "seven"})));
    events.push(event("Other", 1, json!({})));
    append(&api, json!(events)).await;
    let upcaster = api.upload(module("renaming")).await;
    let found = api.post("upcasters/dry-run", json!({"upcasters": [upcaster], "samples": 1})).await;
    assert_eq!(found.status, 200, "{found:?}");
    let of = |kind: &str, schema: u64| {
        let types = found.body["types"].as_array().unwrap();
        types.iter().find(|found| found["type"] == kind && found["schema"] == schema).unwrap().clone()
    };
    let counted = of("Counted", 1);
    assert_eq!((&counted["events"], &counted["failed"]), (&json!(3_000), &json!(1)));
    assert_eq!(counted["outputs"], json!({"Count schema 1": 2_999}));
    assert_eq!(counted["failures"][0]["position"], json!(2_500));
    let many = of("Many", 1);
    assert_eq!(
        (&many["events"], &many["dropped"], &many["outputs"]),
        (&json!(2), &json!(1), &json!({"Count schema 1": 2}))
    );
    let sample = &many["samples"][0];
    assert_eq!((&sample["before"], &sample["after"][1]["data"]), (&json!({"ns": [100, 200]}), &json!({"n": 200})));
    assert_eq!(of("Text", 1)["samples"][0]["after"][0]["data"], json!({"n": 1000}), "to the end of the chain");
    assert!(of("Text", 2)["failures"][0]["message"].as_str().unwrap().contains("seven"));
    assert_eq!(of("Forgotten", 2)["events"], 0);
    let projector = api.upload(module("hostile")).await;
    let wrong = api.post("upcasters/dry-run", json!({"upcasters": [projector]})).await;
    assert_eq!((wrong.status, wrong.body["title"].as_str()), (422, Some("wrong kind")));
}

#[tokio::test]
async fn projections_that_work_with_an_upcaster_follow_another_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    append(&api, json!([event("Counted", 1, json!({"n": 5}))])).await;
    let (projector, old) = (api.upload(module("hostile")).await, api.upload(module("renaming")).await);
    // The same upcaster with a byte more is another module: a custom section, which nobody reads.
    let new = api.upload([module("renaming"), vec![0, 2, 1, b'x']].concat()).await;
    api.deploy("counts", &projector, &[&old]).await;
    api.deploy("others", &projector, &[&old]).await;
    api.until_state("counts", 1, "ready").await;
    let uses = api.get(&format!("modules/{old}/uses")).await.body;
    assert_eq!((uses["uses"].as_array().unwrap().len(), &uses["uses"][0]["role"]), (2, &json!("upcaster")), "{uses}");
    api.post("projections/others/versions/1/abort", json!({})).await;

    let followed = api.post("upcasters/follow", json!({"upcaster": new, "replaces": old})).await;
    assert_eq!(followed.status, 200, "{followed:?}");
    let projections = followed.body["projections"].as_array().unwrap();
    assert_eq!((projections.len(), &projections[0]["version"]["version"]), (1, &json!(2)), "{projections:?}");
    let version = api.until_state("counts", 2, "ready").await;
    assert_eq!(version["upcasters"], json!([new]));
    let row = api.get("read-models/counts/counts/a?version=2").await;
    assert_eq!(row.body["n"], json!(5));
}

#[tokio::test]
async fn events_that_an_upcaster_has_no_step_for_never_enter_it() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let counts: Vec<Value> = (0..2_000).map(|n| event("Count", 1, json!({"n": n}))).collect();
    append(&api, json!(counts)).await;
    // It traps whatever it is called with.
    let (projector, upcaster) =
        (api.upload(module("hostile")).await, api.upload(Handwritten::trapping_upcaster("Old", "Count")).await);
    assert_eq!(api.deploy("counts", &projector, &[&upcaster]).await, 1);
    api.until_state("counts", 1, "ready").await;
    append(&api, json!(counts)).await;
    let row = api.get("read-models/counts/counts/a?version=1&min_position=3999").await;
    assert_eq!(row.body["n"], json!(2 * (0..2_000).sum::<u64>()), "{row:?}");
    append(&api, json!([event("Count", 1, json!({"n": 1})), event("Old", 1, json!({"n": 1}))])).await;
    let fault = api.until_state("counts", 1, "faulted").await["fault"].clone();
    assert!(fault["message"].as_str().unwrap().contains("unreachable"), "{fault}");
    let stream = api.get("streams/a/events?limit=1&direction=backwards").await.body;
    assert_eq!(fault["position"], stream["events"][0]["position"], "at the first event that it has a step for");
}
