//! A disk that fills up: nothing acknowledged is lost, everybody is told, and all goes on once there is space.
//!
//! They take a small file system of their own, which not everybody may mount. So they are run by `make test-full-disk`,
//! which looks for a way, and is a part of `make test`.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;

use kinora_tests::{Answer, Api, Program, module, until_some};
use serde_json::{Value, json};

/// A file system in memory, until it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(megabytes: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output().unwrap();
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// Text that nothing packs to less than three quarters.
fn noise(characters: usize) -> String {
    let mut text = String::with_capacity(characters + 32);
    while text.len() < characters {
        text.push_str(&uuid::Uuid::new_v4().simple().to_string());
    }
    text
}

/// Appends until one is refused, and gives the number of events that were taken, and the refusal.
async fn fill(api: &Api) -> (u64, Answer) {
    let mut acknowledged = 0;
    loop {
        let answer = append(api).await;
        if answer.status != 201 {
            return (acknowledged, answer);
        }
        acknowledged += 2;
        assert!(acknowledged < 1_000, "the disk never fills");
    }
}

async fn append(api: &Api) -> Answer {
    let event = json!({"type": "Count", "data": {"n": 1, "filler": noise(500_000)}});
    api.post("streams/a/events", json!([event, event])).await
}

#[tokio::test]
#[ignore = "mounts a file system: make test-full-disk"]
async fn a_full_disk_stops_appends_and_projections_until_there_is_space() {
    let disk = SmallDisk::new(544);
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 256 << 20]).unwrap();
    let host = Program::start(&disk.path().join("data"));
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    let (acknowledged, refused) = fill(&api).await;
    assert_eq!((refused.status, refused.body["title"].as_str()), (507, Some("no space")), "{refused:?}");
    assert!(refused.body["hint"].as_str().unwrap().contains("free some space"), "{refused:?}");
    let head = api.get("events?limit=1&direction=backwards").await.body["head"].as_u64().unwrap();
    assert_eq!(head + 1, acknowledged, "what was refused is not there");

    api.deploy("counts", &digest, &[]).await;
    let status = api.until_state("counts", 1, "faulted").await;
    assert_eq!((&status["fault"]["category"], &status["fault"]["position"]), (&json!("storage"), &Value::Null));
    assert!(status["fault"]["message"].as_str().unwrap().contains("resume the version"), "{status}");

    std::fs::remove_file(&ballast).unwrap();
    // RocksDB looks every few seconds whether there is space again, if a flush had none.
    let answer = until_some("space", async || Some(append(&api).await).filter(|answer| answer.status != 507)).await;
    assert_eq!(answer.status, 201, "it goes on by itself: {answer:?}");
    api.post("projections/counts/versions/1/resume", json!({})).await;
    api.until_state("counts", 1, "ready").await;
    let row = api.get("read-models/counts/counts/a?version=1").await;
    assert_eq!(row.body["n"], json!(acknowledged + 2));
}

#[tokio::test]
#[ignore = "mounts a file system: make test-full-disk"]
async fn a_host_that_dies_on_a_full_disk_starts_again_once_there_is_space() {
    let disk = SmallDisk::new(544);
    let (ballast, data) = (disk.path().join("ballast"), disk.path().join("data"));
    std::fs::write(&ballast, vec![1; 256 << 20]).unwrap();
    let host = Program::start(&data);
    let (acknowledged, _) = fill(&host.api()).await;
    host.kill();
    // Others take what is left of the disk.
    let mut others = std::fs::File::create(disk.path().join("others")).unwrap();
    let full = loop {
        if let Err(full) = others.write_all(&[1; 4096]) {
            break full;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);

    // With appends to take in from the write-ahead log, and with files of a new database to make.
    for folder in [&data, &disk.path().join("new")] {
        let started = Program::command(folder).output().unwrap();
        let told = String::from_utf8_lossy(&started.stderr);
        assert!(!started.status.success() && told.contains("free some space and start again"), "{told}");
    }

    std::fs::remove_file(&ballast).unwrap();
    let host = Program::start(&data);
    let api = host.api();
    let head = api.get("events?limit=1&direction=backwards").await.body["head"].as_u64().unwrap();
    assert_eq!(head + 1, acknowledged, "all that was acknowledged is there, and nothing else");
    assert_eq!(append(&api).await.status, 201);
}
