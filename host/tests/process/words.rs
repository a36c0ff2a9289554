//! Words of the command line: hints in commands, a help for each of them, and lines that fit.

use std::process::{Command, Stdio};

use kinora_tests::{Host, Program, module, module_path};
use serde_json::{Value, json};

use crate::cli::{done, kinora};
use crate::printed::{CHANGING, helps, printed};

/// Words of requests, which nobody needs who types commands.
const OF_REQUESTS: [&str; 8] = ["GET ", "POST ", "PATCH ", "/v1/", "?version=", "?stale=", "{\"force", "min_position"];

/// A terminal of eighty columns.
const COLUMNS: usize = 80;

fn path(name: &str) -> String {
    module_path(name).to_str().unwrap().to_owned()
}

/// The helps of all commands that have none below them, each with its words behind `kinora`.
fn leaves() -> Vec<(String, String)> {
    let mut found = Vec::new();
    helps(&[], &mut found);
    let named = found.into_iter().filter(|help| !help.contains("\nCommands:\n") || help.contains("[COMMAND]"));
    let named = named.map(|help| {
        let line = help.lines().next().unwrap();
        (line.trim_start_matches("$ kinora ").trim_end_matches(" --help").to_owned(), help)
    });
    named.collect()
}

#[test]
fn every_command_has_a_help_of_its_own_with_an_example() {
    let leaves = leaves();
    assert!(leaves.len() > 30, "{}", leaves.len());
    let mut first_lines: Vec<&str> = leaves.iter().map(|(_, help)| help.lines().nth(1).unwrap()).collect();
    for (command, help) in leaves.iter().filter(|(command, _)| command != "modules") {
        let said = help.split("\nUsage: ").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        let example = said.split("example").nth(1).unwrap_or_else(|| panic!("{command} has no example: {help}"));
        assert!(example.contains(&format!("kinora {command}")), "{command}: {example}");
    }
    first_lines.sort_unstable();
    let all = first_lines.len();
    first_lines.dedup();
    assert_eq!(first_lines.len(), all, "two commands say the same of themselves");
}

