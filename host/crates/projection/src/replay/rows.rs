//! Rows that an instance reaches: those of its version with its own uncommitted writes, or a snapshot for a query.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use kinora_readmodel as readmodel;
use kinora_readmodel::{KeyRange, Snapshot, Store, Writes};
use kinora_sandbox::{Category, Failure, Most, Range, RowAccess, Scanned};

/// Shared between a runner, which commits the writes, and its guest, which makes them.
#[derive(Clone)]
pub struct VersionRows {
    store: Arc<Store>,
    pending: Arc<Mutex<Writes>>,
    /// The names of the parts of composite keys, by table.
    parts: Arc<[Vec<String>]>,
    committing: Arc<Committing>,
    reads: Arc<Reads>,
    /// Bytes that may wait for a commit.
    max_bytes: usize,
}

/// Rows that guests have asked for, and their bytes.
#[derive(Default)]
struct Reads {
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// The writes of a commit that is under way on another thread: for the guest, they are done.
#[derive(Default)]
pub struct Committing {
    writes: Mutex<Option<Arc<Writes>>>,
    done: Condvar,
}

impl Committing {
    fn writes(&self) -> MutexGuard<'_, Option<Arc<Writes>>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin(&self, writes: Arc<Writes>) {
        *self.writes() = Some(writes);
    }

    pub fn end(&self) {
        *self.writes() = None;
        self.done.notify_all();
    }

    /// Waits until no commit is under way.
    pub fn wait(&self) {
        let waited = self.done.wait_while(self.writes(), |writes| writes.is_some());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl VersionRows {
    pub fn new(store: Arc<Store>, max_bytes: usize) -> Self {
        let parts = store.tables().iter().map(|table| table.parts().map(str::to_owned).collect()).collect();
        let (pending, committing, reads) = Default::default();
        Self { store, pending, parts, committing, reads, max_bytes }
    }

    fn check_parts(&self, table: u16, key: &str) -> Result<(), Failure> {
        let Some(parts) = self.parts.get(usize::from(table)).filter(|parts| !parts.is_empty()) else { return Ok(()) };
        let found = key.split('/');
        if found.clone().count() == parts.len() && found.clone().all(|part| !part.is_empty()) {
            return Ok(());
        }
        let message = format!("key {key:?} is not of the parts that describe() declares: {}", parts.join("/"));
        Err(Failure::new(Category::Rule, message))
    }

    /// The same rows for one of `count` instances side by side, with uncommitted writes of its own. Together they may
    /// hold as many bytes as one alone.
    pub fn beside(&self, count: usize) -> Self {
        Self { pending: Arc::default(), max_bytes: self.max_bytes / count.max(1), ..self.clone() }
    }

    /// The lock is never contended: the guest runs on the runner's thread, or waits for it.
    pub fn pending(&self) -> MutexGuard<'_, Writes> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn committing(&self) -> &Arc<Committing> {
        &self.committing
    }

    /// Rows that were asked for since this was asked last, and their bytes.
    pub fn reads_since(&self) -> (u64, u64) {
        (self.reads.rows.swap(0, Ordering::Relaxed), self.reads.bytes.swap(0, Ordering::Relaxed))
    }
}

/// A table by the number that a guest gave it.
fn ordinal(table: u32, tables: usize) -> Result<u16, Failure> {
    let known = u16::try_from(table).ok().filter(|table| usize::from(*table) < tables);
    known.ok_or_else(|| {
        Failure::new(Category::Rule, format!("there is no table number {table}, describe() declares {tables}"))
    })
}

/// What a guest asks for, as the store takes it.
pub fn key_range(range: &Range) -> KeyRange {
    KeyRange { start: range.start.clone(), end: range.end.clone(), reverse: range.reverse }
}

pub fn at_most<'a>(most: &Most<'a>) -> readmodel::Most<'a> {
    readmodel::Most { rows: most.rows, bytes: most.bytes, entries: most.entries, budget: most.budget }
}

/// What a scan has found, for a guest.
pub fn scanned(found: Result<readmodel::Scanned, readmodel::Error>, most: &Most<'_>) -> Result<Scanned, Failure> {
    match found {
        Ok(readmodel::Scanned { rows, entries }) => Ok(Scanned { rows, entries }),
        Err(readmodel::Error::TooManyEntries { .. }) => Err(most.exceeded()),
        Err(cause) => Err(unread(cause)),
    }
}

/// Why rows could not be read.
pub fn unread(cause: readmodel::Error) -> Failure {
    match cause {
        readmodel::Error::Exhausted(why) => Failure::exhausted(why),
        cause => Failure::storage(cause),
    }
}

impl RowAccess for VersionRows {
    fn get_many(&mut self, table: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let table = ordinal(table, self.store.tables().len())?;
        self.reads.rows.fetch_add(keys.len() as u64, Ordering::Relaxed);
        let committing = self.committing.writes().clone();
        let pending = self.pending();
        let written = |key: &str| pending.get(table, key).or_else(|| committing.as_ref()?.get(table, key));
        let written: Vec<_> = keys.iter().map(|key| written(key)).collect();
        let missing: Vec<_> = keys.iter().zip(&written).filter(|(_, row)| row.is_none()).map(|(key, _)| *key).collect();
        let mut stored = self.store.get_many(table, &missing).map_err(Failure::storage)?.into_iter();
        let row = |written: &Option<Option<&[u8]>>| match written {
            Some(row) => row.map(<[u8]>::to_vec),
            None => stored.next().flatten(),
        };
        let rows: Vec<_> = written.iter().map(row).collect();
        let bytes = rows.iter().flatten().map(Vec::len).sum::<usize>() as u64;
        self.reads.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(rows)
    }

    fn scan(&mut self, table: u32, range: &Range, most: &Most<'_>) -> Result<Scanned, Failure> {
        let table = ordinal(table, self.store.tables().len())?;
        self.committing.wait();
        let pending = self.pending();
        scanned(self.store.scan(table, &key_range(range), &at_most(most), &pending), most)
    }

    fn write(&mut self, table: u32, key: &str, value: Option<&[u8]>) -> Result<(), Failure> {
        let table = ordinal(table, self.store.tables().len())?;
        self.check_parts(table, key)?;
        // One row can have gigabytes of entries: they are counted before anybody makes them.
        let weight = value.map_or(Ok(0), |row| self.store.index_bytes(table, key, row)).map_err(Failure::storage)?;
        let mut pending = self.pending();
        pending.set_weighing(table, key, value, weight);
        if pending.bytes() > self.max_bytes {
            let message = format!("the rows and index entries of one commit have {} bytes", pending.bytes());
            return Err(Failure::over(Category::Rule, message, "commit_bytes", self.max_bytes as u64));
        }
        Ok(())
    }
}

/// For named queries: one snapshot, read only.
pub struct SnapshotRows(pub Arc<Snapshot>);

impl RowAccess for SnapshotRows {
    fn get_many(&mut self, table: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let table = ordinal(table, self.0.tables().len())?;
        self.0.get_many(table, keys).map_err(Failure::storage)
    }

    fn scan(&mut self, table: u32, range: &Range, most: &Most<'_>) -> Result<Scanned, Failure> {
        let table = ordinal(table, self.0.tables().len())?;
        scanned(self.0.scan(table, &key_range(range), &at_most(most)), most)
    }

    fn write(&mut self, _: u32, _: &str, _: Option<&[u8]>) -> Result<(), Failure> {
        Err(Failure::new(Category::Rule, "query() must not write rows"))
    }
}
