//! Modules of another contract: refused at upload, and no reason not to open a folder that holds them.

use kinora_tests::{Handwritten, Host, module};
use kinora_types::Digest;
use serde_json::json;

fn of_the_contract_before() -> Vec<u8> {
    Handwritten { contract: "1.0.0", ..Handwritten::default() }.module()
}

#[tokio::test]
async fn a_module_of_another_contract_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let refused = api.send(api.client.post(api.at("modules")).body(of_the_contract_before())).await;
    assert_eq!((refused.status, refused.body["title"].as_str()), (422, Some("contract")), "{refused:?}");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("kinora:engine@1.0.0") && detail.contains("kinora:engine@2.0.0"), "{detail}");
    assert!(refused.body["hint"].as_str().unwrap().contains("anew"), "{refused:?}");
}

#[tokio::test]
async fn a_folder_with_modules_of_the_contract_before_opens_and_their_versions_say_why_they_stop() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let appended = api.post("streams/s/events", json!({"type": "Count", "data": {"n": 1}})).await;
    assert_eq!(appended.status, 201);
    let digest = api.upload(Handwritten::default().module()).await;
    for name in ["old", "other"] {
        let used = if name == "old" { digest.clone() } else { api.upload(module("hostile")).await };
        assert_eq!(api.deploy(name, &used, &[]).await, 1);
        api.until_state(name, 1, "ready").await;
        assert_eq!(api.post(&format!("projections/{name}/versions/1/promote"), json!({})).await.status, 200);
        api.until_caught_up(name, 1).await;
    }
    drop(host);

    // As a host of the contract before has left it.
    let wasm = of_the_contract_before();
    let before = Digest::of(&wasm).to_string();
    let (modules, projections) = (dir.path().join("modules"), dir.path().join("projections.json"));
    std::fs::rename(modules.join(&digest), modules.join(&before)).unwrap();
    std::fs::write(modules.join(&before).join("source.wasm"), &wasm).unwrap();
    let text = std::fs::read_to_string(&projections).unwrap();
    assert!(text.contains(&digest));
    let mut catalog: serde_json::Value = serde_json::from_str(&text.replace(&digest, &before)).unwrap();
    catalog.as_object_mut().unwrap().remove("checksum").unwrap();
    std::fs::write(&projections, catalog.to_string()).unwrap();

    let host = Host::start(dir.path());
    let api = host.api();
    // The compiler's process says so.
    let settled = |module: &serde_json::Value| module["state"] != "compiling";
    let kept = api.until(&format!("modules/{before}"), settled).await;
    assert_eq!(kept["state"], "refused");
    let faulted = api.until_state("old", 1, "faulted").await;
    let message = faulted["fault"]["message"].as_str().unwrap();
    assert!(message.contains("built for kinora:engine@1.0.0") && message.contains("build it anew"), "{faulted}");
    let asked = api.get("read-models/old/rows").await;
    assert_eq!((asked.status, asked.body["title"].as_str()), (503, Some("version faulted")), "{asked:?}");

    // Others go on, and one that is built anew takes over, with all that is in the log.
    assert_eq!(api.get("read-models/other/counts/s").await.body["n"], 1);
    let digest = api.upload(Handwritten::default().module()).await;
    assert_eq!(api.deploy("old", &digest, &[]).await, 2);
    api.until_state("old", 2, "ready").await;
    assert_eq!(api.post("projections/old/versions/2/promote", json!({})).await.status, 200);
    assert_eq!(api.get("read-models/old/rows").await.status, 200);
    drop(host);
    let host = Host::start(dir.path());
    let kept = host.api().until(&format!("modules/{before}"), settled).await;
    assert_eq!(kept["state"], "refused", "it is kept");
}
