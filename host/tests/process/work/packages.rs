//! Packages: what alerts and dashboards ask for is there, and the unit runs what the program takes.

use std::collections::BTreeSet;

use kinora_tests::{Program, module};
use serde_json::json;

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c: char| !is_part(c)).filter(|word| word.starts_with("kinora_"));
    words.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_the_dashboard_ask_for_metrics_that_a_host_has() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    let digest = api.upload(module("tally")).await;
    api.deploy_live("counts", &digest).await;
    api.decider_live("counters", module("counters")).await;
    assert_eq!(api.command("counters", "1", "Add", json!({"n": 1})).await.status, 200);
    let shown = metrics(&api.metrics().await);
    let guide = metrics(include_str!("../../../docs/guides/operate.md"));
    for text in [include_str!("../../../packaging/alerts.yml"), include_str!("../../../packaging/dashboard.json")] {
        let asked = metrics(text);
        assert!(asked.len() > 5, "{asked:?}");
        // What is counted shows once it is more than nothing.
        let missing: Vec<_> = asked.difference(&shown).filter(|name| !guide.contains(*name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    serde_json::from_str::<serde_json::Value>(include_str!("../../../packaging/dashboard.json")).unwrap();
}

#[test]
fn the_unit_and_the_container_start_the_program_as_it_is_started() {
    let help = std::process::Command::new(Program::path()).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let unit = include_str!("../../../packaging/kinora.service");
    let container = include_str!("../../../packaging/Containerfile");
    let started = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/kinora serve ")).unwrap();
    let command = container.lines().find_map(|line| line.strip_prefix("CMD [\"serve\", ")).unwrap();
    let options = [started, command].into_iter().flat_map(|text| text.split([' ', '"', ',']));
    let options: Vec<_> = options.filter(|word| word.starts_with("--")).collect();
    assert!(options.len() > 3, "{options:?}");
    for option in options {
        assert!(help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")), "{option}");
    }
    // With what stands behind `#`, too: somebody may take it in.
    let settings = include_str!("../../../packaging/kinora.toml");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("kinora.toml");
    let is_setting =
        |line: &&str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    let lines = settings.lines().map(|line| line.trim_start_matches("# ")).filter(is_setting);
    let all: Vec<&str> = lines.collect();
    assert!(all.len() > 8, "{all:?}");
    std::fs::write(&file, all.join("\n")).unwrap();
    let shown = std::process::Command::new(Program::path()).arg("config").arg("--config").arg(&file).output().unwrap();
    let (said, noted) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(shown.status.success() && said.contains("/etc/kinora/host.pem"), "{said}{noted}");
}
