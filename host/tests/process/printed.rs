//! The text that the program prints, compared with what was reviewed: the help of each command, and what people read
//! most.
//!
//! A change shows as a difference in `snapshots/`. `INSTA_UPDATE=always` takes it over.

use std::process::Command;

use kinora_tests::{Host, Program, module_path};
use serde_json::json;

/// What differs from run to run: moments, digests, cursors, addresses, positions among the events of a host, how far a
/// version has come while somebody waits for it.
pub const CHANGING: [(&str, &str); 9] = [
    // As wide as the moments are.
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z? *", "TIME  "),
    (r"(position  at) +", "${1}    "),
    (r"\b[0-9a-f]{12,64}\b", "DIGEST"),
    (r"127\.0\.0\.1:\d{4,5}", "HOST"),
    (r"(position:? )\d+", "${1}N"),
    (r"\d+ events behind", "N events behind"),
    (r"(?m)^(counts|club) \d: .*\n", ""),
    (r"(--cursor )\S+", "${1}CURSOR"),
    (" +\n", "\n"),
];

/// The exit code, and what went to stdout and to stderr.
pub fn printed(url: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(Program::path());
    command.args(arguments).env("KINORA_URL", url).env("COLUMNS", "80").env("KINORA_ACTOR", "ada");
    let output = command.output().unwrap();
    let [said, noted] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let line = format!("$ kinora {}\n", arguments.join(" "));
    let code = output.status.code().unwrap();
    [line, said, noted, if code == 0 { String::new() } else { format!("exit code {code}\n") }].concat()
}

/// The help of a command and of all commands below it.
pub fn helps(command: &[&str], found: &mut Vec<String>) {
    let help = printed("http://127.0.0.1:7070", &[command, &["--help"]].concat());
    let below = help.split("\nCommands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap();
    let names = below.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<_> =
        names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    found.push(help.clone());
    for name in names {
        helps(&[command, &[name]].concat(), found);
    }
}

#[test]
fn every_command_says_what_it_is_for() {
    let mut found = Vec::new();
    helps(&[], &mut found);
    assert!(found.len() > 25, "{} commands", found.len());
    insta::assert_snapshot!("help", found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_reads_as_it_was_reviewed() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let (hostile, tally) = (module_path("hostile"), module_path("tally"));
    let (hostile, tally) = (hostile.to_str().unwrap(), tally.to_str().unwrap());
    let steps: [&[&str]; 18] = [
        &["append", "a", "--type", "Count", "--data", r#"{"n":4}"#],
        &["append", "b", "--type", "Count", "--data", r#"{"n":3}"#, "--expect", "no-stream"],
        &["append", "b", "--type", "Count", "--data", r#"{"n":3}"#, "--expect", "no-stream"],
        &["tail"],
        &["deploy", "counts", "--module", hostile, "--wait"],
        &["query", "counts", "counts"],
        &["promote", "counts"],
        &["query", "counts", "counts", "--order", "n.desc"],
        &["query", "counts", "counts", "a"],
        &["query", "counts", "counts", "--filter", "n=gte.4", "-o", "json"],
        &["deploy", "counts", "--module", tally, "--wait", "--reviewed"],
        &["gates", "counts"],
        &["promote", "counts"],
        &["review", "counts", "2", "--reason", "the new fields are right"],
        &["promote", "counts"],
        &["diff", "counts", "--from", "1"],
        &["rollback", "counts"],
        &["history", "counts"],
    ];
    let mut text = String::new();
    for step in steps {
        text += &printed(&host.url, step).replace(hostile, "hostile.wasm").replace(tally, "tally.wasm");
        text.push('\n');
    }
    let api = host.api();
    api.until_caught_up("counts", 1).await;
    api.until_caught_up("counts", 2).await;
    assert_eq!(api.post("streams/a/events", json!([{"type": "Fault", "data": {}}])).await.status, 201);
    api.until_state("counts", 1, "faulted").await;
    text += &printed(&host.url, &["query", "counts", "counts", "a"]);
    text += &printed("http://127.0.0.1:9", &["status"]);
    insta::with_settings!({filters => CHANGING.to_vec()}, { insta::assert_snapshot!("rollout", text) });
}