#[test]
fn what_has_to_be_given_stands_apart_from_what_may_be() {
    for (command, help) in leaves() {
        let usage = help.lines().find(|line| line.starts_with("Usage: ")).unwrap();
        // What stands outside of brackets has to be there.
        let outside = usage.split('[').map(|part| part.rsplit(']').next().unwrap()).collect::<String>();
        let required = outside.split_whitespace().filter(|word| word.starts_with("--")).collect::<Vec<_>>();
        let section = help.split("\nRequired options:\n").nth(1).unwrap_or_default();
        // Up to the next heading.
        let section = section.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
        let listed = section.map(str::trim_start).filter(|line| line.starts_with("--"));
        let listed: Vec<&str> = listed.map(|line| line.split(' ').next().unwrap()).collect();
        let sorted = |mut words: Vec<String>| {
            words.sort();
            words
        };
        let owned = |words: &[&str]| sorted(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(owned(&required), owned(&listed), "{command}: {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_sentences_tables_and_commands() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let (hostile, tally) = (path("hostile"), path("tally"));
    for n in [4, 5] {
        assert_eq!(host.api().post("streams/a/events", json!([{"type": "Count", "data": {"n": n}}])).await.status, 201);
    }
    let steps: [&[&str]; 24] = [
        &["deploy", "counts", "--module", &hostile, "--wait"],
        &["query", "counts", "counts"],
        &["promote", "counts"],
        &["deploy", "counts", "--module", &hostile, "--wait"],
        &["deploy", "counts", "--module", &tally, "--reviewed", "--bound", "*:changed=0,added=0", "--wait"],
        &["gates", "counts"],
        &["promote", "counts"],
        &["promote", "counts", "9"],
        &["promote", "counts", "3", "--expected-live", "7"],
        &["rollback", "counts"],
        &["skip", "counts", "1", "7", "--reason", "it is a test"],
        &["retire", "counts", "1"],
        &["query", "nobody"],
        &["query", "counts", "other"],
        &["query", "counts", "counts", "nowhere"],
        &["query", "counts", "counts", "--filter", "n=about.1"],
        &["query", "counts", "counts", "--limit", "0"],
        &["query", "counts", "counts", "--min-position", "999999", "--timeout", "0.1"],
        &["query", "counts", "--named", "other"],
        &["append", "a", "--type", "Count", "--data", "{}", "--expect", "9"],
        &["append", "$kinora.a", "--type", "Count", "--data", "{}"],
        &["append", "a", "--type", "Unheard", "--data", "{}"],
        &["deploy", "counts", "--module", &tally],
        &["modules", "show", "ffff"],
    ];
    let mut text = String::new();
    for step in steps {
        text += &printed(&host.url, step).replace(&hostile, "hostile.wasm").replace(&tally, "tally.wasm");
        text.push('\n');
    }
    host.api().until_state("counts", 1, "faulted").await;
    text += &printed(&host.url, &["query", "counts", "counts", "a"]);
    for line in text.lines().filter(|line| !line.starts_with('$')) {
        assert!(!OF_REQUESTS.iter().any(|word| line.contains(word)), "{line}");
    }
    insta::with_settings!({filters => CHANGING.to_vec()}, { insta::assert_snapshot!("refusals", text) });
}

#[test]
fn a_name_that_no_projection_can_have_is_refused_before_anything_is_uploaded() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let (code, _, stderr) = kinora(&host, &["deploy", "bad name", "--module", &path("hostile")]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("letters, digits, `_` and `-`"), "{stderr}");
    let modules: Value = serde_json::from_str(&done(&host, &["modules", "-o", "json"])).unwrap();
    assert_eq!(modules["modules"].as_array().unwrap().len(), 0);
}

#[test]
fn a_deployment_says_what_is_the_same_and_compares_only_where_something_is_live() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let deploy = ["deploy", "counts", "--module", &path("hostile"), "--wait"];
    let (_, _, first) = kinora(&host, &deploy);
    assert!(first.contains("kinora promote counts 1") && !first.contains("kinora diff"), "{first}");
    assert!(!first.contains("the same modules"), "{first}");
    done(&host, &["promote", "counts"]);
    let (_, _, second) = kinora(&host, &deploy);
    assert!(second.contains("the same modules as version 1, which is live"), "{second}");
    assert!(second.contains("kinora diff counts"), "{second}");
}

#[test]
fn the_beginning_of_a_digest_is_enough_and_two_that_begin_alike_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let file = dir.path().join("renaming.wasm");
    let mut digests: Vec<String> = Vec::new();
    let alike = (0_u8..).find_map(|number| {
        // A section that says nothing makes another module of it.
        let section = [0, 3, 1, b'n', number];
        std::fs::write(&file, [&*module("renaming"), &section].concat()).unwrap();
        done(&host, &["modules", "upload", file.to_str().unwrap()]);
        let listed: Value = serde_json::from_str(&done(&host, &["modules", "-o", "json"])).unwrap();
        let listed = listed["modules"].as_array().unwrap().iter();
        digests = listed.map(|module| module["digest"].as_str().unwrap().to_owned()).collect();
        let alike = |one: &String, other: &String| one != other && one[..1] == other[..1];
        digests.iter().find(|one| digests.iter().any(|other| alike(one, other))).cloned()
    });
    let alike = alike.unwrap();
    let (code, _, stderr) = kinora(&host, &["modules", "show", &alike[..1]]);
    assert_eq!(code, 1, "{stderr}");
    for digest in digests.iter().filter(|digest| digest[..1] == alike[..1]) {
        assert!(stderr.contains(digest), "{stderr}");
    }
    let short = done(&host, &["modules"]).lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(done(&host, &["modules", "show", &short.to_uppercase()]).contains(&short));

    done(&host, &["modules", "upload", &path("hostile")]);
    let listed = done(&host, &["modules"]);
    let hostile = listed.lines().find(|line| line.contains("hostile")).unwrap().split(' ').next().unwrap();
    done(&host, &["deploy", "counts", "--module", hostile, "--upcaster", &short, "--wait"]);
    assert!(done(&host, &["modules", "uses", hostile]).contains("counts"));
}

#[test]
fn somebody_did_it_whatever_the_environment_says() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let who = |environment: &[(&str, &str)]| {
        let mut command = Command::new(Program::path());
        command.args(["deploy", "counts", "--module", &path("hostile"), "--wait"]).env("KINORA_URL", &host.url);
        for name in ["USER", "LOGNAME", "USERNAME", "KINORA_ACTOR"] {
            command.env_remove(name);
        }
        assert!(command.envs(environment.iter().copied()).output().unwrap().status.success());
        let history = done(&host, &["history", "counts", "-o", "json"]);
        let last: Value = serde_json::from_str(history.lines().last().unwrap()).unwrap();
        last["data"]["who"].as_str().unwrap_or_default().to_owned()
    };
    for environment in [&[][..], &[("KINORA_ACTOR", ""), ("USER", "")]] {
        let found = who(environment);
        let (user, machine) = found.split_once('@').unwrap_or_default();
        assert!(!user.is_empty() && !machine.is_empty(), "{environment:?}: {found:?}");
    }
    assert!(who(&[("USER", "ada")]).starts_with("ada@"));
    assert_eq!(who(&[("KINORA_ACTOR", "ci/build-812")]), "ci/build-812");
}

