//! Projects in JavaScript, TypeScript and Python: from an empty folder to an answer, with this program and the tools of
//! the language alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use kinora_tests::Program;
use serde_json::json;

use super::projects::{kinora, said};

/// Where `make languages` has put what it needs, if a machine has it; else a word about it.
fn tools(language: &str) -> Option<PathBuf> {
    let place = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("languages").join(language);
    let is_there = place.join("installed").is_file();
    if !is_there {
        eprintln!("LEFT OUT: projects in {language}; make languages says what it needs");
    }
    is_there.then_some(place)
}

fn made(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    assert_eq!(said(&kinora(folder, &[&["new", name], arguments].concat())).trim(), name);
    folder.join(name)
}

/// Has the project's own tests pass.
fn tested(project: &Path, program: &str, arguments: &[&str]) {
    let mut command = Command::new(project.join(program));
    said(&command.args(arguments).current_dir(project).output().unwrap());
}

/// Deploys a new projector, asks it, and, where there is one, makes a change and sees what differs.
async fn answers(project: &Path, source: &str, change: Option<(&str, &str)>) {
    let data = tempfile::tempdir().unwrap();
    let host = Program::start(&data.path().join("data"));
    let at_host = |arguments: &[&str]| kinora(project, &[arguments, &["--url", &host.url]].concat());
    let events = std::fs::read_to_string(project.join("events.ndjson")).unwrap();
    for event in events.lines() {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        assert_eq!(host.api().post("streams/customer-1/events", event).await.status, 201);
    }
    let first = said(&at_host(&["dev", "--once"]));
    assert!(first.contains("order-totals version 1: live"), "{first}");
    let rows = host.api().rows("order-totals", "customers", 1).await;
    let row = |key: &str, orders: u64, cents: u64| (key.to_owned(), json!({"orders": orders, "cents": cents}));
    assert_eq!(rows, [row("ada", 2, 1500), row("grace", 1, 700)]);
    let file = project.join(source);
    let text = std::fs::read_to_string(&file).unwrap();
    if let Some((old, new)) = change {
        assert!(text.contains(old), "{text}");
        std::fs::write(&file, text.replace(old, new)).unwrap();
        let shown = said(&at_host(&["dev", "--once"]));
        assert!(shown.contains("order-totals version 2: ready") && shown.contains("cents (2)"), "{shown}");
    }
    // A guest that cannot even be loaded is told of by its own language.
    std::fs::write(&file, format!("{text}\nlodaed_too_late()\n")).unwrap();
    let failed = at_host(&["dev", "--once"]);
    let error = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && error.contains("the module was not built"), "{error}");
    assert!(error.contains("lodaed_too_late") && error.contains("not defined"), "{error}");
    assert!(error.contains(&format!("{source}:")), "{error}");
}

#[tokio::test]
async fn a_new_projector_in_typescript_is_tested_built_deployed_and_asked() {
    if tools("javascript").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let project = made(dir.path(), "order-totals", &["--language", "typescript"]);
    let built = said(&kinora(&project, &["build"]));
    assert!(built.starts_with("./order-totals.wasm: ") && built.contains(" KiB, "), "{built}");
    let sdk = ["node_modules/kinora-sdk/bin/kinora-guest.js", "test"];
    tested(&project, "/usr/bin/env", &[&["node"], &sdk[..]].concat());
    let change = ("+= event.data.cents", "+= 2 * event.data.cents");
    answers(&project, "src/order-totals.ts", Some(change)).await;
}

#[tokio::test]
async fn new_guests_of_every_kind_in_javascript_and_typescript_pass_their_tests_and_build() {
    if tools("javascript").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(&dir.path().join("data"));
    let mut installed: Option<PathBuf> = None;
    for language in ["javascript", "typescript"] {
        for kind in ["projector", "upcaster", "decider"] {
            let name = format!("{kind}-{language}");
            let project = made(dir.path(), &name, &["--language", language, "--kind", kind]);
            if let Some(installed) = &installed {
                std::os::unix::fs::symlink(installed, project.join("node_modules")).unwrap();
            }
            said(&kinora(dir.path(), &["build", &name]));
            installed.get_or_insert(project.join("node_modules"));
            let sdk = ["node_modules/kinora-sdk/bin/kinora-guest.js", "test"];
            tested(&project, "/usr/bin/env", &[&["node"], &sdk[..]].concat());
            let wasm = std::fs::read(project.join(format!("{name}.wasm"))).unwrap();
            let digest = host.api().upload(wasm).await;
            assert_eq!(host.api().get(&format!("modules/{digest}")).await.body["kind"], kind, "{language}");
        }
    }
}

#[tokio::test]
async fn a_new_projector_in_python_is_tested_built_deployed_and_asked() {
    if tools("python").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let project = made(dir.path(), "order-totals", &["--language", "python"]);
    answers(&project, "src/order_totals.py", None).await;
    for kind in ["projector", "upcaster", "decider"] {
        let other = made(dir.path(), kind, &["--language", "python", "--kind", kind]);
        tested(&other, "../order-totals/.venv/bin/python", &["-m", "pytest", "-q"]);
    }
}

#[test]
fn what_is_missing_in_a_project_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let fails = |arguments: &[&str], why: &str| {
        let output = kinora(dir.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(why), "{arguments:?}: {error}");
    };
    fails(&["new", "orders", "--language", "python", "--sdk", "."], "name the folder that has its pyproject.toml");
    fails(&["new", "orders", "--language", "javascript", "--sdk", "."], "name the folder that has its package.json");
    std::fs::create_dir(dir.path().join("nameless")).unwrap();
    std::fs::write(dir.path().join("nameless/package.json"), "{}").unwrap();
    fails(&["build", "nameless"], "package.json has no name");
    std::fs::write(dir.path().join("nameless/package.json"), "no JSON").unwrap();
    fails(&["build", "nameless"], "package.json cannot be read");
    std::fs::create_dir(dir.path().join("untold")).unwrap();
    std::fs::write(dir.path().join("untold/pyproject.toml"), "[tool.kinora]\n").unwrap();
    fails(&["build", "untold"], "pyproject.toml has no [project] with a name");
}
