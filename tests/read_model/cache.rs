//! Rows in memory while commits of all kinds go on: a snapshot has the rows of its checkpoint, whatever others have
//! read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kinora_readmodel::{CommitMode, Snapshot, Store, Writes};
use kinora_storage::Storage;
use kinora_types::Progress;
use kinora_types::TableSpec;

/// More than a commit may have whose rows are looked for in the cache one by one.
const KEYS: u64 = 1_500;

const COMMITS: u64 = 1_000;

/// Commits of which most are small.
fn writes(commit: u64, key: u64) -> bool {
    let few = commit.wrapping_mul(31).wrapping_add(key.wrapping_mul(17)).is_multiple_of(97);
    few || commit.is_multiple_of(50)
}

/// The commit whose value a key has after so many commits.
fn expected(commits: u64, key: u64) -> Option<u64> {
    (1..=commits).rev().find(|commit| writes(*commit, key)).filter(|commit| !is_deleted(*commit, key))
}

fn is_deleted(commit: u64, key: u64) -> bool {
    (commit + key).is_multiple_of(7)
}

fn name(key: u64) -> String {
    format!("k{key:04}")
}

/// Reads some rows, one alone and a few at once, and compares.
fn check(snapshot: &Snapshot, from: u64) -> u64 {
    let commits = snapshot.checkpoint().0;
    let keys: Vec<u64> = (0..20).map(|step| (from + step * 7) % KEYS).collect();
    let names: Vec<String> = keys.iter().map(|key| name(*key)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rows = snapshot.get_many(0, &names).unwrap();
    rows.push(snapshot.get("rows", &name(from % KEYS)).unwrap());
    for (key, row) in keys.iter().chain([&(from % KEYS)]).zip(rows) {
        let found = row.map(|row| String::from_utf8(row).unwrap());
        assert_eq!(
            found,
            expected(commits, *key).map(|commit| commit.to_string()),
            "key {key} after {commits} commits"
        );
    }
    commits
}

#[test]
fn a_snapshot_has_the_rows_of_its_checkpoint_however_many_commit_and_read_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let table = TableSpec { name: "rows".into(), key: "key".into(), schema: None, indexes: Vec::new(), history: None };
    let storage = Storage::default();
    let store = Arc::new(Store::open(&storage, dir.path(), &[table]).unwrap());
    let (ended, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for reader in 0..3_u64 {
            let (store, ended, seen) = (&store, &ended, &seen);
            scope.spawn(move || {
                let mut kept = store.snapshot().unwrap();
                let mut turn = reader;
                while !ended.load(Ordering::Relaxed) {
                    // Many read few keys, so that what one has kept another one finds.
                    let latest = store.latest().unwrap();
                    seen.fetch_max(check(&latest, turn % 40), Ordering::Relaxed);
                    check(&kept, turn % 40);
                    turn += 1;
                    if turn.is_multiple_of(10) {
                        kept = store.snapshot().unwrap();
                    }
                }
            });
        }
        let mut commit = 0;
        // As many as make the readers meet every kind of commit, however fast either of them is.
        while commit < COMMITS || seen.load(Ordering::Relaxed) < COMMITS / 2 {
            commit += 1;
            let mut rows = Writes::default();
            for key in (0..KEYS).filter(|key| writes(commit, *key)) {
                let value = commit.to_string();
                rows.set(0, &name(key), (!is_deleted(commit, key)).then_some(value.as_bytes()));
            }
            let mode = if commit.is_multiple_of(3) { CommitMode::UntilFlushed } else { CommitMode::Logged };
            store.commit(&rows, Progress(commit), mode).unwrap();
            if commit.is_multiple_of(4) {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
}
