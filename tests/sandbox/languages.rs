//! Guests in other languages: the same rows as the one in Rust, byte for byte, and faults that name the place.

mod conforming;
mod unruly;

use std::sync::Arc;

use flights::{Feed, Timeline};
use kinora_tests::{Api, Host, module, module_in};

/// The first version of the flights' projector, in each language but Rust.
const GUESTS: [(&str, &str); 2] = [("javascript", "ontime-js"), ("python", "ontime-python")];

/// Some days of flights.
const EVENTS: usize = 20_000;

/// All rows of a table, as they were written.
async fn written(api: &Api, projection: &str, table: &str) -> String {
    let path = format!("read-models/{projection}/{table}?version=1&limit=1000&stale=true");
    let answer = api.text(api.client.get(api.at(&path))).await;
    assert!(answer.status == 200 && answer.text.contains(r#""next":null"#), "{answer:?}");
    answer.text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_projector_in_three_languages_writes_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let feed = Feed { limit: EVENTS, ..Feed::new(&host.url) };
    feed.run(Arc::new(Timeline::load().unwrap()), |_| {}).await.unwrap();
    let upcaster = api.upload(module("departures")).await;
    let projector = api.upload(module("ontime-v1")).await;
    api.deploy("ontime-rust", &projector, &[&upcaster]).await;
    api.until_state("ontime-rust", 1, "ready").await;
    for (language, name) in GUESTS {
        let Some(wasm) = module_in(language, name) else { continue };
        let projector = api.upload(wasm).await;
        api.deploy(name, &projector, &[&upcaster]).await;
        api.until_state(name, 1, "ready").await;
        for table in ["carriers", "airports", "routes"] {
            let rust = written(&api, "ontime-rust", table).await;
            assert!(rust.contains(r#""flights":"#), "{rust}");
            assert_eq!(written(&api, name, table).await, rust, "{language} {table}");
        }
    }
}

#[tokio::test]
async fn a_module_with_more_parts_than_it_may_have_is_told_which_limit_that_is() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start_with_limits(dir.path(), &["sandbox.instances=1"]);
    let api = host.api();
    let answer = api.send(api.client.post(api.at("modules")).body(module("tally"))).await;
    let digest = answer.body["digest"].as_str().unwrap().to_owned();
    let status = api.until(&format!("modules/{digest}"), |module| module["state"] != "compiling").await;
    let why = status["error"].to_string();
    assert!(
        why.contains("the limit sandbox.instances is 1") && why.contains("--limit sandbox.instances=N"),
        "{status}"
    );
}
