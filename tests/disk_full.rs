//! A disk that fills up: nothing acknowledged is lost, everybody is told, and all goes on once there is space.
//!
//! It takes a small file system of its own, which only root can make. Elsewhere the test says so and passes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::Command;

use kinora_tests::{Host, module};
use serde_json::{Value, json};

/// A file system in memory, until it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(dir))
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

#[tokio::test]
async fn a_full_disk_stops_appends_and_projections_until_there_is_space() {
    let Some(disk) = SmallDisk::new(544) else {
        eprintln!("skipped: a small file system cannot be mounted here");
        return;
    };
    let ballast = disk.path().join("ballast");
    // What is left fills with the write-ahead log alone, before it is cut: tables would pack these events to nothing.
    std::fs::write(&ballast, vec![1; 384 << 20]).unwrap();
    let host = Host::start(&disk.path().join("data"));
    let api = host.api();
    let digest = api.upload(module("hostile")).await;
    let append = async || {
        let event = json!({"type": "Count", "data": {"n": 1, "filler": "x".repeat(500_000)}});
        api.post("streams/a/events", json!([event, event])).await
    };
    let mut acknowledged = 0;
    let refused = loop {
        let answer = append().await;
        if answer.status != 201 {
            break answer;
        }
        acknowledged += 2;
        assert!(acknowledged < 1_000, "the disk never fills");
    };
    assert_eq!((refused.status, refused.body["title"].as_str()), (507, Some("no space")), "{refused:?}");
    assert!(refused.body["hint"].as_str().unwrap().contains("free some space"), "{refused:?}");
    let head = api.get("events?limit=1&direction=backwards").await.body["head"].as_u64().unwrap();
    assert_eq!(head + 1, acknowledged, "what was refused is not there");

    api.deploy("counts", &digest, &[]).await;
    let status = api.until_state("counts", 1, "faulted").await;
    assert_eq!((&status["fault"]["category"], &status["fault"]["position"]), (&json!("storage"), &Value::Null));
    assert!(status["fault"]["message"].as_str().unwrap().contains("resume the version"), "{status}");

    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(append().await.status, 201, "it goes on by itself");
    api.post("projections/counts/versions/1/resume", json!({})).await;
    api.until_state("counts", 1, "ready").await;
    let row = api.get("read-models/counts/counts/a?version=1").await;
    assert_eq!(row.body["n"], json!(acknowledged + 2));
}
