//! The same folds in native Rust, on the same log and into the same kind of read model: what a replay could cost at
//! best.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use departures::Departures;
use foldhash::fast::FixedState;
use kinora_log::{Log, RecordRef};
use kinora_readmodel::{CommitMode, Store, Writes};
use kinora_sdk::native::{Backend, Column, Fold, Input, Stored, Upcasting};
use kinora_storage::Storage;
use kinora_types::TableSpec;
use kinora_types::{Position, Progress};
use ontime_v1::OnTime;
use serde::{Deserialize, Serialize};

use crate::process::{Used, Watch};
use crate::workload::Workload;

/// Events of one commit.
const COMMIT_EVENTS: u64 = 500_000;

/// Rows that are read at once, sorted.
const READ_ROWS: usize = 50_000;

/// Rows that stay decoded in memory from one commit to the next.
const CACHED_ROWS: usize = 1_000_000;

/// Folds a workload in this process.
pub fn run(workload: &Workload, data: &Path) -> Used {
    let storage = Storage::default();
    let log = Log::open(&storage, &data.join("log"), kinora_log::Limits::default()).expect("the log");
    let dir = tempfile::tempdir_in(data).expect("a folder");
    let watch = Watch::of("self");
    match workload {
        Workload::Flights => fold_flights(&log, &storage, dir.path()),
        Workload::Ledger { .. } => fold_ledger(&log, &storage, dir.path()),
    }
    watch.used(log.progress().0, None)
}

fn table(name: &str) -> TableSpec {
    TableSpec { name: name.into(), key: "key".into(), schema: None, indexes: Vec::new(), history: None }
}

#[derive(Default, Serialize, Deserialize)]
pub struct Account {
    pub balance: i64,
    pub lowest: i64,
    pub deposits: u64,
    pub withdrawals: u64,
    pub last_day: u32,
}

#[derive(Deserialize)]
pub struct Movement<'a> {
    pub account: &'a str,
    cents: i64,
    day: u32,
}

/// A movement without its account.
#[derive(Clone, Copy)]
pub struct Change {
    is_deposit: bool,
    cents: i64,
    day: u32,
}

impl Change {
    /// `None`: an event of another type, such as those of the host.
    pub fn of<'a>(record: &RecordRef<'a>) -> Option<(&'a str, Self)> {
        let is_deposit = match record.kind {
            "Deposited" => true,
            "Withdrawn" => false,
            _ => return None,
        };
        let movement: Movement<'a> = serde_json::from_str(record.data).expect("a movement");
        Some((movement.account, Self { is_deposit, cents: movement.cents, day: movement.day }))
    }

    pub fn apply(self, account: &mut Account) {
        if self.is_deposit {
            account.deposits += 1;
            account.balance += self.cents;
        } else {
            account.withdrawals += 1;
            account.balance -= self.cents;
            account.lowest = account.lowest.min(account.balance);
        }
        account.last_day = self.day;
    }
}

/// An account in memory.
pub enum Cached {
    Known {
        account: Account,
        dirty: bool,
    },
    /// It has to be read first; these changes wait for it.
    Unread(Vec<Change>),
}

pub type Cache = HashMap<Box<str>, Cached, FixedState>;

/// Applies a change to a cached account, or lets it wait. Whether the account has to be read.
pub fn change(cache: &mut Cache, name: &str, change: Change) -> bool {
    match cache.get_mut(name) {
        Some(Cached::Known { account, dirty }) => {
            change.apply(account);
            *dirty = true;
            false
        }
        Some(Cached::Unread(waiting)) => {
            waiting.push(change);
            false
        }
        None => {
            cache.insert(name.into(), Cached::Unread(vec![change]));
            true
        }
    }
}

/// Takes up an account that was read.
pub fn known(cache: &mut Cache, name: &str, mut account: Account) {
    if let Some(Cached::Unread(waiting)) = cache.get_mut(name) {
        waiting.iter().for_each(|change| change.apply(&mut account));
    }
    cache.insert(name.into(), Cached::Known { account, dirty: true });
}

/// The changed accounts in the order of their names, which then count as unchanged.
pub fn dirty(cache: &mut Cache) -> Vec<(&str, &Account)> {
    let changed = cache.iter_mut().filter_map(|(name, cached)| match cached {
        Cached::Known { account, dirty } if *dirty => {
            *dirty = false;
            Some((&**name, &*account))
        }
        _ => None,
    });
    let mut changed: Vec<_> = changed.collect();
    changed.sort_unstable_by_key(|(name, _)| *name);
    changed
}

pub fn shrink(cache: &mut Cache) {
    if cache.len() > CACHED_ROWS {
        cache.clear();
    }
}

