//! Tables with a history, next to what RocksDB offers for it itself: user-defined timestamps. The same updates, one a
//! commit, without a write-ahead log; then the rows as they were at random positions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::path::Path;
use std::time::Instant;

use kinora_readmodel::{CommitMode, Store, Writes};
use kinora_storage::Storage;
use kinora_tests::bench::{Figures, rounds};
use kinora_types::Progress;
use kinora_types::TableSpec;
use rocksdb::{ColumnFamilyDescriptor, DB, ReadOptions, WriteOptions};

/// Rows, and how often one of them is written: each in turn.
const KEYS: u64 = 10_000;
const UPDATES: u64 = 400_000;

/// Updates that can be asked for as they were.
const RETENTION: u64 = 100_000;

const READS: u64 = 50_000;

const TIMESTAMP_BYTES: usize = 8;

#[tokio::main]
async fn main() {
    // `cargo test` runs benches, too, with this argument missing; there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    rounds(async || {
        let mut figures = Figures::default();
        let dir = tempfile::tempdir().unwrap();
        ours(&dir.path().join("ours"), &mut figures);
        timestamps(&dir.path().join("timestamps"), &mut figures);
        for what in ["updates", "a row as it was", "the newest row"] {
            figures.ratio(&format!("  ratio, {what}"), &format!("history, {what}"), &format!("timestamps, {what}"));
        }
        figures
    })
    .await;
}

fn key(update: u64) -> String {
    format!("{:08}", update * 7_919 % KEYS)
}

fn row(update: u64) -> String {
    format!(
        r#"{{"flights":{update},"cancelled":{},"delay":{}.25,"carrier":"UA","updated":"2013-06-{:02}"}}"#,
        update % 17,
        update % 90,
        update % 28 + 1
    )
}

/// A position of the past, and the update that a row had had last by then.
fn past(read: u64) -> (u64, u64) {
    let position = UPDATES - read.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (RETENTION - KEYS);
    (position, position - read * 31 % KEYS)
}

fn bytes(dir: &Path) -> f64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len() as f64).sum()
}

fn ours(dir: &Path, figures: &mut Figures) {
    let history = Some(RETENTION);
    let tables = [TableSpec { name: "rows".into(), key: "number".into(), schema: None, indexes: Vec::new(), history }];
    let store = Store::open(&Storage::default(), dir, &tables).unwrap();
    let (started, mut writes) = (Instant::now(), Writes::default());
    for update in 1..=UPDATES {
        writes.set(0, &key(update), Some(row(update).as_bytes()));
        store.commit(&writes, Progress(update), CommitMode::UntilFlushed).unwrap();
        writes.clear();
    }
    store.flush().unwrap();
    figures.add("history, updates", "updates/s", UPDATES as f64 / started.elapsed().as_secs_f64());
    figures.add("  on disk", "MiB", bytes(dir) / f64::from(1 << 20));
    let snapshot = store.snapshot().unwrap();
    let started = Instant::now();
    for read in 0..READS {
        let (position, update) = past(read);
        let found = snapshot.get_at("rows", &key(update), Progress(position)).unwrap();
        assert_eq!(found.as_deref(), Some(row(update).as_bytes()));
    }
    figures.add("history, a row as it was", "reads/s", READS as f64 / started.elapsed().as_secs_f64());
    let started = Instant::now();
    for read in 0..READS {
        assert!(snapshot.get("rows", &key(read)).unwrap().is_some());
    }
    figures.add("history, the newest row", "reads/s", READS as f64 / started.elapsed().as_secs_f64());
}

fn split(key: &[u8], has_timestamp: bool) -> (&[u8], &[u8]) {
    key.split_at(if has_timestamp { key.len() - TIMESTAMP_BYTES } else { key.len() })
}

fn timestamps(dir: &Path, figures: &mut Figures) {
    let mut options = Storage::default().row_options();
    options.set_comparator_with_ts(
        "rows, newest first",
        TIMESTAMP_BYTES,
        Box::new(|a, b| {
            let ((a, a_time), (b, b_time)) = (split(a, true), split(b, true));
            a.cmp(b).then(b_time.cmp(a_time))
        }),
        Box::new(<[u8]>::cmp),
        Box::new(|a, a_has, b, b_has| -> Ordering { split(a, a_has).0.cmp(split(b, b_has).0) }),
    );
    let family = ColumnFamilyDescriptor::new("default", options);
    let db = DB::open_cf_descriptors(&Storage::default().database_options(dir), dir, [family]).unwrap();
    let mut unlogged = WriteOptions::default();
    unlogged.disable_wal(true);
    let started = Instant::now();
    for update in 1..=UPDATES {
        db.put_with_ts_opt(key(update), update.to_be_bytes(), row(update), &unlogged).unwrap();
        if update % RETENTION == 0 {
            let family = db.cf_handle("default").unwrap();
            db.increase_full_history_ts_low(&family, (update - update.min(RETENTION)).to_be_bytes()).unwrap();
        }
    }
    db.flush().unwrap();
    figures.add("timestamps, updates", "updates/s", UPDATES as f64 / started.elapsed().as_secs_f64());
    figures.add("  on disk ", "MiB", bytes(dir) / f64::from(1 << 20));
    let read_at = |update: u64, position: u64| {
        let mut options = ReadOptions::default();
        options.set_timestamp(position.to_be_bytes());
        db.get_opt(key(update), &options).unwrap()
    };
    let started = Instant::now();
    for read in 0..READS {
        let (position, update) = past(read);
        assert_eq!(read_at(update, position).as_deref(), Some(row(update).as_bytes()));
    }
    figures.add("timestamps, a row as it was", "reads/s", READS as f64 / started.elapsed().as_secs_f64());
    let started = Instant::now();
    for read in 0..READS {
        assert!(read_at(read, UPDATES).is_some());
    }
    figures.add("timestamps, the newest row", "reads/s", READS as f64 / started.elapsed().as_secs_f64());
}
