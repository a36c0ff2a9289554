//! The command line against a real host: what it writes where, and how it ends.

use std::io::Write;
use std::process::{Command, Stdio};

use kinora_tests::{Program, module_path};
use serde_json::{Value, json};

/// Exit code, stdout and stderr of a command.
fn kinora_with(url: &str, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    let mut command = Command::new(Program::path());
    command.args(arguments).env("KINORA_URL", url).env("COLUMNS", "200");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

pub fn kinora(host: &Program, arguments: &[&str]) -> (i32, String, String) {
    kinora_with(&host.url, arguments, "")
}

/// A command that works, and what it wrote to stdout.
pub fn done(host: &Program, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = kinora(host, arguments);
    assert_eq!(code, 0, "{arguments:?}: {stdout}{stderr}");
    stdout
}

#[test]
fn a_rollout_from_the_first_event_to_the_way_back() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let module = module_path("hostile");
    let module = module.to_str().unwrap();

    let events = "{\"type\":\"Count\",\"data\":{\"n\":1}}\n{\"type\":\"Count\",\"data\":{\"n\":2}}\n";
    let (code, stdout, _) = kinora_with(&host.url, &["append", "a", "--expect", "no-stream"], events);
    assert_eq!((code, stdout.as_str()), (0, "positions 0 to 1, a is at revision 1\n"));
    let appended = done(&host, &["append", "b", "--type", "Count", "--data", r#"{"n":5}"#, "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&appended).unwrap()["last_position"], 2);
    assert_eq!(done(&host, &["tail", "--after", "1"]), "       2  b 0  Count/1  {\"n\":5}\n");

    assert_eq!(done(&host, &["deploy", "counts", "--module", module, "--wait"]), "counts version 1: ready\n");
    assert_eq!(done(&host, &["promote", "counts"]), "counts: version 1 live\n");
    let listed = done(&host, &["query", "counts", "counts", "--order", "n.desc", "-o", "json"]);
    let rows: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), &rows[0]), (2, &json!({"key": "b", "row": {"n": 5, "filler": ""}})));
    assert!(done(&host, &["query", "counts", "counts", "a"]).contains("n       3"));
    assert_eq!(done(&host, &["query", "counts", "--named", "total", "--arguments", "{}"]), "null\n");

    done(&host, &["deploy", "counts", "--module", module, "--promote", "when-ready", "--wait"]);
    assert!(
        done(&host, &["diff", "counts", "--from", "1"])
            .contains("counts            2           2      0        0        0          2")
    );
    assert_eq!(done(&host, &["rollback", "counts"]), "counts: version 1 live, version 2 standby\n");
    assert_eq!(done(&host, &["pause", "counts", "2"]), "counts: version 1 live, version 2 paused\n");
    done(&host, &["resume", "counts", "2"]);
    assert_eq!(done(&host, &["retire", "counts", "2"]), "counts: version 1 live, version 2 retired\n");
    assert!(done(&host, &["modules"]).contains("projector  hostile"));
    assert!(done(&host, &["modules", "show", "-o", "json", &digest(&host)[..8]]).contains(r#""state":"ready""#));
}

#[test]
fn what_a_rollout_asks_for_and_leaves_behind_can_be_read_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let module = |name: &str| module_path(name).to_str().unwrap().to_owned();
    let (hostile, tally, renaming) = (module("hostile"), module("tally"), module("renaming"));
    for stream in ["a", "b"] {
        done(&host, &["append", stream, "--type", "Count", "--data", r#"{"n":5}"#]);
    }
    let dry = done(&host, &["deploy", "counts", "--module", &hostile, "--dry-run"]);
    assert!(dry.contains("Count       1      2  handled") && dry.contains("2 events, of which 2 concern it"), "{dry}");
    done(&host, &["deploy", "counts", "--module", &hostile, "--promote", "when-ready", "--wait"]);

    let gated = ["deploy", "counts", "--module", &tally, "--reviewed", "--bound", "*:removed=0", "--wait"];
    done(&host, &gated);
    let (code, gates, stderr) = kinora(&host, &["gates", "counts"]);
    assert_eq!(code, 3, "{gates}{stderr}");
    let gates: Vec<String> = gates.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(gates.iter().any(|gate| gate.starts_with("reviewed closed nobody has said yet")), "{gates:#?}");
    assert_eq!(kinora(&host, &["promote", "counts"]).0, 3);
    done(&host, &["review", "counts", "2", "--actor", "ada", "--reason", "the new fields are right"]);
    let gates = done(&host, &["gates", "counts", "2"]);
    let gates = gates.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(gates.contains("difference passed"), "{gates}");
    assert_eq!(done(&host, &["promote", "counts", "--actor", "ada"]), "counts: version 1 standby, version 2 live\n");
    let history = done(&host, &["history", "counts"]);
    let history: Vec<String> =
        history.lines().map(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ")).collect();
    assert!(history.contains(&"VersionReviewed 2 ada the new fields are right".to_owned()), "{history:#?}");
    assert!(history.contains(&"VersionPromoted 1 -> 2 ada".to_owned()), "{history:#?}");

    let all = done(&host, &["diff", "counts", "--from", "1", "--to", "2", "--all"]);
    assert!(
        all.contains("~ counts a\n") && all.contains("+ counts ~all\n") && all.ends_with("3 rows differ\n"),
        "{all}"
    );
    let lines =
        done(&host, &["diff", "counts", "--from", "1", "--to", "2", "--all", "--after", "counts/a", "-o", "json"]);
    assert_eq!(lines.lines().count(), 1 + 2 + 1);
    let events = done(&host, &["diff", "counts", "--from", "1", "--to", "2", "--row", "counts/b"]);
    assert!(events.contains(r#"1  b Count/1  {"n":5,"filler":""}"#), "{events}");
    assert_eq!(
        done(&host, &["set", "counts", "--retain", "0", "--on-fault", "stale"]),
        "counts: retain 0, on fault stale\n"
    );
    assert_eq!(done(&host, &["set", "counts", "--retain", "all"]), "counts: retain all, on fault stale\n");
    assert_eq!(kinora(&host, &["rollback", "counts"]).0, 3, "nothing is retained to go back to");

    done(&host, &["append", "c", "--type", "Text", "--data", "17"]);
    let upcast = done(&host, &["upcasters", "dry-run", &renaming]);
    assert!(upcast.contains(r#"->  Count/1  {"n":17}"#), "{upcast}");
    done(&host, &["append", "c", "--type", "Counted", "--data", "{}"]);
    assert_eq!(kinora(&host, &["upcasters", "dry-run", &renaming]).0, 5);
    let (code, _, stderr) = kinora(&host, &["deploy", "counts", "--module", &hostile]);
    assert!(code == 3 && stderr.contains("Text schema 1 (1 event, the first at position"), "{stderr}");
}

fn digest(host: &Program) -> String {
    let modules: Value = serde_json::from_str(&done(host, &["modules", "-o", "json"])).unwrap();
    modules["modules"][0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn each_way_to_fail_has_a_code_and_words_that_help() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let module = module_path("hostile");
    let module = module.to_str().unwrap();
    let file = dir.path().join("not.wasm");
    std::fs::write(&file, "hello").unwrap();

    let cases: &[(&[&str], i32, &str)] = &[
        (&["query", "nobody", "rows", "x"], 3, "there is no projection nobody"),
        (&["append", "a", "--type", "Count", "--data", "{}", "--expect", "7"], 3, "wrong-expected-revision"),
        (&["deploy", "x", "--module", file.to_str().unwrap()], 3, "not WebAssembly"),
        (&["deploy", "x", "--module", "/nowhere.wasm"], 1, "/nowhere.wasm cannot be read"),
        (&["append", "a", "--type", "Count", "--data", "{"], 1, "--data is not JSON"),
        (&["append", "a", "--type", "Count"], 2, "--data"),
        (&["status", "--url", "http://127.0.0.1:1"], 4, "kinora serve --data"),
        (&["status", "--url", "ftp://x"], 2, "only http"),
    ];
    for (arguments, code, words) in cases {
        let (found, stdout, stderr) = kinora(&host, arguments);
        assert_eq!((found, stdout.as_str()), (*code, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
    done(&host, &["append", "a", "--type", "Panic", "--data", "{}"]);
    let (code, _, stderr) = kinora(&host, &["deploy", "counts", "--module", module, "--wait"]);
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("position: 0") && stderr.contains("as told"), "{stderr}");
    assert_eq!(kinora(&host, &["status", "counts"]).0, 5);
}
