//! Modules that were built for the contract in its second version, at some time: every later host runs them.

use std::collections::BTreeMap;
use std::path::Path;

use kinora_tests::Host;
use serde_json::{Value, json};

/// One a world and language; of those in Python, which are large, a projector alone.
const KEPT: &str = "data/contract-2";

/// The modules that are kept, by the name of their file.
fn kept() -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(Path::new(KEPT)).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".wasm.zst").unwrap().to_owned();
            (name, zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_that_were_built_for_this_contract_before_still_run() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let mut digests = BTreeMap::new();
    for (name, wasm) in kept().into_iter().filter(|(name, _)| !name.starts_with("decider-")) {
        let digest = api.upload(wasm).await;
        let module = api.get(&format!("modules/{digest}")).await.body;
        assert_eq!(Some(module["kind"].as_str().unwrap()), name.split('-').next(), "{name}");
        digests.insert(name, digest);
    }
    let names: Vec<&str> = digests.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["projector-javascript", "projector-python", "projector-rust", "upcaster-javascript", "upcaster-rust"]
    );
    let local = json!({
        "carrier": "UA", "flight": 1545, "origin": "EWR", "dest": "IAH", "date": "2013-01-01", "sched_dep_time": 515,
        "dep_time": 517, "delay_minutes": 2,
    });
    let appended = api.post("streams/s/events", json!({"type": "FlightDeparted", "data": local})).await;
    assert_eq!(appended.status, 201, "{appended:?}");
    for (name, projector) in digests.iter().filter(|(name, _)| name.starts_with("projector-")) {
        api.deploy(name, projector, &[&digests["upcaster-rust"]]).await;
        api.until_state(name, 1, "ready").await;
        let rows: BTreeMap<String, Value> = api.rows(name, "carriers", 1).await.into_iter().collect();
        assert_eq!((&rows["UA"]["departed"], &rows["UA"]["mean_departure_delay"]), (&json!(1), &json!(2.0)), "{name}");
    }
    let old = json!({"type": "Text", "data": 7});
    assert_eq!(api.post("streams/t/events", old).await.status, 201);
    let run = api.post("upcasters/dry-run", json!({"upcasters": [digests["upcaster-javascript"]], "samples": 1})).await;
    let types = run.body["types"].as_array().unwrap();
    let text = types.iter().find(|found| found["type"] == "Text" && found["schema"] == 1).unwrap();
    assert_eq!(text["samples"][0]["after"][0]["data"], json!({"n": 7}), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deciders_that_were_built_for_this_contract_before_still_decide() {
    let deciders: Vec<_> = kept().into_iter().filter(|(name, _)| name.starts_with("decider-")).collect();
    assert_eq!(deciders.len(), 2);
    for (name, wasm) in deciders {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::start(dir.path());
        let api = host.api();
        api.decider_live("seats", wasm).await;
        let open = json!({"title": "A", "seats": 2, "price": 1.5});
        assert_eq!(api.command("seats", "a", "Open", open).await.status, 200, "{name}");
        let booked = api.command("seats", "a", "Book", json!({"guest": "g", "seats": 2})).await;
        assert_eq!(booked.body["events"][0]["data"]["paid"], json!(3.0), "{name}: {booked:?}");
        let refused = api.command("seats", "a", "Book", json!({"guest": "g", "seats": 1})).await;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("sold_out")), "{name}");
        assert!(api.state_of("seats", "a").await["left"] == 0, "{name}");
    }
}