#[test]
fn a_command_that_nobody_listens_to_ends_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let backups = dir.path().join("backups");
    let mut command = Program::command(&dir.path().join("data"));
    command.args(["--listen", "127.0.0.1:0", "--backups"]).arg(&backups);
    let host = Program::start_command(command);
    done(&host, &["append", "a", "--type", "Count", "--data", r#"{"n":1}"#]);
    let (hostile, renaming) = (path("hostile"), path("renaming"));
    done(&host, &["deploy", "counts", "--module", &hostile, "--promote", "when-ready", "--wait"]);
    done(&host, &["backup", "create"]);
    let commands: [&[&str]; 17] = [
        &["log", "export"],
        &["tail"],
        &["tail", "--follow"],
        &["append", "b", "--type", "Count", "--data", r#"{"n":1}"#],
        &["status"],
        &["status", "counts", "-o", "json"],
        &["status", "counts", "--watch", "-o", "json"],
        &["gates", "counts"],
        &["history", "counts"],
        &["query", "counts"],
        &["query", "counts", "counts"],
        &["query", "counts", "counts", "--format", "csv"],
        &["diff", "counts", "--from", "1", "--to", "1"],
        &["diff", "counts", "--from", "1", "--to", "1", "--all"],
        &["modules"],
        &["upcasters", "dry-run", &renaming],
        &["backup", "list"],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(Program::path());
        command.args(arguments).env("KINORA_URL", &host.url).stdin(Stdio::null()).stdout(writer);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let noted = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(128 + 13), "{arguments:?}: {noted}");
        assert!(!noted.contains("error") && !noted.contains("panicked"), "{arguments:?}: {noted}");
    }
}

#[test]
fn every_table_fits_a_terminal_and_breaks_no_word() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let name = "departures-and-arrivals-of-all-airports-on-the-east-coast-of-2013";
    let name = &name[..64];
    let stream = "a-stream-whose-name-is-as-long-as-somebody-has-found-useful";
    let reason = "the delays are in minutes of Coordinated Universal Time from now on, as everybody has wished for";
    done(&host, &["append", stream, "--type", "Count", "--data", r#"{"n":5}"#]);
    done(&host, &["deploy", name, "--module", &path("hostile"), "--promote", "when-ready", "--wait"]);
    let by = ["--actor", "ada.lovelace@analytical-engines.example.org", "--reason", reason];
    let deploy = ["deploy", name, "--module", &path("tally"), "--reviewed", "--bound", "*:changed=0,added=0", "--wait"];
    done(&host, &[&deploy, &by[..]].concat());
    done(&host, &[&["review", name, "2"], &by[..]].concat());
    let commands: [&[&str]; 12] = [
        &["status"],
        &["gates", name],
        &["history", name],
        &["diff", name],
        &["promote", name],
        &["query", name, "counts"],
        &["query", name, "counts", stream],
        &["query", name, "counts", "--explain"],
        &["query", name],
        &["modules"],
        &["deploy", name, "--module", &path("tally"), "--dry-run"],
        &["upcasters", "dry-run", &path("renaming")],
    ];
    for arguments in commands {
        let mut command = Command::new(Program::path());
        command.args(arguments).env("KINORA_URL", &host.url).env("COLUMNS", COLUMNS.to_string());
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        // Sentences and commands go on as the terminal has it: they are there to be copied.
        let sentence = |line: &str| ["error: ", "  hint: "].iter().any(|start| line.starts_with(start));
        for line in said.lines().filter(|line| !sentence(line)) {
            let fits = line.chars().count() <= COLUMNS || !line.trim().contains(' ');
            assert!(fits, "{arguments:?}: {line:?}\n{said}");
        }
        // A word of the reason is whole wherever it is shown.
        if said.contains("Coordinated") {
            assert!(reason.split(' ').all(|word| said.contains(word)), "{arguments:?}: {said}");
        }
    }
}
