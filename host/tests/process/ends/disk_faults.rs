//! A disk whose writes or syncs fail under a running host: what was acknowledged stays, what was not is there whole or
//! not at all, the log takes nothing more until the host is restarted, and says so.
//!
//! It takes a C compiler and a loader that knows LD_PRELOAD, so it runs on Linux.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kinora_tests::{Api, Program, until_some};
use serde_json::json;

/// Builds the library that stands between the host and the disk.
fn failing_disk(dir: &Path) -> PathBuf {
    let library = dir.join("disk.so");
    let source = "tests/faults/disk.c";
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).args([source, "-ldl"]).status();
    assert!(built.unwrap().success(), "cc builds {source}");
    library
}

async fn append(api: &Api, n: u64) -> (u16, String) {
    let event = |part: u64| json!({"type": "Counted", "data": {"n": n, "part": part, "filler": "x".repeat(5000)}});
    let answer = api.post("streams/s/events", json!([event(0), event(1)])).await;
    (answer.status, answer.body["title"].as_str().unwrap_or_default().to_owned())
}

/// The numbers of the requests in the log, each of which must have both its events.
async fn requests(api: &Api) -> Vec<u64> {
    let page = api.get("events?limit=1000").await.body;
    let events = page["events"].as_array().unwrap().clone();
    assert!(events.iter().enumerate().all(|(at, event)| event["position"] == json!(at)));
    let parts = events.chunks(2).map(|pair| {
        assert!(pair.len() == 2 && pair[0]["data"]["n"] == pair[1]["data"]["n"], "by halves: {pair:?}");
        pair[0]["data"]["n"].as_u64().unwrap()
    });
    parts.collect()
}

/// A poisoned log shows wherever somebody looks, and whoever would wait for it is answered.
async fn everybody_sees_it(host: &Program) {
    let api = host.api();
    let ready = api.readiness().await;
    assert_eq!((ready.status, ready.body["status"].as_str()), (503, Some("not ready")), "{ready:?}");
    assert!(ready.body["log_poisoned"].is_string(), "{ready:?}");
    assert!(api.metrics().await.contains("kinora_log_poisoned 1"));
    assert!(api.get("log").await.body["poisoned"].is_string());
    let said = Command::new(Program::path()).args(["log", "status", "--url", &host.url]).output().unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).contains("poisoned: a write has failed"), "{said:?}");
    let claim = tokio::time::timeout(Duration::from_secs(20), api.get("claims/n/5")).await.expect("an answer");
    assert!(claim.status == 404 || claim.body["title"] == "log poisoned", "{claim:?}");
}

#[tokio::test]
async fn a_host_may_end_once_its_log_is_poisoned_and_a_retry_after_that_is_done_once() {
    let dir = tempfile::tempdir().unwrap();
    let library = failing_disk(dir.path());
    let (data, order) = (dir.path().join("data"), dir.path().join("order"));
    let mut command = Program::command(&data);
    command.env("LD_PRELOAD", &library).env("KINORA_TEST_FAULT", &order).args(["--listen", "127.0.0.1:0"]);
    command.arg("--exit-when-poisoned");
    let host = Program::start_command(command);
    let api = host.api();
    let event = json!([{"id": "00000000-0000-4000-8000-000000000001", "type": "Counted", "data": {"n": 1, "part": 0}}]);
    std::fs::write(&order, "sync").unwrap();
    let answer = api.post("streams/s/events", event.clone()).await;
    assert_eq!((answer.status, answer.body["title"].as_str()), (503, Some("outcome unknown")), "{answer:?}");
    assert!(answer.body["hint"].as_str().unwrap().contains("with the same ids"), "{answer:?}");
    assert_eq!(host.ends(), 6);

    let host = Program::start(&data);
    let api = host.api();
    for _ in 0..2 {
        assert_eq!(api.post("streams/s/events", event.clone()).await.status, 201);
    }
    let page = api.get("streams/s/events").await.body;
    assert_eq!(page["events"].as_array().unwrap().len(), 1, "once, whatever became of the first try");
}

#[tokio::test]
async fn a_journal_that_cannot_grow_goes_on_as_it_is_and_grows_once_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let host = Program::start(dir.path());
    let api = host.api();
    let count = async |numbers: std::ops::Range<u64>| {
        for n in numbers {
            let answer = api.post("streams/s/events", json!({"type": "Counted", "data": {"n": n}})).await;
            assert_eq!(answer.status, 201, "{n}: {answer:?}");
        }
    };
    let bytes = || std::fs::metadata(dir.path().join("log/JOURNAL")).unwrap().len();
    count(0..20).await;
    let before = bytes();
    // No number is left for one more descriptor.
    let process = host.process_id();
    let open = || std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let numbers: BTreeSet<u64> =
        open().map(|file| file.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    let free = (0..).find(|number| !numbers.contains(number)).unwrap();
    let limit = |soft: u64| {
        let mut old = (0, 0);
        rlimit::prlimit(process as _, rlimit::Resource::NOFILE, None, Some((&mut old.0, &mut old.1))).unwrap();
        rlimit::prlimit(process as _, rlimit::Resource::NOFILE, Some((soft.min(old.1), old.1)), None).unwrap();
    };
    limit(free);
    // Half of the journal is used on the way, so it would grow.
    count(20..50).await;
    assert_eq!(bytes(), before);
    limit(u64::MAX);
    count(50..400).await;
    assert!(bytes() > before, "another round, another try");
    assert!(api.metrics().await.contains("kinora_log_poisoned 0"));
}

