//! The same folds, hand-written into SQLite: what somebody would do who needs no versions, no sandbox and no rollouts.
//! Rows stay in memory while they are hot and are written in transactions of 50,000 events, sorted.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use kinora_log::Log;
use kinora_sdk::native::{Backend, Column, Fold, Stored};
use kinora_storage::Storage;
use kinora_types::Position;
use ontime_v1::OnTime;
use rusqlite::{Connection, OptionalExtension, params};

use crate::native::{Account, Cache, Change, change, dirty, each_flight, known, shrink};
use crate::process::{Used, Watch};
use crate::workload::Workload;

/// Events of one transaction.
const COMMIT_EVENTS: u64 = 50_000;

/// Folds a workload in this process.
pub fn run(workload: &Workload, data: &Path) -> Used {
    let log = Log::open(&Storage::default(), &data.join("log"), kinora_log::Limits::default()).expect("the log");
    let dir = tempfile::tempdir_in(data).expect("a folder");
    let watch = Watch::of("self");
    let database = open(&dir.path().join("rows.sqlite"));
    match workload {
        Workload::Flights => fold_flights(&log, database),
        Workload::Ledger { .. } => fold_ledger(&log, &database),
    }
    watch.used(log.progress().0, None)
}

/// Settings that one chooses for bulk loads that survive a killed process: a write-ahead log, and no sync for each
/// commit.
fn open(path: &Path) -> Connection {
    let database = Connection::open(path).expect("a database");
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;
             CREATE TABLE accounts (name TEXT PRIMARY KEY, balance INTEGER, lowest INTEGER, deposits INTEGER,
                 withdrawals INTEGER, last_day INTEGER) WITHOUT ROWID;
             CREATE TABLE tables (number INTEGER, name TEXT, row TEXT, PRIMARY KEY (number, name)) WITHOUT ROWID;
             CREATE TABLE checkpoint (one INTEGER PRIMARY KEY, position INTEGER);
             BEGIN;",
        )
        .expect("tables");
    database
}

fn commit(database: &Connection, position: u64) {
    let mut checkpoint =
        database.prepare_cached("INSERT OR REPLACE INTO checkpoint VALUES (0, ?)").expect("a statement");
    checkpoint.execute([position as i64]).expect("a checkpoint");
    database.execute_batch("COMMIT; BEGIN;").expect("a commit");
}

fn fold_ledger(log: &Log, database: &Connection) {
    let (mut cache, mut unread) = (Cache::default(), Vec::<Box<str>>::new());
    let write_all = |cache: &mut Cache, unread: &mut Vec<Box<str>>, position| {
        unread.sort_unstable();
        let mut read = database
            .prepare_cached("SELECT balance, lowest, deposits, withdrawals, last_day FROM accounts WHERE name = ?")
            .expect("a statement");
        for name in unread.drain(..) {
            let found = read.query_row([&name], |row| {
                Ok(Account {
                    balance: row.get(0)?,
                    lowest: row.get(1)?,
                    deposits: row.get::<_, i64>(2)? as u64,
                    withdrawals: row.get::<_, i64>(3)? as u64,
                    last_day: row.get(4)?,
                })
            });
            known(cache, &name, found.optional().expect("a row").unwrap_or_default());
        }
        let mut write =
            database.prepare_cached("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?, ?)").expect("a statement");
        for (name, account) in dirty(cache) {
            let (deposits, withdrawals) = (account.deposits as i64, account.withdrawals as i64);
            write
                .execute(params![name, account.balance, account.lowest, deposits, withdrawals, account.last_day])
                .expect("a row");
        }
        commit(database, position);
        shrink(cache);
    };
    log.scan(Position(0), log.progress(), |position, record| {
        if let Some((name, applied)) = Change::of(&record)
            && change(&mut cache, name, applied)
        {
            unread.push(name.into());
        }
        if (position.0 + 1).is_multiple_of(COMMIT_EVENTS) {
            write_all(&mut cache, &mut unread, position.0 + 1);
        }
        ControlFlow::Continue(())
    })
    .expect("the log");
    write_all(&mut cache, &mut unread, log.progress().0);
}

/// Gives the SDK's rows a table of SQLite.
struct SqliteRows(Rc<RefCell<Connection>>);

impl Backend for SqliteRows {
    fn get_many(&mut self, table: u32, keys: Column) -> Column {
        let (database, mut found) = (self.0.borrow(), Column::default());
        let mut read =
            database.prepare_cached("SELECT row FROM tables WHERE number = ? AND name = ?").expect("a statement");
        for key in keys.texts() {
            let key = std::str::from_utf8(key).expect("a key");
            let row = read.query_row(params![table, key], |row| row.get::<_, String>(0));
            found.push(row.optional().expect("a row").unwrap_or_default().as_bytes());
        }
        found
    }

    fn scan(&mut self, _: u32, _: Option<&str>, _: Option<&str>, _: bool, _: u32) -> Vec<Stored> {
        unreachable!("these folds do not scan")
    }

    fn write(&mut self, table: u32, keys: Column, values: Column) {
        let database = self.0.borrow();
        let mut write = database.prepare_cached("INSERT OR REPLACE INTO tables VALUES (?, ?, ?)").expect("a statement");
        for (key, value) in keys.texts().zip(values.texts()) {
            let text = |bytes| std::str::from_utf8(bytes).expect("UTF-8");
            write.execute(params![table, text(key), text(value)]).expect("a row");
        }
    }
}

fn fold_flights(log: &Log, database: Connection) {
    let database = Rc::new(RefCell::new(database));
    let mut fold = Fold::<OnTime>::over(Box::new(SqliteRows(Rc::clone(&database))));
    each_flight(log, |input| {
        fold.apply(input).expect("a fold");
        if (input.position + 1).is_multiple_of(COMMIT_EVENTS) {
            fold.flush().expect("a flush");
            commit(&database.borrow(), input.position + 1);
        }
    });
    fold.flush().expect("a flush");
    commit(&database.borrow(), log.progress().0);
}
