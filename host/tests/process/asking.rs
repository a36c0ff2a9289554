//! Questions on the command line: all that HTTP takes, as tables, as JSON and as the host writes it.

use std::collections::BTreeSet;

use kinora_tests::{Host, module_path};
use serde_json::{Value, json};

use crate::printed::{CHANGING, printed};

/// Headers and paths that are no options: what a session or a cache knows is of no use to a command that ends.
const NO_OPTIONS: [&str; 3] = ["Kinora-Session", "If-None-Match", "Last-Event-ID"];

/// The options that a command names in its help.
fn options(command: &str) -> BTreeSet<String> {
    let help = printed("http://127.0.0.1:7070", &[command, "--help"]);
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    lines.filter_map(|line| line.split(' ').find(|word| word.starts_with("--"))).map(str::to_owned).collect()
}

/// The parameters of an operation that stand in its query or in a header.
fn parameters(operation: &str) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(include_str!("../../crates/server/openapi.json")).unwrap();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let found = operations.filter(|found| found["operationId"] == operation).flat_map(|found| {
        let parameters = found["parameters"].as_array().unwrap().iter().filter(|parameter| parameter["in"] != "path");
        parameters.map(|parameter| parameter["name"].as_str().unwrap().to_owned())
    });
    let found: BTreeSet<_> = found.filter(|name| !NO_OPTIONS.contains(&&**name)).collect();
    assert!(!found.is_empty(), "{operation}");
    found
}

#[test]
fn each_parameter_of_a_query_has_an_option() {
    let known = options("query");
    for operation in ["read_model", "rows", "row", "named_query"] {
        for parameter in parameters(operation) {
            let option = match &*parameter {
                "Prefer" => "--count".to_owned(),
                name => format!("--{}", name.replace('_', "-")),
            };
            assert!(known.contains(&option), "{operation}: {parameter} has no {option} among {known:?}");
        }
    }
}

#[test]
fn each_parameter_of_reading_the_log_has_an_option() {
    let known = options("tail");
    for parameter in parameters("read_log") {
        let option = match &*parameter {
            "from" => "--after".to_owned(),
            "direction" => "--backwards".to_owned(),
            "stream_prefix" => "--prefix".to_owned(),
            name => format!("--{}", name.replace('_', "-")),
        };
        assert!(known.contains(&option), "{parameter} has no {option} among {known:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_http_takes_is_asked_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    for (stream, name, tags) in
        [("m-1", "Ada", ["gold", "chess"]), ("m-2", "Bo", ["gold", "go"]), ("m-3", "Cy", ["x", "y"])]
    {
        let joined = json!([{"type": "Joined", "data": {"name": name, "mail": null, "tags": tags}}]);
        assert_eq!(api.post(&format!("streams/{stream}/events"), joined).await.status, 201);
    }
    let visited = json!({"type": "Visited", "data": {"day": "2026-01-01"}, "tags": ["day:1"]});
    assert_eq!(api.post("streams/m-2/events", json!([visited, visited])).await.status, 201);
    let module = module_path("members");
    let module = module.to_str().unwrap();
    let steps: [&[&str]; 21] = [
        &["deploy", "club", "--module", module, "--promote", "when-ready", "--wait"],
        &["query", "club"],
        &["query", "club", "members", "--select", "name,visits", "--order", "visits.desc", "--limit", "1", "--count"],
        &["query", "club", "members", "--select", "name", "--filter", "visits=gte.1", "--scan"],
        &["query", "club", "members", "--aggregate", "count,total:sum(visits)", "--group", "visits"],
        &["query", "club", "members", "--facets", "visits,name"],
        &["query", "club", "members", "--aggregate", "count", "-o", "json"],
        &["query", "club", "members", "--filter", "tags[]=eq.gold", "--explain"],
        &["query", "club", "members", "--format", "csv", "--select", "name,visits", "--limit", "2", "--all"],
        &["query", "club", "members", "--format", "ndjson", "--select", "name"],
        &["query", "club", "members", "--at-position", "3", "--select", "name,visits"],
        &["query", "club", "members", "m-2", "--at-position", "3"],
        &["query", "club", "members", "m-2", "--at-time", "2001-01-01T00:00:00Z"],
        &["query", "club", "members", "m-2", "--versions", "2"],
        &["query", "club", "--named", "visitors", "--arguments", r#"{"day":"2026-01-01"}"#, "--version", "1"],
        &["query", "club", "members", "m-2", "--order", "name"],
        &["query", "club", "--limit", "3"],
        &["tail", "--types", "Visited,Left", "--limit", "1"],
        &["tail", "--tags", "day:1", "--prefix", "m-"],
        &["tail", "--backwards", "--prefix", "m-", "--limit", "1"],
        &["tail", "--stream", "m-1", "--types", "Visited"],
    ];
    let mut text = String::new();
    for step in steps {
        text += &printed(&host.url, step).replace(module, "members.wasm");
        text.push('\n');
    }
    let cursor = text.split("--cursor ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let order = ["--select", "name,visits", "--order", "visits.desc", "--limit", "1", "--cursor", &cursor];
    text += &printed(&host.url, &[&["query", "club", "members"], &order[..]].concat());
    insta::with_settings!({filters => CHANGING.to_vec()}, { insta::assert_snapshot!("asking", text) });
}