#[tokio::test]
async fn a_failed_write_or_sync_poisons_the_log_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let library = failing_disk(dir.path());
    for fault in ["sync", "write", "short"] {
        let (data, order) = (dir.path().join(fault), dir.path().join("order"));
        let mut command = Program::command(&data);
        command.env("LD_PRELOAD", &library).env("KINORA_TEST_FAULT", &order).args(["--listen", "127.0.0.1:0"]);
        let host = Program::start_command(command);
        let api = host.api();
        for n in 0..5 {
            assert_eq!(append(&api, n).await.0, 201);
        }
        std::fs::write(&order, fault).unwrap();
        let mut followed = api.follow(api.client.get(api.at("events?from=9"))).await;
        followed.until(|message| message.kind == "caught-up").await;
        let outcome = append(&api, 5).await;
        assert_eq!(outcome, (503, "outcome unknown".to_owned()), "{fault}: it asks to try again");
        std::fs::remove_file(&order).unwrap();
        assert_eq!(append(&api, 6).await, (503, "log poisoned".to_owned()), "{fault}: though the disk is well again");
        let told = followed.next().await;
        assert_eq!((&*told.kind, &told.data["title"]), ("problem", &json!("log poisoned")), "{fault}");
        everybody_sees_it(&host).await;
        assert_eq!(requests(&api).await, [0, 1, 2, 3, 4], "{fault}: what is durable can be read, and nothing else");
        host.kill();

        let host = Program::start(&data);
        let api = host.api();
        let found = requests(&api).await;
        assert!(found == [0, 1, 2, 3, 4] || found == [0, 1, 2, 3, 4, 5], "{fault}: {found:?}");
        assert_eq!(append(&api, 7).await.0, 201, "{fault}");
        assert_eq!(requests(&api).await.last(), Some(&7));
        host.stop();
        let verified = Command::new(Program::path()).args(["log", "verify", "--data"]).arg(&data).output().unwrap();
        assert!(verified.status.success(), "{fault}: {}", String::from_utf8_lossy(&verified.stdout));
    }
}

/// Appends without a pause until it is refused; the numbers of what was acknowledged. Once anybody has been refused,
/// nobody may be told that an append is durable.
async fn append_until_refused(api: Api, from: u64, refused: Arc<AtomicBool>) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for n in from.. {
        match append(&api, n).await.0 {
            201 if refused.load(Ordering::SeqCst) => panic!("{n} was acknowledged after a sync had failed"),
            201 => acknowledged.push(n),
            500 | 503 => {
                refused.store(true, Ordering::SeqCst);
                break;
            }
            other => panic!("{other}"),
        }
    }
    acknowledged
}

#[tokio::test]
async fn what_was_written_beside_a_sync_that_fails_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let library = failing_disk(dir.path());
    let (data, order) = (dir.path().join("data"), dir.path().join("order"));
    let mut command = Program::command(&data);
    command.env("LD_PRELOAD", &library).env("KINORA_TEST_FAULT", &order).args(["--listen", "127.0.0.1:0"]);
    let host = Program::start_command(command);
    let refused = Arc::new(AtomicBool::new(false));
    let client = |number: u64| append_until_refused(host.api(), number * 1_000_000, Arc::clone(&refused));
    let clients: Vec<_> = (1..=16).map(|number| tokio::spawn(client(number))).collect();
    let api = host.api();
    let last = async || api.get("events?direction=backwards&limit=1").await.body["events"][0]["position"].as_u64();
    let before = until_some("load", async || last().await.filter(|position| *position > 200)).await;
    until_some("more of it", async || last().await.filter(|position| *position > before)).await;
    // From here on one sync hangs and fails; the clients whose appends it does not cover have theirs decided beside it.
    std::fs::write(&order, "late").unwrap();
    let mut acknowledged = Vec::new();
    for client in clients {
        let numbers =
            tokio::time::timeout(Duration::from_secs(20), client).await.expect("every client is refused").unwrap();
        acknowledged.extend(numbers);
    }
    let durable = last().await.unwrap();
    assert_eq!(durable + 1, acknowledged.len() as u64 * 2, "what was read is what was acknowledged");
    host.kill();

    // What was written without being acknowledged may be there, whole.
    let host = Program::start(&data);
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let page = host.api().get(&format!("events?from={from}&limit=1000")).await.body;
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            break;
        }
        from += events.len();
        found.extend(events.iter().map(|event| event["data"]["n"].as_u64().unwrap()));
    }
    assert!(found.chunks(2).all(|pair| pair.len() == 2 && pair[0] == pair[1]), "by halves");
    assert!(found.len() > acknowledged.len() * 2, "what the disk had said it lost is there");
    let found: HashSet<u64> = found.into_iter().collect();
    assert!(acknowledged.iter().all(|n| found.contains(n)));
}
