//! The log without HTTP, and RocksDB without the log.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use kinora_log::{AppendRequest, Limits, Log, StreamAppend};
use kinora_storage::Storage;
use kinora_types::{EventType, ExpectedRevision, Micros, NewEvent, Position, Progress};
use uuid::Uuid;

/// How long one figure is measured for.
pub const SPAN: Duration = Duration::from_secs(2);

/// The data of an event, as large as those of the peers.
pub const DATA: &str = r#"{"account":"4711","amount":1250,"currency":"EUR"}"#;

fn open(data: &Path) -> Log {
    std::fs::create_dir_all(data.join("log")).unwrap();
    Log::open(&Storage::default(), &data.join("log"), Limits::default()).unwrap()
}

/// Makes the log of a host with so many events, of 10,000 streams, with a tag each.
pub fn fill(data: &Path, events: u64) {
    let log = open(data);
    let event = |n: u64| {
        let kind = if n % 10_000 == 7 { "Rare" } else { "Deposited" };
        let event = NewEvent {
            id: Uuid::from_u128(u128::from(n) << 64 | 1),
            kind: EventType::new(kind, 1).unwrap(),
            data: serde_json::from_str(DATA).unwrap(),
            metadata: None,
            tags: vec![format!("account:{}", n % 1_000).parse().unwrap()],
        };
        StreamAppend {
            stream: format!("account-{}", n % 10_000).parse().unwrap(),
            expected: ExpectedRevision::Any,
            events: vec![event],
        }
    };
    let mut next = 0;
    while next < events {
        let upto = events.min(next + 5_000);
        let request: AppendRequest = (next..upto).map(event).collect::<Vec<_>>().into();
        log.import(vec![(request, Micros(1_700_000_000_000_000 + next))]).unwrap();
        next = upto;
    }
}

/// Events a second of a scan of all of it, after one that warms up the caches of the disk.
pub fn scan(data: &Path) -> f64 {
    let log = open(data);
    let mut rate = 0.0;
    for _ in 0..2 {
        let (started, mut events, mut bytes) = (Instant::now(), 0_u64, 0);
        log.scan(Position(0), Progress(u64::MAX), |_, record| {
            events += 1;
            bytes += record.data.len();
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(bytes as u64 >= events);
        rate = events as f64 / started.elapsed().as_secs_f64();
    }
    rate
}

/// Commits a second of so many events each, every one synced, in a database with one family.
pub fn bare_commits(beside: &Path, events: u64) -> f64 {
    let dir = tempfile::tempdir_in(beside).unwrap();
    let db = rocksdb::DB::open(&Storage::default().database_options(dir.path()), dir.path()).unwrap();
    let mut options = rocksdb::WriteOptions::default();
    options.set_sync(true);
    let (started, mut commits) = (Instant::now(), 0);
    while started.elapsed() < SPAN {
        let mut batch = rocksdb::WriteBatch::default();
        (0..events).for_each(|n| batch.put((commits * events + n).to_be_bytes(), DATA));
        db.write_opt(batch, &options).unwrap();
        commits += 1;
    }
    commits as f64 / started.elapsed().as_secs_f64()
}

/// How a log of so many events opens, and what it needs of memory.
pub fn large(events: u64) {
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    fill(dir.path(), events);
    println!("\na log of {events} events: made in {:.1} s", started.elapsed().as_secs_f64());
    for _ in 0..3 {
        let started = Instant::now();
        let log = open(dir.path());
        println!("  opened in {:.3} s, {} events", started.elapsed().as_secs_f64(), log.progress().0);
    }
    let host = kinora_tests::Program::start(dir.path());
    println!("  a host with it has {:.0} MiB at most once it serves", host.peak_memory().unwrap_or_default());
}