fn fold_ledger(log: &Log, storage: &Storage, dir: &Path) {
    let store = Store::open(storage, dir, &[table("accounts")]).expect("a read model");
    let (mut cache, mut unread) = (Cache::default(), Vec::<Box<str>>::new());
    let read = |cache: &mut Cache, unread: &mut Vec<Box<str>>| {
        unread.sort_unstable();
        let names: Vec<&str> = unread.iter().map(|name| &**name).collect();
        let found = store.get_many(0, &names).expect("rows");
        for (name, row) in names.iter().zip(found) {
            known(cache, name, row.map_or_else(Account::default, |row| serde_json::from_slice(&row).expect("a row")));
        }
        unread.clear();
    };
    let commit = |cache: &mut Cache, unread: &mut Vec<Box<str>>, progress: Progress| {
        read(cache, unread);
        let mut writes = Writes::default();
        for (name, account) in dirty(cache) {
            writes.set(0, name, Some(&serde_json::to_vec(account).expect("JSON")));
        }
        store.commit(&writes, progress, CommitMode::UntilFlushed).expect("a commit");
        shrink(cache);
    };
    log.scan(Position(0), log.progress(), |position, record| {
        if let Some((name, applied)) = Change::of(&record)
            && change(&mut cache, name, applied)
        {
            unread.push(name.into());
            if unread.len() == READ_ROWS {
                read(&mut cache, &mut unread);
            }
        }
        if (position.0 + 1).is_multiple_of(COMMIT_EVENTS) {
            commit(&mut cache, &mut unread, Progress::through(position));
        }
        ControlFlow::Continue(())
    })
    .expect("the log");
    commit(&mut cache, &mut unread, log.progress());
    store.flush().expect("a flush");
}

/// Gives the SDK's rows a read model, without a sandbox in between.
struct StoreRows {
    store: Rc<Store>,
    writes: Rc<RefCell<Writes>>,
}

impl Backend for StoreRows {
    fn get_many(&mut self, table: u32, keys: Column) -> Column {
        let keys: Vec<&str> = keys.texts().map(|key| std::str::from_utf8(key).expect("a key")).collect();
        let mut found = Column::default();
        for row in self.store.get_many(table as u16, &keys).expect("rows") {
            found.push(&row.unwrap_or_default());
        }
        found
    }

    fn scan(&mut self, _: u32, _: Option<&str>, _: Option<&str>, _: bool, _: u32) -> Vec<Stored> {
        unreachable!("these folds do not scan")
    }

    fn write(&mut self, table: u32, keys: Column, values: Column) {
        for (key, value) in keys.texts().zip(values.texts()) {
            let key = std::str::from_utf8(key).expect("a key");
            self.writes.borrow_mut().set(table as u16, key, Some(value).filter(|value| !value.is_empty()));
        }
    }
}

fn fold_flights(log: &Log, storage: &Storage, dir: &Path) {
    let manifest = <OnTime as kinora_sdk::Projector>::describe();
    let index = |declared: &kinora_sdk::IndexEntry| kinora_types::IndexSpec {
        name: declared.name.into(),
        paths: declared.paths.iter().map(|path| (*path).into()).collect(),
        unique: declared.unique,
    };
    let tables = manifest.tables.iter();
    let tables: Vec<_> = tables
        .map(|found| TableSpec { indexes: found.indexes.iter().map(index).collect(), ..table(found.name) })
        .collect();
    let store = Rc::new(Store::open(storage, dir, &tables).expect("a read model"));
    let writes = Rc::new(RefCell::new(Writes::default()));
    let mut fold = Fold::<OnTime>::over(Box::new(StoreRows { store: Rc::clone(&store), writes: Rc::clone(&writes) }));
    let commit = |fold: &mut Fold<OnTime>, progress| {
        fold.flush().expect("a flush");
        store.commit(&writes.borrow(), progress, CommitMode::UntilFlushed).expect("a commit");
        writes.borrow_mut().clear();
    };
    each_flight(log, |input| {
        fold.apply(input).expect("a fold");
        if (input.position + 1).is_multiple_of(COMMIT_EVENTS) {
            commit(&mut fold, Progress(input.position + 1));
        }
    });
    commit(&mut fold, log.progress());
    store.flush().expect("a flush");
}

/// The events of the flights, brought to what the projector handles.
pub fn each_flight(log: &Log, mut visit: impl FnMut(&Input<'_>)) {
    let upcaster = Upcasting::new::<Departures>();
    log.scan(Position(0), log.progress(), |position, record| {
        // The host's own events are in the log, too.
        if record.kind.starts_with('$') {
            return ControlFlow::Continue(());
        }
        let input = Input {
            position: position.0,
            revision: record.revision.0,
            time: record.time.0,
            kind: record.kind,
            schema: record.schema,
            stream: record.stream,
            data: record.data,
            metadata: None,
            tags: "",
        };
        match upcaster.run(&input).expect("an upcaster") {
            None => visit(&input),
            Some(made) => {
                made.iter().for_each(|(kind, schema, data)| visit(&Input { kind, schema: *schema, data, ..input }))
            }
        }
        ControlFlow::Continue(())
    })
    .expect("the log");
}
