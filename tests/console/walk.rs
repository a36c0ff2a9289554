//! Walk through the console in a real browser: Debian's Chromium, driven by Playwright. Whoever has none is told how to
//! get one; nothing is passed over.

use std::path::PathBuf;
use std::process::Command;

use kinora_tests::{Host, module, module_path};
use serde_json::json;

use crate::stage::{count, set};

/// Where `.setup/browser` puts what the walk needs besides a browser.
fn tools() -> PathBuf {
    let target = module_path("tally").ancestors().nth(2).unwrap().to_owned();
    target.join("browser")
}

/// Runs a script of the walk, which prints what it does, and has to end well.
fn walk(script: &str, arguments: &[&str]) {
    let tools = tools();
    let is_there = tools.join("node_modules/playwright-core").exists();
    assert!(
        is_there,
        "the browser walk needs Chromium, Node.js and Playwright: run .setup/browser (as root on Debian)"
    );
    let script = PathBuf::from("console/browser").join(script);
    let output = Command::new("node").arg(&script).arg(&tools).args(arguments).output();
    let output = output.expect("Node.js starts: run .setup/browser");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_clicking_one_deploys_compares_promotes_rolls_back_mends_finds_and_asks() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    set(&api).await;
    let url = host.url.clone();
    let [projector, decider] = ["hostile", "accounts"].map(|name| module_path(name).to_str().unwrap().to_owned());
    tokio::task::spawn_blocking(move || walk("walk.mjs", &[&url, &projector, &decider])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_has_a_serious_fault_of_accessibility_or_more_weight_than_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    set(&api).await;
    let rules = api.upload(module("accounts")).await;
    assert_eq!(api.deploy_decider("bank", &rules).await, 2);
    // Another projection that has stopped.
    count(&api, "bad", &[1]).await;
    let digest = api.upload(module("hostile")).await;
    api.deploy_live("stopped", &digest).await;
    assert_eq!(api.post("streams/bad/events", json!({"type": "Panic", "data": {}})).await.status, 201);
    api.until_state("stopped", 1, "faulted").await;
    let url = host.url.clone();
    tokio::task::spawn_blocking(move || walk("axe.mjs", &[&url])).await.unwrap();
}
