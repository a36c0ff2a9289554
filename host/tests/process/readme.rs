//! The tour of the README, run as it stands in a copy of this folder, and the commands of all documents, which the
//! program takes as they stand there.

use std::path::{Path, PathBuf};
use std::process::Command;

const PORT: &str = "7070";

/// Everything that a clone has, and nothing that a build leaves.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        let left_out = ["target", ".git", ".kinora"].iter().any(|left_out| name == *left_out);
        match entry.file_type().unwrap() {
            _ if left_out => {}
            kind if kind.is_dir() => copy(&path, &to.join(name)),
            _ => drop(std::fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

/// The blocks that stand after `<!-- tour -->`.
fn tour(readme: &str) -> String {
    let block = |text: &str| text.strip_prefix("\n```sh\n").unwrap().split_once("```").unwrap().0.to_owned();
    readme.split("<!-- tour -->").skip(1).map(block).collect::<Vec<_>>().join("\n")
}

/// A port that nobody listens on right now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_tour_does_what_it_says() {
    let package = std::env::current_dir().unwrap();
    let root = package.parent().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("kinora");
    copy(root, &here);
    let target: PathBuf = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&target, here.join("target")).unwrap();

    let port = free_port().to_string();
    let script = tour(&std::fs::read_to_string(root.join("README.md")).unwrap());
    assert!(script.contains("kinora rollback busy"), "the tour has been found");
    // What was built is there: this test runs after it.
    let script = script.replace("make build modules\n", "").replace(PORT, &port);
    let script = format!("set -euo pipefail\ntrap 'kill $(jobs -p)' EXIT\n{script}");
    let run = Command::new("bash")
        .args(["-c", &script])
        .current_dir(&here)
        .env("KINORA_URL", format!("http://127.0.0.1:{port}"))
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    let (said, noted) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}\n{noted}");
    for expected in [
        "test a_cancelled_flight_was_scheduled_before ... ok",
        "busy version 1: ready",
        "busy: version 1 live",
        "kinora-version: 1",
        "busy version 2: ready",
        "share_cancelled (16)",
        "busy: version 1 standby, version 2 live",
        "busy: version 1 live, version 2 standby",
        "ontime version 1: live",
        "mean_arrival_delay",
        "missing field `carrier`",
        "exit code 5",
        "busy version 1 skipped event",
        "busy version 2 skipped event",
        "ontime version 1 skipped event",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}\n{noted}");
    }
    // Whatever stops in the tour goes on before its end.
    let end = said.rsplit("projection  version").next().unwrap();
    assert!(end.contains("live") && !end.contains("faulted"), "{end}");
}

/// Commands of the program in the blocks of a document, each on one line.
fn commands(document: &str) -> Vec<String> {
    let fences = ["```sh\n", "```console\n"];
    let blocks = fences.into_iter().flat_map(|fence| document.split(fence).skip(1));
    let text = blocks.map(|rest| rest.split("```").next().unwrap()).collect::<String>().replace("\\\n", " ");
    let lines = text.lines().map(|line| line.trim_start_matches("$ ").trim());
    lines.filter(|line| line.starts_with("kinora ")).map(str::to_owned).collect()
}

/// What runs until it is ended, or waits for somebody.
const ENDLESS: [&str; 3] = ["kinora serve", "kinora dev", "kinora wait"];

#[test]
fn commands_of_documents_are_ones_that_the_program_takes() {
    let docs = Path::new("docs");
    let guides = std::fs::read_dir(docs.join("guides")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = guides.collect();
    files.extend([docs.join("http.md"), "LIMITS.md".into(), "../README.md".into(), "../SECURITY.md".into()]);
    let dir = tempfile::tempdir().unwrap();
    let program = kinora_tests::Program::path();
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let (mut tried, mut wrong) = (0, Vec::new());
    for file in files {
        for command in commands(&std::fs::read_to_string(&file).unwrap()) {
            if ENDLESS.iter().any(|endless| command.starts_with(endless)) {
                continue;
            }
            let mut run = Command::new("bash");
            // Nobody is there, so it ends with 4 or says what it lacks; a wrong command line ends with 2.
            run.args(["-c", &command])
                .current_dir(dir.path())
                .env("PATH", &path)
                .env("KINORA_URL", "http://127.0.0.1:1");
            let run = run.output().unwrap();
            let said = String::from_utf8_lossy(&run.stderr);
            if run.status.code() == Some(2) || said.contains("unexpected argument") || said.contains("syntax error") {
                wrong.push(format!("{}: {command}\n{said}", file.display()));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 60, "{tried} commands were found");
}
