//! Projects: what `kinora new` makes builds by itself, passes its test, and runs, from an empty folder to an answer.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kinora_tests::Program;
use serde_json::json;

/// Where projects are built: what they depend on is compiled once.
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("projects")
}

fn run(mut command: Command) -> Output {
    command.env("CARGO_TARGET_DIR", target()).env("CARGO_NET_OFFLINE", "true").env_remove("RUSTFLAGS");
    command.output().unwrap()
}

pub fn kinora(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(Program::path());
    command.args(arguments).current_dir(folder);
    run(command)
}

/// What a command has said on stdout; it went well.
pub fn said(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    assert!(output.status.success(), "{out}\n{error}");
    out
}

/// Makes a project, with the versions that this workspace has been tested with.
fn project(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let made = kinora(folder, &[&["new", name], arguments].concat());
    assert_eq!(said(&made).trim(), name);
    let lock = std::env::current_dir().unwrap().join("../Cargo.lock");
    std::fs::copy(lock, folder.join(name).join("Cargo.lock")).unwrap();
    folder.join(name)
}

fn cargo_test(project: &Path) {
    let mut command = Command::new("cargo");
    command.arg("test").current_dir(project);
    let said = said(&run(command));
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn a_new_projector_is_tested_built_deployed_and_asked_with_this_program_and_rust_alone() {
    let dir = tempfile::tempdir().unwrap();
    let project = project(dir.path(), "order-totals", &[]);
    cargo_test(&project);
    let built = said(&kinora(&project, &["build"]));
    assert!(built.starts_with("./order-totals.wasm: ") && built.contains(" KiB, "), "{built}");

    let tested = said(&kinora(&project, &["test"]));
    assert_eq!(tested, "passed  ./fixtures/orders-add-up.json\n");
    let fixture = project.join("fixtures/wrong.json");
    let wrong = json!({"given": [{"type": "OrderPlaced", "data": {"customer": "ada", "cents": 5}}],
        "rows": {"customers": {"ada": {"orders": 1, "cents": 6}, "eve": {}}}});
    std::fs::write(&fixture, wrong.to_string()).unwrap();
    let failed = kinora(&project, &["test", "--only", "wrong"]);
    let differences = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert_eq!(failed.status.code(), Some(1));
    let lines: Vec<&str> = differences.lines().collect();
    let row = |sign, cents| format!("  {sign} customers ada: {}", json!({"orders": 1, "cents": cents}));
    assert_eq!(lines[..3], ["failed  ./fixtures/wrong.json", &row('-', 6), &row('+', 5)]);
    assert_eq!(lines[3..], ["  - customers eve: {}"]);
    std::fs::write(&fixture, json!({"given": [{"type": "OrderPlaced"}], "rows": {}}).to_string()).unwrap();
    let failed = kinora(&project, &["test", "-o", "json", "--only", "wrong"]);
    let stopped: serde_json::Value = serde_json::from_slice(&failed.stdout).unwrap();
    assert!(stopped["error"].as_str().unwrap().contains("stopped at a fault"), "{stopped}");
    std::fs::remove_file(&fixture).unwrap();

    let host = Program::start(&dir.path().join("data"));
    let at_host = |arguments: &[&str]| kinora(&project, &[arguments, &["--url", &host.url]].concat());
    let events = std::fs::File::open(project.join("events.ndjson")).unwrap();
    let mut append = Command::new(Program::path());
    append.args(["append", "customer-1", "--url", &host.url]).stdin(events);
    said(&run(append));
    let deploy = ["deploy", "order-totals", "--module", "order-totals.wasm", "--wait", "--promote", "when-ready"];
    said(&at_host(&deploy));
    let rows = host.api().rows("order-totals", "customers", 1).await;
    let row = |key: &str, orders: u64, cents: u64| (key.to_owned(), json!({"orders": orders, "cents": cents}));
    assert_eq!(rows, [row("ada", 2, 1500), row("grace", 1, 700)]);

    // Another file is saved: what it comes to is shown next to what is live.
    let source = project.join("src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    std::fs::write(&source, text.replace("+= order.cents", "+= 2 * order.cents")).unwrap();
    for version in [2, 3] {
        let shown = said(&at_host(&["dev", "--once"]));
        assert!(shown.contains(&format!("order-totals version {version}: ready")), "{shown}");
        assert!(shown.contains("customers") && shown.contains("cents (2)"), "{shown}");
    }
    std::fs::write(&source, "no Rust").unwrap();
    let failed = at_host(&["dev", "--once"]);
    let error = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && error.contains("the module was not built"), "{error}");
}

#[tokio::test]
async fn new_upcasters_and_deciders_build_with_an_sdk_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let sdk = std::env::current_dir().unwrap().join("../guest-sdk");
    let host = Program::start(&dir.path().join("data"));
    for (name, kind) in [("cents", "upcaster"), ("orders", "decider")] {
        let project = project(dir.path(), name, &["--kind", kind, "--sdk", sdk.to_str().unwrap()]);
        cargo_test(&project);
        let tested = kinora(dir.path(), &["test", name]);
        if kind == "decider" {
            let passed = "passed  orders/fixtures/";
            assert!(said(&tested).lines().all(|line| line.starts_with(passed)), "{tested:?}");
            assert_eq!(said(&tested).lines().count(), 2);
        } else {
            assert!(String::from_utf8_lossy(&tested.stderr).contains("there is no fixture in cents/fixtures"));
        }
        said(&kinora(dir.path(), &["build", name, "--to", &format!("{kind}.wasm")]));
        let digest = host.api().upload(std::fs::read(dir.path().join(format!("{kind}.wasm"))).unwrap()).await;
        assert_eq!(host.api().get(&format!("modules/{digest}")).await.body["kind"], kind);
    }
}

#[test]
fn what_cannot_be_made_or_built_is_said_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let fails = |arguments: &[&str], why: &str| {
        let output = kinora(dir.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(why), "{arguments:?}: {error}");
    };
    fails(&["new", "Orders"], "a name begins with a lower-case letter");
    fails(&["new", "orders", "--sdk", "."], "is not the SDK");
    assert!(!dir.path().join("orders").exists(), "nothing is left of it");
    std::fs::create_dir(dir.path().join("mine")).unwrap();
    std::fs::write(dir.path().join("mine/file"), "mine").unwrap();
    fails(&["new", "mine"], "mine is not empty");
    fails(&["build", "mine"], "mine has no Cargo.toml, package.json or pyproject.toml");
    fails(&["build", "nowhere"], "nowhere has no Cargo.toml");
    std::fs::create_dir_all(dir.path().join("plain/src")).unwrap();
    let manifest = "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(dir.path().join("plain/Cargo.toml"), manifest).unwrap();
    std::fs::write(dir.path().join("plain/src/lib.rs"), "").unwrap();
    fails(&["build", "plain"], "the library has to be a cdylib");
    std::fs::write(dir.path().join("plain/src/lib.rs"), "no Rust").unwrap();
    fails(&["build", "plain"], "the module was not built");
}
