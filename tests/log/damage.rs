//! Damage that the disk can do to a log: found and named, never read as if it were right.

use std::ops::ControlFlow;
use std::path::Path;

use kinora_log::{Error, Limits, Log};
use kinora_storage::Storage;
use kinora_tests::{copied, event, everything, open, request};
use kinora_types::ExpectedRevision::Any;
use kinora_types::{Position, Progress};

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

/// Every byte that is changed in a table file is found when it is read, unless nothing reads it; what is read is right.
#[tokio::test]
async fn a_flipped_bit_in_a_table_file_is_refused_loudly_or_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let right = everything(&open(dir.path()));
    let (mut refused, mut tried) = (0, 0);
    let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "sst")) {
        let bytes = std::fs::read(&file).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 24) {
            let copy = copied(dir.path());
            let mut bytes = bytes.clone();
            *bytes.get_mut(at).unwrap() ^= 1 << (at % 8);
            std::fs::write(copy.path().join(file.file_name().unwrap()), bytes).unwrap();
            tried += 1;
            let Ok(log) = Log::open(&Storage::default(), copy.path(), Limits::default()) else {
                refused += 1;
                continue;
            };
            let read = log.read(Position(0), kinora_types::Direction::Forwards, usize::MAX);
            let verified = log.verify(|_| {});
            if read.is_err() || verified.as_ref().map_or(true, |report| report.faults > 0) {
                refused += 1;
            }
            if let Ok(read) = read {
                assert_eq!(read, right, "{} byte {at}", file.display());
            }
        }
    }
    assert!(refused * 2 > tried, "most damage matters: {refused} of {tried}");
}

#[tokio::test]
async fn another_format_is_refused_by_number() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let db = rocksdb_of(dir.path());
    db.put_cf(db.cf_handle("meta").unwrap(), b"format", 77_u32.to_be_bytes()).unwrap();
    drop(db);
    let Err(error) = Log::open(&Storage::default(), dir.path(), Limits::default()) else { panic!("it opened") };
    assert!(error.to_string().contains("has format 77, this program knows format 5: export it"), "{error}");
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
fn a_folder_of_a_format_with_other_tables_is_refused_and_left_as_it_is() {
    let dir = copied(Path::new("data/log-format-3"));
    let families = || rocksdb::DB::list_cf(&rocksdb::Options::default(), dir.path()).unwrap();
    let before = families();
    let error = Log::open(&Storage::default(), dir.path(), Limits::default()).err().unwrap().to_string();
    assert!(error.contains("has format 3, this program knows format 5"), "{error}");
    assert_eq!(families(), before);
    assert!(before.contains(&"heads".to_owned()), "{before:?}");
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
