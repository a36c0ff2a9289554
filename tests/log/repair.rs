//! Repair of damaged logs: what is sound goes on, what is lost is named, what was there is kept, and nothing that was
//! handed out before is taken for what the log says now.

use std::path::{Path, PathBuf};

use kinora_log::{Backups, Claim, ClaimKey, Claims, Inspection, Log, Options, diagnose, repair};
use kinora_storage::Storage;
use kinora_tests::{copied, delete_raw, event, everything, open, request, to};
use kinora_types::ExpectedRevision::Any;
use kinora_types::{Position, Progress};
use tempfile::TempDir;

/// A data folder with a log of `events` events; half of them are in tables, and half in the journal only.
async fn crashed(events: u64) -> TempDir {
    let made = tempfile::tempdir().unwrap();
    let log = open(made.path());
    append(&log, 0..events / 2).await;
    drop(log);
    let log = open(made.path());
    append(&log, events / 2..events).await;
    let data = tempfile::tempdir().unwrap();
    std::fs::rename(copied(made.path()).keep(), data.path().join("log")).unwrap();
    data
}

async fn append(log: &Log, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let claim = Claim { key: ClaimKey::new("n", &n.to_string()).unwrap(), owner: "s".parse().unwrap() };
        let claims = Claims { take: vec![claim], ..Claims::default() };
        let appends = vec![to("s", Any, vec![event(u128::from(n) + 1, n)])];
        log.append(kinora_log::AppendRequest { claims, ..appends.into() }).await.unwrap();
    }
}

fn log_of(data: &TempDir) -> PathBuf {
    data.path().join("log")
}

fn opened(dir: &Path) -> Result<Log, String> {
    Log::open(&Storage::default(), dir, Options::default()).map_err(|error| error.to_string())
}

fn assert_sound(log: &Log, events: u64) {
    let report = log.verify(|_| {}).unwrap();
    assert_eq!((report.events, report.faults), (events, 0), "{:?}", report.named);
    assert_eq!(log.progress(), Progress(events));
}

/// The bytes of all files, by name.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn newest_table(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|found| found == "sst")).max().unwrap()
}

