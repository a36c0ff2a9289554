//! What the disk can do to a log: found and named, never read as if it were right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ops::ControlFlow;
use std::path::Path;

use kinora::event::ExpectedRevision::Any;
use kinora::event::{Position, Progress};
use kinora::log::{Error, Limits, Log};
use kinora::storage::Storage;
use kinora_tests::{event, open, request};

async fn filled(dir: &Path) {
    let log = open(dir);
    for n in 0..10_u64 {
        log.append(request("s", Any, vec![event(u128::from(n) + 1, n)])).await.unwrap();
    }
}

fn newest(dir: &Path, extension: &str) -> std::path::PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|found| found == extension)).max().expect("such a file")
}

fn scan(log: &Log) -> Result<u64, Error> {
    let mut count = 0;
    log.scan(Position(0), Progress(u64::MAX), |_, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

#[tokio::test]
async fn a_torn_tail_of_the_write_ahead_log_loses_only_whole_appends_from_the_end() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let wal = newest(dir.path(), "log");
    let length = std::fs::metadata(&wal).unwrap().len();
    assert!(length > 100, "the events are still in the write-ahead log");
    std::fs::File::options().write(true).open(&wal).unwrap().set_len(length - 20).unwrap();
    let log = open(dir.path());
    assert_eq!(log.progress(), Progress(9));
    assert_eq!(scan(&log).unwrap(), 9);
    assert_eq!(log.append(request("s", Any, vec![event(10, 9)])).await.unwrap().first, Position(9));
}

#[tokio::test]
async fn a_flipped_byte_within_the_write_ahead_log_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let wal = newest(dir.path(), "log");
    let mut bytes = std::fs::read(&wal).unwrap();
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).unwrap() ^= 0x40;
    std::fs::write(&wal, bytes).unwrap();
    match Log::open(&Storage::default(), dir.path(), Limits::default()) {
        Err(error) => assert!(matches!(error, Error::Open { .. }), "{error}"),
        Ok(log) => panic!("damage in the middle was taken for a torn tail: {:?}", log.progress()),
    }
}

#[tokio::test]
async fn another_format_is_refused_by_number() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let db = rocksdb_of(dir.path());
    db.put_cf(db.cf_handle("meta").unwrap(), b"format", 77_u32.to_be_bytes()).unwrap();
    drop(db);
    let Err(error) = Log::open(&Storage::default(), dir.path(), Limits::default()) else { panic!("it opened") };
    assert!(error.to_string().contains("has format 77, this program knows format 2"), "{error}");
}

#[tokio::test]
async fn a_record_that_was_changed_or_removed_is_named_by_its_position() {
    for removed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path()).await;
        let db = rocksdb_of(dir.path());
        let events = db.cf_handle("events").unwrap();
        let key = 4_u64.to_be_bytes();
        if removed {
            db.delete_cf(events, key).unwrap();
        } else {
            let mut bytes = db.get_cf(events, key).unwrap().unwrap();
            *bytes.get_mut(30).unwrap() ^= 1;
            db.put_cf(events, key, bytes).unwrap();
        }
        drop(db);
        let error = scan(&open(dir.path())).unwrap_err();
        assert!(matches!(error, Error::Corrupt { position: Position(4), .. }), "{error}");
    }
}

#[test]
fn a_folder_of_the_format_before_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let families = ["events", "streams", "heads", "types", "ids", "meta"];
    let db = rocksdb::DB::open_cf(&options, dir.path(), families).unwrap();
    db.put_cf(db.cf_handle("meta").unwrap(), "format", 1_u32.to_be_bytes()).unwrap();
    drop(db);
    let error = Log::open(&Storage::default(), dir.path(), Limits::default()).err().unwrap().to_string();
    assert!(error.contains("has format 1, this program knows format 2"), "{error}");
    let left = rocksdb::DB::list_cf(&rocksdb::Options::default(), dir.path()).unwrap();
    assert_eq!(left.len(), families.len() + 1, "{left:?}");
}

/// The log's database without the log: the hand that damages it.
fn rocksdb_of(dir: &Path) -> rocksdb::DB {
    let options = rocksdb::Options::default();
    rocksdb::DB::open_cf(&options, dir, rocksdb::DB::list_cf(&options, dir).unwrap()).unwrap()
}

#[tokio::test]
async fn a_log_that_has_lost_its_first_file_is_not_taken_for_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    // What was in the write-ahead log goes to a table file.
    drop(open(dir.path()));
    newest(dir.path(), "sst");
    std::fs::remove_file(dir.path().join("CURRENT")).unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let error = Log::open(&Storage::default(), dir.path(), Limits::default()).err().unwrap().to_string();
    assert!(error.contains("cannot be opened") && error.contains("backup"), "{error}");
}

#[test]
fn a_log_whose_making_was_cut_short_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("MANIFEST-000001"), "half").unwrap();
    assert_eq!(open(dir.path()).progress(), Progress(0));
}
