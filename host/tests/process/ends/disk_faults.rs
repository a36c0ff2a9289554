//! A disk whose writes or syncs fail under a running host: what was acknowledged stays, what was not is there whole or
//! not at all, the log takes nothing more until the host is restarted, and says so.
//!
//! It takes a C compiler and a loader that knows LD_PRELOAD, so it runs on Linux.

use std::collections::HashSet;
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
        assert_eq!(append(&api, 5).await, (500, "log failed".to_owned()), "{fault}");
        std::fs::remove_file(&order).unwrap();
        assert_eq!(append(&api, 6).await, (503, "log poisoned".to_owned()), "{fault}: though the disk is well again");
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
