//! The command line against a real host: what it writes where, and how it ends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    done(&host, &["deploy", "brought", "--module", &hostile, "--upcaster", &renaming, "--wait"]);
    let text: Value = serde_json::from_str(&done(&host, &["tail", "--types", "Text", "-o", "json"])).unwrap();
    let (position, id) = (text["position"].to_string(), text["id"].as_str().unwrap());
    let traced = done(&host, &["upcasters", "trace", "brought", "1", &position]);
    assert!(traced.starts_with("renaming\n      Text/1  17\n  ->  Text/2"), "{traced}");
    assert!(traced.ends_with("the projector gets\n      Count/1  {\"n\":17}\n"), "{traced}");
    let from: Value =
        serde_json::from_str(&done(&host, &["tail", "--from-id", id, "--limit", "1", "-o", "json"])).unwrap();
    assert_eq!(from["position"], text["position"]);
    done(&host, &["deciders", "deploy", "bank", "--module", &module("accounts")]);
    let (code, gates, _) = kinora(&host, &["deciders", "gates", "bank", "1"]);
    assert!(code == 3 && gates.contains("stops") && gates.contains("Opened"), "{gates}");
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
        (&["status", "--url", "ftp://x"], 2, "http and https are spoken"),
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

#[test]
fn a_live_version_that_stopped_shows_in_the_exit_codes_and_a_retired_one_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let module = module_path("hostile");
    let module = module.to_str().unwrap();
    done(&host, &["append", "a", "--type", "Count", "--data", r#"{"n":1}"#]);
    done(&host, &["deploy", "counts", "--module", module, "--promote", "when-ready", "--wait"]);
    assert_eq!(kinora(&host, &["status"]).0, 0);
    done(&host, &["append", "a", "--type", "Fault", "--data", "{}"]);
    let stopped = |arguments: &[&str]| {
        let started = std::time::Instant::now();
        loop {
            let (code, stdout, stderr) = kinora(&host, arguments);
            if code != 0 {
                assert_eq!(code, 5, "{arguments:?}: {stdout}{stderr}");
                return;
            }
            assert!(started.elapsed().as_secs() < 60, "{arguments:?}: {stdout}{stderr}");
        }
    };
    stopped(&["status"]);
    stopped(&["status", "counts"]);
    stopped(&["query", "counts", "counts", "a"]);
    stopped(&["query", "counts", "--named", "total", "--arguments", "{}"]);

    let position = {
        let status: Value = serde_json::from_str(&kinora(&host, &["status", "counts", "-o", "json"]).1).unwrap();
        status["versions"][0]["fault"]["position"].to_string()
    };
    done(&host, &["skip", "counts", "1", &position, "--reason", "a test"]);
    let heir = ["deploy", "counts", "--module", module, "--skips-of", "1", "--promote", "when-ready", "--wait"];
    done(&host, &heir);
    done(&host, &["append", "a", "--type", "Fault", "--data", "{}"]);
    stopped(&["status"]);
    done(&host, &["retire", "counts", "1"]);
    let (_, status, _) = kinora(&host, &["status"]);
    assert!(!status.contains("counts version 1"), "what is gone needs nobody: {status}");
    assert!(status.contains("counts version 2 stopped"), "{status}");
}

#[test]
fn a_review_finds_its_version_and_a_difference_says_what_it_leaves_out() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let [hostile, tally] = ["hostile", "tally"].map(|name| module_path(name).to_str().unwrap().to_owned());
    for stream in ["a", "b", "c", "d", "e"] {
        done(&host, &["append", stream, "--type", "Count", "--data", r#"{"n":1}"#]);
    }
    done(&host, &["deploy", "counts", "--module", &hostile, "--promote", "when-ready", "--wait"]);
    done(&host, &["deploy", "counts", "--module", &tally, "--reviewed", "--bound", "*:removed=0", "--wait"]);
    let (_, gates, _) = kinora(&host, &["gates", "counts"]);
    assert!(gates.lines().any(|gate| gate.starts_with("difference") && gate.contains("passed")), "{gates}");
    let diff = done(&host, &["diff", "counts", "--samples", "2"]);
    assert!(diff.contains("and 3 more changed (--all shows every row)"), "{diff}");
    assert!(!done(&host, &["diff", "counts", "--samples", "9"]).contains(" more "));
    done(&host, &["review", "counts"]);
    let (code, _, stderr) = kinora(&host, &["promote", "counts"]);
    assert!(code == 0 && stderr.contains("version 2 in the place of version 1"), "{stderr}");
    let (code, _, stderr) = kinora(&host, &["rollback", "counts", "--expected-live", "1"]);
    assert!(code == 3 && stderr.contains("other-live"), "{stderr}");
    let (code, _, stderr) = kinora(&host, &["rollback", "counts"]);
    assert!(code == 0 && stderr.contains("back from version 2 to version 1"), "{stderr}");
}

/// The address of a way to a host that breaks once: after the host has done a rollback, and before it can say so.
fn breaking(host: &str) -> String {
    let (listener, host) = (TcpListener::bind("127.0.0.1:0").unwrap(), host.to_owned());
    let address = listener.local_addr().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, host) = (client.unwrap(), TcpStream::connect(&host).unwrap());
            let (mut from_client, mut to_host) = (client.try_clone().unwrap(), host.try_clone().unwrap());
            let rolls_back = Arc::new(AtomicBool::new(false));
            let (seen, broken) = (Arc::clone(&rolls_back), Arc::clone(&broken));
            let mut buffer = vec![0; 1 << 16];
            std::thread::spawn(move || {
                while let Some(bytes) = from_client.read(&mut buffer).ok().filter(|bytes| *bytes > 0) {
                    let text = String::from_utf8_lossy(&buffer[..bytes]);
                    seen.fetch_or(text.contains("/rollback"), Ordering::SeqCst);
                    if to_host.write_all(&buffer[..bytes]).is_err() {
                        return;
                    }
                }
            });
            let (mut from_host, mut to_client) = (host, client);
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                while let Some(bytes) = from_host.read(&mut buffer).ok().filter(|bytes| *bytes > 0) {
                    if rolls_back.load(Ordering::SeqCst) && !broken.swap(true, Ordering::SeqCst) {
                        return to_client.shutdown(Shutdown::Both).unwrap();
                    }
                    if to_client.write_all(&buffer[..bytes]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn a_rollback_whose_answer_is_lost_is_asked_for_again_and_done_once() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let module = module_path("hostile");
    let module = module.to_str().unwrap();
    done(&host, &["append", "a", "--type", "Count", "--data", r#"{"n":1}"#]);
    for _ in 0..2 {
        done(&host, &["deploy", "counts", "--module", module, "--promote", "when-ready", "--wait"]);
    }
    let (code, stdout, stderr) = kinora_with(&breaking(host.address()), &["rollback", "counts"], "");
    assert_eq!((code, stdout.as_str()), (0, "counts: version 1 live, version 2 standby\n"), "{stderr}");
    assert!(stderr.contains("asking again"), "{stderr}");
    let history = done(&host, &["history", "counts"]);
    assert_eq!(history.matches("VersionRolledBack").count(), 1, "{history}");
}

#[test]
fn shells_complete_commands_and_each_has_a_manual_page() {
    let run = |arguments: &[&str]| Command::new(Program::path()).args(arguments).output().unwrap();
    for (shell, begins) in [("bash", "_kinora()"), ("zsh", "#compdef kinora"), ("fish", "# Print an optspec")] {
        let said = run(&["completions", shell]);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(text.contains(begins) && text.contains("rollback"), "{shell}: {text:.400}");
    }
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    assert!(run(&["man", pages.to_str().unwrap()]).status.success());
    for page in ["kinora.1", "kinora-deploy.1", "kinora-keys-create.1"] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.contains(".TH") && text.contains("kinora"), "{page}: {text:.400}");
    }
    std::fs::write(dir.path().join("file"), "").unwrap();
    let refused = run(&["man", dir.path().join("file").to_str().unwrap()]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("/file: "), "{refused:?}");
}

#[test]
fn a_script_waits_for_a_host_and_for_a_projection_and_no_longer_than_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    assert_eq!(kinora(&host, &["wait"]).0, 0);
    let tally = module_path("tally").display().to_string();
    let deploy = ["deploy", "counts", "--module", &tally, "--wait", "--promote", "when-ready"];
    assert_eq!(kinora(&host, &deploy).0, 0);
    let append = ["append", "a", "--type", "Count", "--data", r#"{"n":1}"#];
    assert_eq!(kinora(&host, &append).0, 0);
    let (code, said, noted) = kinora(&host, &["wait", "counts"]);
    assert!(code == 0 && said.starts_with("counts: ") && said.contains("events applied"), "{code} {said}{noted}");
    let (code, _, noted) = kinora(&host, &["wait", "counts", "--position", "100000", "--timeout", "0.2"]);
    assert!(code == 4 && noted.contains("of 100001 events; kinora status counts"), "{code} {noted}");
    assert_eq!(kinora(&host, &["wait", "nothing"]).0, 3);
    let url = host.url.clone();
    host.stop();
    let (code, _, noted) = kinora_with(&url, &["wait", "--timeout", "0.3"], "");
    assert!(code == 4 && !noted.is_empty(), "{code} {noted}");
}
