//! Crashes of the journal, and damage to it: what was acknowledged is there, or its loss is named. The files are taken
//! away under a running log, as a killed host leaves them.

use std::os::unix::fs::FileExt;
use std::path::Path;

use kinora_log::{Durability, Log, Options};
use kinora_storage::Storage;
use kinora_tests::{copied, event, everything, open, request};
use kinora_types::ExpectedRevision::Any;
use kinora_types::{NewEvent, Progress};
use tempfile::TempDir;

const BLOCK: usize = 4096;
const SECTOR: usize = 512;

/// One append for each number: what it leads up to is the number behind it.
async fn append(log: &Log, numbers: std::ops::Range<u64>) {
    for n in numbers {
        log.append(request("s", Any, vec![event(u128::from(n) + 1, n)])).await.unwrap();
    }
}

/// A running log with `events` events.
async fn running(events: u64) -> (TempDir, Log) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, 0..events).await;
    (dir, log)
}

fn opened(dir: &Path) -> Result<Log, String> {
    Log::open(&Storage::default(), dir, Options::default()).map_err(|error| error.to_string())
}

/// A log whose syncs are put off for longer than any test takes.
fn unsynced(dir: &Path) -> Log {
    let options = Options { durability: Durability::Interval(3_600_000), ..Options::default() };
    Log::open(&Storage::default(), dir, options).unwrap()
}

fn journal(dir: &TempDir) -> Vec<u8> {
    std::fs::read(dir.path().join("JOURNAL")).unwrap()
}

fn put_journal(dir: &TempDir, bytes: &[u8]) {
    std::fs::write(dir.path().join("JOURNAL"), bytes).unwrap();
}

/// The bytes of each frame, in the order of the file.
fn frames(journal: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut frames = Vec::new();
    for at in (BLOCK..journal.len()).step_by(BLOCK).filter(|at| journal[*at..].starts_with(b"KJFR")) {
        let bytes = u64::from_le_bytes(journal[at + 8..at + 16].try_into().unwrap());
        frames.push(at..at + 52 + usize::try_from(bytes).unwrap());
    }
    frames
}

fn assert_sound(log: &Log, events: u64) {
    let report = log.verify(|_| {}).unwrap();
    assert_eq!((report.events, report.faults), (events, 0), "{:?}", report.named);
    assert_eq!(log.progress(), Progress(events));
}

#[tokio::test]
async fn what_a_crash_leaves_is_taken_up_again_and_again() {
    let mut crashed = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let log = opened(crashed.path()).unwrap();
        assert_sound(&log, round * 10);
        append(&log, round * 10..round * 10 + 10).await;
        let next = copied(crashed.path());
        assert_eq!(frames(&journal(&next)).len(), 10, "the last ones are nowhere else");
        crashed = next;
    }
    assert_sound(&open(crashed.path()), 40);
}

#[tokio::test]
async fn a_write_that_a_crash_cuts_short_leaves_whole_appends() {
    let (dir, log) = running(9).await;
    let before = copied(dir.path());
    let events: Vec<NewEvent> = (9..109).map(|n| event(u128::from(n) + 1, n)).collect();
    log.append(request("t", Any, events)).await.unwrap();
    let after = journal(&copied(dir.path()));
    let last = frames(&after).pop().unwrap();
    assert!(last.len() > 2 * BLOCK, "it has several blocks: {last:?}");
    let mut lengths = Vec::new();
    for cut in (0..last.len() + SECTOR).step_by(SECTOR) {
        for from_its_end in [false, true] {
            // What the disk has of it, from its beginning on or from its end.
            let crashed = copied(before.path());
            let mut torn = journal(&crashed);
            let cut = last.start + cut.min(last.len());
            let there = if from_its_end { cut..last.end } else { last.start..cut };
            torn[there.clone()].copy_from_slice(&after[there]);
            put_journal(&crashed, &torn);
            let log = opened(crashed.path()).unwrap();
            let events = log.progress().0;
            assert_sound(&log, events);
            lengths.push(events);
            // What is left of it does not get in the way of what comes.
            append(&log, 200..203).await;
            assert_sound(&open(copied(crashed.path()).path()), events + 3);
        }
    }
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths, [9, 109], "all of the append, or nothing of it");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_journal_is_refused_or_does_not_matter() {
    let (dir, log) = running(10).await;
    let crashed = copied(dir.path());
    let right = everything(&log);
    let bytes = journal(&crashed);
    let frames = frames(&bytes);
    let mut places: Vec<usize> = (0..80).collect();
    for frame in &frames {
        places.extend((frame.start..frame.start + 70).step_by(3));
        places.extend((frame.start + 70..frame.end).step_by(67));
        places.push(frame.end - 1);
    }
    let mut refused = 0;
    for place in places {
        let copy = copied(crashed.path());
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << (place % 8);
        put_journal(&copy, &bytes);
        match opened(copy.path()) {
            Ok(log) => assert_eq!(everything(&log), right, "byte {place}"),
            Err(why) => {
                refused += 1;
                assert!(why.contains("JOURNAL is damaged") && why.contains("restore the log from a backup"), "{why}");
                if let Some(frame) = frames.iter().position(|frame| frame.contains(&place)) {
                    assert!(why.contains(&format!("events {frame} to 9 were durable")), "byte {place}: {why}");
                }
            }
        }
    }
    let in_frames = frames.iter().map(|frame| (frame.start..frame.start + 70).step_by(3).len()).sum::<usize>();
    assert!(refused > in_frames, "what is in a frame matters: {refused}");
}

