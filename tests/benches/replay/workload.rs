//! The events that are replayed: the flights of 2013, or a ledger made up here. A log is made once and kept for the
//! next run.

use std::path::{Path, PathBuf};

use kinora_log::{AppendRequest, Log, StreamAppend};
use kinora_types::{EventType, ExpectedRevision, NewEvent};
use uuid::Uuid;

/// Events of one request while a log is made.
const REQUEST_EVENTS: u64 = 10_000;

#[derive(Clone, Debug)]
pub enum Workload {
    Flights,
    Ledger { accounts: u64, events: u64 },
}

impl Workload {
    pub fn name(&self) -> String {
        match self {
            Self::Flights => "flights".into(),
            Self::Ledger { accounts, events } => format!("ledger-{accounts}-{events}"),
        }
    }

    /// The projector and the upcasters that fold it.
    pub fn modules(&self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Flights => ("ontime-v1", &["departures"]),
            Self::Ledger { .. } => ("ledger", &[]),
        }
    }

    /// The data folder of a host with the events in its log.
    pub fn folder(&self, beside: &Path) -> PathBuf {
        let folder = beside.join(self.name());
        if folder.join("complete").exists() {
            return folder;
        }
        let _ = std::fs::remove_dir_all(&folder);
        eprintln!("{}: making the log, in {}", self.name(), folder.display());
        let log = kinora_tests::open(&folder.join("log"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            match self {
                Self::Flights => append_all(&log, flights()).await,
                Self::Ledger { accounts, events } => append_all(&log, ledger(*accounts, *events)).await,
            }
        });
        drop(log);
        settle(&folder.join("log"));
        std::fs::write(folder.join("complete"), "").expect("a writable folder");
        folder
    }
}

/// Has the database do now what it would do in the background later, so that it does not count as a replay's work.
fn settle(log: &Path) {
    let options = kinora_storage::Storage::default().database_options(log);
    let families = rocksdb::DB::list_cf(&options, log).expect("a database");
    let db = rocksdb::DB::open_cf(&options, log, &families).expect("a database");
    for family in &families {
        let family = db.cf_handle(family).expect("a family");
        db.flush_cf(family).expect("a flush");
        db.compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
    }
}

async fn append_all(log: &Log, events: impl Iterator<Item = StreamAppend>) {
    let mut events = events.peekable();
    while events.peek().is_some() {
        let appends: Vec<_> = events.by_ref().take(REQUEST_EVENTS as usize).collect();
        log.append(AppendRequest::from(appends)).await.expect("an append");
    }
}

fn flights() -> impl Iterator<Item = StreamAppend> {
    let timeline = flights::Timeline::load().expect("the flights");
    let events: Vec<_> = timeline.events().collect();
    events.into_iter().map(|event| {
        let data = serde_json::to_string(&event.data).expect("JSON");
        append(event.id, event.kind, event.schema, &event.stream, data, &event.tags)
    })
}

/// A movement of a ledger.
#[derive(Clone, Copy)]
pub struct Movement {
    pub account: u64,
    pub cents: i64,
    pub day: u32,
    pub is_deposit: bool,
}

/// Event `index` of the ledger: accounts and amounts are spread evenly, and the same in every run.
pub fn movement(index: u64, accounts: u64) -> Movement {
    let mixed = mix(index);
    Movement {
        account: mixed % accounts,
        cents: (mix(mixed) % 100_000) as i64,
        day: 19_000 + (index / 10_000) as u32,
        is_deposit: mixed >> 63 == 0,
    }
}

/// Splitmix64.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn ledger(accounts: u64, events: u64) -> impl Iterator<Item = StreamAppend> {
    (0..events).map(move |index| {
        let Movement { account, cents, day, is_deposit } = movement(index, accounts);
        let kind = if is_deposit { "Deposited" } else { "Withdrawn" };
        let data = format!(r#"{{"account":"a{account:07}","cents":{cents},"day":{day}}}"#);
        // Random ids are what clients send, and what a log cannot compress.
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, &index.to_be_bytes());
        append(id, kind, 1, &format!("account-a{account:07}"), data, &[])
    })
}

fn append(id: Uuid, kind: &str, schema: u32, stream: &str, data: String, tags: &[String]) -> StreamAppend {
    let event = NewEvent {
        id,
        kind: EventType::new(kind, schema).expect("a type"),
        data: serde_json::value::RawValue::from_string(data).expect("JSON"),
        metadata: None,
        tags: tags.iter().map(|tag| tag.parse().expect("a tag")).collect(),
    };
    StreamAppend { stream: stream.parse().expect("a name"), expected: ExpectedRevision::Any, events: vec![event] }
}
