//! Logs that are carried elsewhere: backups while appends go on, exports that are broken off, imports that are run
//! again.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kinora_tests::{Api, Program, module};
use serde_json::{Value, json};

fn kinora(arguments: &[&str]) -> Output {
    Command::new(Program::path()).args(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = kinora(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str], why: &str) {
    let output = kinora(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(why), "{arguments:?}: {said}");
}

async fn count(api: &Api, numbers: std::ops::Range<u64>) {
    let event = |n: u64| json!({"type": "Count", "data": {"n": 1}, "tags": [format!("n:{n}")], "metadata": {"n": n}});
    let body = json!({
        "appends": [{"stream": "a", "events": numbers.clone().map(event).collect::<Vec<_>>()}],
        "claims": {"take": [{"scope": "n", "value": numbers.start.to_string(), "owner": "a"}]},
    });
    let answer = api.post("transactions", body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// The whole log as the host writes it.
async fn lines(api: &Api) -> String {
    let request = api.client.get(api.at("events")).header("accept", "application/x-ndjson");
    api.text(request).await.text
}

fn with_backups(data: &Path, backups: &Path) -> Program {
    let mut command = Program::command(data);
    command.args(["--listen", "127.0.0.1:0", "--backups"]).arg(backups);
    Program::start_command(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_under_load_is_a_host_of_some_moment_since() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backups) = (dir.path().join("data"), dir.path().join("backups"));
    let host = with_backups(&data, &backups);
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    api.deploy("counts", &digest, &[]).await;
    count(&api, 0..10).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (api, stop) = (api.clone(), Arc::clone(&stop));
        async move {
            let mut n = 10;
            while !stop.load(Ordering::Relaxed) {
                count(&api, n..n + 10).await;
                n += 10;
            }
        }
    });
    let mut known = Vec::new();
    for number in 1..=4_u64 {
        let at_least = api.get("log").await.body["events"].as_u64().unwrap();
        let made = done(&["--url", &host.url, "-o", "json", "backup", "create", "--keep", "3"]);
        assert_eq!(serde_json::from_str::<Value>(&made).unwrap()["number"], json!(number));
        known.push(at_least);
    }
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    let listed = api.get("backups").await.body;
    let numbers: Vec<_> =
        listed["backups"].as_array().unwrap().iter().map(|backup| backup["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3, 4], "the oldest is gone");
    let whole = lines(&api).await;
    host.kill();

    let from = backups.to_str().unwrap();
    for number in ["2", "4"] {
        let restored = dir.path().join(number);
        let to = restored.to_str().unwrap();
        done(&["backup", "restore", "--from", from, "--data", to, "--number", number]);
        assert!(done(&["log", "verify", "--data", to]).contains(" 0 faults"));
        let host = Program::start(&restored);
        let api = host.api();
        let found = lines(&api).await;
        assert!(whole.starts_with(&found), "what was backed up is a beginning of the log");
        let events = found.lines().count() as u64;
        // One of them is the host's own, about the deployment.
        let counted = events - 1;
        assert!(events >= known[number.parse::<usize>().unwrap() - 1] && counted.is_multiple_of(10));
        api.until_caught_up("counts", 1).await;
        let row = api.get("read-models/counts/counts/a?version=1").await;
        assert_eq!(row.body["n"], json!(counted), "versions are made again from what was backed up");
        count(&api, 1_000_000..1_000_001).await;
    }
    refused(
        &["backup", "restore", "--from", from, "--data", dir.path().join("9").to_str().unwrap(), "--number", "1"],
        "there are: 2, 3, 4",
    );
    refused(&["backup", "restore", "--from", from, "--data", data.to_str().unwrap()], "nothing is overwritten");
    let table = std::fs::read_dir(backups.join("log/shared_checksum")).unwrap().flatten().next().unwrap().path();
    let mut bytes = std::fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    let results = ["2", "3", "4"].map(|number| {
        let to = dir.path().join(format!("damaged-{number}"));
        kinora(&["backup", "restore", "--from", from, "--data", to.to_str().unwrap(), "--number", number])
            .status
            .success()
    });
    assert!(results.contains(&false), "a damaged file is found: {results:?}");
}

#[tokio::test]
async fn without_a_folder_for_backups_the_host_says_how_to_name_one() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    refused(&["--url", &host.url, "backup", "create"], "--backups FOLDER");
}

#[tokio::test]
async fn an_export_imported_is_the_same_log() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(&dir.path().join("data"));
    let api = host.api();
    for n in 0..30 {
        count(&api, n * 1_000..(n + 1) * 1_000).await;
    }
    let file = dir.path().join("log.ndjson");
    let path = file.to_str().unwrap();
    let export = ["--url", &host.url, "log", "export", "--file", path];
    done(&export);
    let whole = std::fs::read_to_string(&file).unwrap();
    assert_eq!(whole, lines(&api).await);
    refused(&export, "--resume");
    // Broken off in the middle of a line, and gone on with after more has come.
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    count(&api, 50_000..50_010).await;
    done(&[&export[..], &["--resume"]].concat());
    let whole = std::fs::read_to_string(&file).unwrap();
    assert_eq!(whole, lines(&api).await);
    let claim = api.get("claims/n/5000").await;

    let copy = dir.path().join("copy");
    let to = copy.to_str().unwrap();
    let half = dir.path().join("half.ndjson");
    let upto = whole.match_indices('\n').nth(12_344).unwrap().0 + 1;
    std::fs::write(&half, &whole[..upto]).unwrap();
    done(&["log", "import", "--data", to, "--file", half.to_str().unwrap()]);
    let said = done(&["-o", "json", "log", "import", "--data", to, "--file", path]);
    assert_eq!(
        serde_json::from_str::<Value>(&said).unwrap(),
        json!({"imported": 30_010 - 12_345, "there_already": 12_345, "events": 30_010})
    );
    assert!(done(&["log", "verify", "--data", to]).contains("30010 events in 1 streams, 31 claims: 0 faults"));
    let again = Program::start(&copy);
    assert_eq!(lines(&again.api()).await, whole);
    assert_eq!(again.api().get("claims/n/5000").await, claim);
    again.stop();

    // What is no continuation of the log is refused, line and reason named, and nothing of it is taken.
    let other = dir.path().join("other.ndjson");
    let line = whole.lines().nth(7).unwrap();
    for (text, why) in [
        (format!("{line}\n").replace("\"id\":\"", "\"id\":\"0"), "line 1"),
        (
            whole.lines().next().unwrap().replace("\"position\":0,", "\"position\":30012,"),
            "position 30010 should follow",
        ),
        (line.replace("\"position\":7,", "\"position\":30010,"), "cannot be taken over"),
        (line.replace("\"type\":\"", "\"type\":\"Other"), "its type, data, metadata or tags differs"),
        (line.replace("\"stream\":\"", "\"stream\":\"other"), "its stream differs"),
        (line.replace("\"time\":\"20", "\"time\":\"21"), "its time differs"),
        ("{}".to_owned(), "kinora log export"),
    ] {
        std::fs::write(&other, text).unwrap();
        refused(&["log", "import", "--data", to, "--file", other.to_str().unwrap()], why);
    }
    refused(&["log", "import", "--data", dir.path().to_str().unwrap(), "--file", path], "not empty");
    assert!(done(&["log", "stats", "--data", to]).starts_with("30010 events"));
}

/// Every file below a folder.
fn files(dir: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(std::fs::read(entry.path()).unwrap()),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_and_the_output_of_a_host_hold_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backups) = (dir.path().join("data"), dir.path().join("backups"));
    with_backups(&data, &backups).stop();
    let folder = data.to_str().unwrap();
    let key = done(&["keys", "create", "ada", "--role", "admin", "--data", folder]).trim().to_owned();
    let host = with_backups(&data, &backups);
    let api = host.api().with_key(&key);
    count(&api, 0..10).await;
    assert_eq!(api.post("backups", json!({})).await.status, 201);
    assert_eq!(host.api().with_key(&key.replace('a', "b")).get("log").await.status, 401);
    let secret = key.rsplit('_').next().unwrap();
    let kept: Value = serde_json::from_slice(&std::fs::read(data.join("access/keys.json")).unwrap()).unwrap();
    let hash = kept["keys"].as_object().unwrap().values().next().unwrap()["hash"].as_str().unwrap().to_owned();
    let secrets = [secret.as_bytes().to_vec(), hash.into_bytes(), std::fs::read(data.join("secret.key")).unwrap()];
    let of_backup = files(&backups);
    assert!(of_backup.iter().any(|file| !file.is_empty()));
    let said = host.said().join("\n").into_bytes();
    for text in of_backup.iter().chain([&said]) {
        let has = |secret: &Vec<u8>| text.windows(secret.len()).any(|part| part == secret.as_slice());
        assert!(!secrets.iter().any(has), "a secret is in {}", String::from_utf8_lossy(&text[..text.len().min(80)]));
    }
    host.stop();
}