#[tokio::test]
async fn a_journal_that_is_lost_cut_or_of_another_log_or_time_is_refused() {
    let (dir, log) = running(5).await;
    let first = copied(dir.path());
    drop(log);
    let closed = copied(dir.path());
    put_journal(&closed, &journal(&closed)[..BLOCK - 1]);
    assert_sound(&opened(closed.path()).unwrap(), 5);
    let log = open(dir.path());
    append(&log, 5..10).await;
    let second = copied(dir.path());

    let lost = copied(second.path());
    std::fs::remove_file(lost.path().join("JOURNAL")).unwrap();
    assert!(opened(lost.path()).err().unwrap().contains("is damaged: it is missing; restore the log from a backup"));

    let cut = copied(second.path());
    put_journal(&cut, &journal(&second)[..3 * BLOCK]);
    assert!(opened(cut.path()).err().unwrap().contains("events 7 to 9 were durable, and are not there"));
    put_journal(&cut, b"");
    assert!(opened(cut.path()).err().unwrap().contains("does not begin as a journal does"));

    let other = tempfile::tempdir().unwrap();
    let _ = open(other.path());
    let foreign = copied(second.path());
    put_journal(&foreign, &journal(&other));
    assert!(opened(foreign.path()).err().unwrap().contains("it belongs to the log"));

    let older = copied(first.path());
    put_journal(&older, &journal(&second));
    assert!(opened(older.path()).err().unwrap().contains("they are of an earlier time"));

    let earlier = copied(second.path());
    put_journal(&earlier, &journal(&first));
    assert!(opened(earlier.path()).err().unwrap().contains("events 5 to 9 were durable, and are not there"));
    assert_sound(&opened(second.path()).unwrap(), 10);
}

#[tokio::test]
async fn without_its_witness_a_log_opens_and_makes_it_anew() {
    let (dir, _log) = running(5).await;
    for damage in [None, Some("nonsense")] {
        let crashed = copied(dir.path());
        let witness = crashed.path().join("DURABLE");
        match damage {
            None => std::fs::remove_file(&witness).unwrap(),
            Some(bytes) => std::fs::write(&witness, bytes).unwrap(),
        }
        let log = opened(crashed.path()).unwrap();
        assert_sound(&log, 5);
        append(&log, 5..6).await;
        assert_eq!(std::fs::read(&witness).unwrap()[..8], 6_u64.to_le_bytes());
    }
}

/// The disk may bring later writes to the platter before earlier ones, as long as it was not asked to sync.
#[tokio::test]
async fn what_was_given_up_after_a_crash_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = unsynced(dir.path());
    append(&log, 0..4).await;
    let crashed = copied(dir.path());
    let mut bytes = journal(&crashed);
    let lost = frames(&bytes)[1].clone();
    bytes[lost].fill(0);
    put_journal(&crashed, &bytes);

    let log = open(crashed.path());
    assert_sound(&log, 1);
    // It takes the place of the second one; the third and the fourth one, which would follow, are still in the file.
    append(&log, 10..11).await;
    let right = everything(&log);
    let again = copied(crashed.path());
    let mut bytes = journal(&again);
    assert_eq!(frames(&bytes).len(), 3);
    let log = open(again.path());
    assert_eq!(everything(&log), right);
    assert_sound(&log, 2);

    // Nor do they come back when the journal has nothing of the time between.
    let between = frames(&bytes)[0].clone();
    bytes[between].fill(0);
    drop(log);
    put_journal(&again, &bytes);
    let log = open(again.path());
    assert_eq!(everything(&log), right);
    assert_sound(&log, 2);
}

#[tokio::test]
async fn what_is_acknowledged_before_a_sync_survives_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let log = unsynced(dir.path());
    append(&log, 0..50).await;
    assert_eq!(log.progress(), Progress(0), "nobody reads it yet");
    assert_sound(&open(copied(dir.path()).path()), 50);
}

#[tokio::test]
async fn a_log_of_the_format_before_is_taken_over_with_what_is_in_its_write_ahead_log() {
    let before = Path::new("data/log-format-4");
    let dir = copied(before);
    let wal = |dir: &Path| {
        let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let wal = files.filter(|file| file.path().extension().is_some_and(|found| found == "log"));
        wal.map(|file| file.metadata().unwrap().len()).sum::<u64>()
    };
    assert!(wal(before) > 1_000 && !before.join("JOURNAL").exists());
    let log = open(dir.path());
    assert_sound(&log, 40);
    append(&log, 100..101).await;
    let crashed = copied(dir.path());
    assert_sound(&open(crashed.path()), 41);

    // A crash on the way leaves the old format or the new one.
    let dir = copied(before);
    std::fs::File::create(dir.path().join("JOURNAL")).unwrap().write_all_at(b"half", 0).unwrap();
    assert_sound(&open(dir.path()), 40);
}
