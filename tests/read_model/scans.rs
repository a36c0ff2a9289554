//! Scans over what was deleted: it counts, and ends when nobody waits.

use kinora_readmodel::{CommitMode, Error, KeyRange, Most, Store, Writes};
use kinora_storage::Storage;
use kinora_types::{Budget, Exhausted, Progress};

use crate::model::undeclared;

const ROWS: u64 = 40_000;

/// A table whose rows were all written and deleted, but for the last one.
fn deleted(dir: &std::path::Path) -> Store {
    let store = Store::open(&Storage::default(), dir, &[undeclared()]).unwrap();
    let commit = |row: Option<&[u8]>, progress| {
        let mut writes = Writes::default();
        (0..ROWS).for_each(|n| writes.set(0, &format!("{n:09}"), row));
        writes.set(0, "the last", Some(b"{}"));
        store.commit(&writes, Progress(progress), CommitMode::Logged).unwrap();
    };
    commit(Some(b"{}"), 1);
    commit(None, 2);
    store
}

#[test]
fn deleted_rows_count_and_a_scan_that_finds_nothing_has_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = deleted(dir.path());
    let budget = Budget::unlimited();
    for reverse in [false, true] {
        let range = KeyRange { reverse, end: Some("the".into()), ..KeyRange::default() };
        let all = store.scan(0, &range, &Most::rows(10, &budget), &Writes::default()).unwrap();
        assert!(all.rows.is_empty() && all.entries >= ROWS / 20, "{} entries", all.entries);
        let few = Most { entries: 100, ..Most::rows(10, &budget) };
        let refused = store.scan(0, &range, &few, &Writes::default());
        assert!(matches!(refused, Err(Error::TooManyEntries { limit: 100 })), "{refused:?}");
    }
    let found = store.scan(0, &KeyRange::default(), &Most::rows(10, &budget), &Writes::default()).unwrap();
    assert_eq!(found.rows, [("the last".to_owned(), b"{}".to_vec())]);
}

#[test]
fn what_is_pending_counts_too_and_a_scan_ends_when_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Storage::default(), dir.path(), &[undeclared()]).unwrap();
    let budget = Budget::unlimited();
    let mut pending = Writes::default();
    (0..1_000).for_each(|n| pending.set(0, &format!("{n:09}"), None));
    let found = store.scan(0, &KeyRange::default(), &Most::rows(10, &budget), &pending).unwrap();
    assert_eq!((found.rows.len(), found.entries), (0, 1_000));
    let few = Most { entries: 999, ..Most::rows(10, &budget) };
    assert!(matches!(store.scan(0, &KeyRange::default(), &few, &pending), Err(Error::TooManyEntries { .. })));
    budget.cancel();
    let ended = store.scan(0, &KeyRange::default(), &Most::rows(10, &budget), &pending);
    assert!(matches!(ended, Err(Error::Exhausted(Exhausted::Cancelled))), "{ended:?}");
}