#[tokio::test]
async fn a_sound_log_is_left_as_it_is() {
    let data = crashed(10).await;
    let before = files(&log_of(&data));
    let diagnosis = diagnose(&log_of(&data)).unwrap();
    assert!(diagnosis.is_sound() && diagnosis.sound == Progress(10), "{diagnosis:?}");
    let repaired = repair(&log_of(&data)).unwrap();
    assert_eq!((repaired.aside, files(&log_of(&data))), (None, before));
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_journal_that_is_lost_costs_what_only_it_had_and_that_is_named() {
    let data = crashed(10).await;
    let right = everything(&open(copied(&log_of(&data)).path()));
    std::fs::remove_file(log_of(&data).join("JOURNAL")).unwrap();
    assert!(opened(&log_of(&data)).err().unwrap().contains("it is missing"));

    let before = files(&log_of(&data));
    let diagnosis = diagnose(&log_of(&data)).unwrap();
    assert_eq!(diagnosis.flaws, ["the journal: it is missing"]);
    assert_eq!((diagnosis.sound, diagnosis.lost()), (Progress(5), Some((Position(5), Position(9)))));
    assert_eq!(files(&log_of(&data)), before, "it is only looked at");

    let repaired = repair(&log_of(&data)).unwrap();
    let aside = repaired.aside.unwrap();
    assert_eq!(aside, data.path().join("repairs/1"));
    assert_eq!(files(&aside.join("log")), before, "nothing is destroyed");
    let said = std::fs::read_to_string(aside.join("REPORT.txt")).unwrap();
    assert!(said.contains("Events 5 to 9 are known to be lost"), "{said}");
    let log = open(&log_of(&data));
    assert_sound(&log, 5);
    assert_eq!(everything(&log), right[..5]);
    append(&log, 20..23).await;
    assert_sound(&open(copied(&log_of(&data)).path()), 8);
}

#[tokio::test]
async fn a_frame_that_is_damaged_ends_the_log_before_it() {
    let data = crashed(10).await;
    let path = log_of(&data).join("JOURNAL");
    let mut journal = std::fs::read(&path).unwrap();
    let frames: Vec<usize> =
        (4096..journal.len()).step_by(4096).filter(|at| journal[*at..].starts_with(b"KJFR")).collect();
    journal[frames[2] + 60] ^= 1;
    std::fs::write(&path, journal).unwrap();
    let diagnosis = diagnose(&log_of(&data)).unwrap();
    assert_eq!((diagnosis.sound, diagnosis.lost()), (Progress(7), Some((Position(7), Position(9)))));
    repair(&log_of(&data)).unwrap();
    assert_sound(&open(&log_of(&data)), 7);
}

#[tokio::test]
async fn tables_that_are_damaged_are_built_again_from_their_sound_records() {
    let data = crashed(10).await;
    let right = everything(&open(copied(&log_of(&data)).path()));
    let ended = copied(&log_of(&data));
    drop(open(ended.path()));

    // A record that is gone, an index entry that is gone, and one that nobody knows of.
    let folder = |damage: &dyn Fn(&Path)| {
        let data = tempfile::tempdir().unwrap();
        std::fs::rename(copied(ended.path()).keep(), log_of(&data)).unwrap();
        damage(&log_of(&data));
        data
    };
    let data = folder(&|log| delete_raw(log, "events", &6_u64.to_be_bytes()));
    let diagnosis = diagnose(&log_of(&data)).unwrap();
    assert!(diagnosis.flaws[0].contains("there are no events at positions 6 to 6"), "{diagnosis:?}");
    assert_eq!((diagnosis.sound, diagnosis.lost()), (Progress(6), Some((Position(6), Position(9)))));
    let before = open(copied(&log_of(&data)).path()).id();
    repair(&log_of(&data)).unwrap();
    let log = open(&log_of(&data));
    assert_sound(&log, 6);
    assert_eq!((everything(&log), log.id()), (right[..6].to_vec(), before));
    assert_eq!(log.lineage().iter().last().unwrap().1, Progress(6), "another incarnation");
    assert_eq!(log.claim(&ClaimKey::new("n", "5").unwrap()).unwrap().unwrap().since, Position(5));

    let data = folder(&|log| {
        delete_raw(log, "ids", &event(3, 0).id.into_bytes());
        delete_raw(log, "claims", b"n\x003");
    });
    let diagnosis = diagnose(&log_of(&data)).unwrap();
    assert_eq!((diagnosis.sound, diagnosis.lost(), diagnosis.is_sound()), (Progress(10), None, false));
    repair(&log_of(&data)).unwrap();
    let log = open(&log_of(&data));
    assert_sound(&log, 10);
    assert_eq!((everything(&log), log.lineage().iter().count()), (right, 1), "nothing is lost, so it is the same");
    assert!(log.append(request("s", Any, vec![event(3, 2)])).await.unwrap().duplicate);
}

#[tokio::test]
async fn tables_that_cannot_even_be_opened_give_what_they_have() {
    for damage in ["manifest", "table"] {
        let data = crashed(40).await;
        drop(open(&log_of(&data)));
        let log = open(&log_of(&data));
        append(&log, 40..50).await;
        drop(log);
        match damage {
            "manifest" => std::fs::remove_file(log_of(&data).join("CURRENT")).unwrap(),
            _ => std::fs::remove_file(newest_table(&log_of(&data))).unwrap(),
        }
        if damage == "manifest" {
            assert!(opened(&log_of(&data)).is_err());
        }
        let diagnosis = diagnose(&log_of(&data)).unwrap();
        assert!(!diagnosis.is_sound(), "{damage}: {diagnosis:?}");
        let repaired = repair(&log_of(&data)).unwrap().diagnosis;
        let log = open(&log_of(&data));
        assert_sound(&log, repaired.sound.0);
        if damage == "manifest" {
            assert_eq!(repaired.sound, Progress(50), "{repaired:?}");
        }
        assert!(log.lineage().iter().count() > 1, "{damage}");
    }
}

#[tokio::test]
async fn a_log_that_was_closed_needs_no_journal() {
    for damage in ["gone", "cut", "nonsense"] {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        append(&log, 0..10).await;
        let right = everything(&log);
        drop(log);
        let journal = dir.path().join("JOURNAL");
        match damage {
            "gone" => std::fs::remove_file(&journal).unwrap(),
            "cut" => std::fs::write(&journal, b"KINORAJL").unwrap(),
            _ => std::fs::write(&journal, vec![7; 10_000]).unwrap(),
        }
        let log = open(dir.path());
        assert_sound(&log, 10);
        assert_eq!((everything(&log), log.lineage().iter().count()), (right, 1), "{damage}");
        append(&log, 10..12).await;
        let crashed = copied(dir.path());
        assert_sound(&open(crashed.path()), 12);
        std::fs::remove_file(crashed.path().join("JOURNAL")).unwrap();
        // It was opened since, and closed again.
        assert_sound(&open(crashed.path()), 12);
    }
}

#[tokio::test]
async fn what_is_restored_is_another_incarnation_and_its_lives_are_known() {
    let [dir, backups, restored] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let log = open(dir.path());
    append(&log, 0..5).await;
    assert_eq!(log.lineage().current(), log.lineage().first());
    let mut made = Backups::open(backups.path()).unwrap();
    let backup = made.create(&log).unwrap();
    append(&log, 5..8).await;
    assert_eq!(made.restore(backup.number, &restored.path().join("log")).unwrap(), Progress(5));
    let again = open(&restored.path().join("log"));
    assert_eq!(again.id(), log.id());
    assert_ne!(again.incarnation(), log.incarnation());
    let lineage = again.lineage();
    assert_eq!(lineage.shares(log.incarnation()), Some(Progress(5)));
    let mark = log.incarnation().mark();
    assert!(lineage.has(Position(4), Some(mark)) && !lineage.has(Position(5), Some(mark)));
    assert!(!log.lineage().has(Position(0), Some(again.incarnation().mark())), "nobody knows the other one there");
    // And it stays so.
    drop(again);
    assert_eq!(open(&restored.path().join("log")).lineage().iter().count(), 2);
}

#[tokio::test]
async fn a_log_is_looked_at_without_a_byte_written_whoever_uses_it() {
    let data = crashed(10).await;
    let before = files(&log_of(&data));
    let look = |dir: &Path| {
        let log = Inspection::open(dir).unwrap();
        let report = log.verify(|_| {}).unwrap();
        assert_eq!((report.faults, log.journal().damage.clone()), (0, None), "{:?}", report.named);
        (log.tables().0, log.journal().upto.0, log.stats().unwrap().events)
    };
    assert_eq!(look(&log_of(&data)), (5, 10, 5));
    assert_eq!(files(&log_of(&data)), before);
    let older = copied(Path::new("data/log-format-4"));
    let before = files(older.path());
    assert_eq!(look(older.path()), (40, 40, 40));
    assert_eq!(files(older.path()), before, "nothing is converted");

    let log = open(&log_of(&data));
    for n in 10..60 {
        append(&log, n..n + 1).await;
        let (_, upto, _) = look(&log_of(&data));
        assert_eq!(upto, n + 1, "beside one who appends");
    }
}
