//! Modules that were built for the contract in its second version, at some time: every later host runs them.

use std::collections::BTreeMap;
use std::path::Path;

use kinora_tests::Host;
use serde_json::{Value, json};

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
    for (name, wasm) in kept() {
        let digest = api.upload(wasm).await;
        let module = api.get(&format!("modules/{digest}")).await.body;
        assert_eq!(Some(module["kind"].as_str().unwrap()), name.split('-').next(), "{name}");
        digests.insert(name, digest);
    }
    let local = json!({
        "carrier": "UA", "flight": 1545, "origin": "EWR", "dest": "IAH", "date": "2013-01-01", "sched_dep_time": 515,
        "dep_time": 517, "delay_minutes": 2,
    });
    let appended = api.post("streams/s/events", json!({"type": "FlightDeparted", "data": local})).await;
    assert_eq!(appended.status, 201, "{appended:?}");
    let upcaster = &digests["upcaster-rust"];
    let projectors: Vec<_> = digests.iter().filter(|(name, _)| name.starts_with("projector-")).collect();
    assert!(projectors.len() >= 2, "{projectors:?}");
    for (name, projector) in projectors {
        api.deploy(name, projector, &[upcaster]).await;
        api.until_state(name, 1, "ready").await;
        let rows: BTreeMap<String, Value> = api.rows(name, "carriers", 1).await.into_iter().collect();
        assert_eq!((&rows["UA"]["departed"], &rows["UA"]["mean_departure_delay"]), (&json!(1), &json!(2.0)), "{name}");
    }
}
