//! What a projector's `rows` are: those of its version with its own uncommitted writes, or a snapshot for a query.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::readmodel::{KeyRange, Snapshot, Store, Writes};
use crate::sandbox::{Category, Failure, Range, RowAccess};

/// Shared between a runner, which commits the writes, and its guest, which makes them.
#[derive(Clone)]
pub struct VersionRows {
    store: Arc<Store>,
    pending: Arc<Mutex<Writes>>,
    /// The names of the parts of composite keys, by table.
    parts: Arc<[Vec<String>]>,
    /// Bytes that may wait for a commit.
    max_bytes: usize,
}

impl VersionRows {
    pub fn new(store: Arc<Store>, max_bytes: usize) -> Self {
        let parts = store.tables().iter().map(|table| table.parts().map(str::to_owned).collect()).collect();
        Self { store, pending: Arc::default(), parts, max_bytes }
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

    /// The lock is never contended: the guest runs on the runner's thread.
    pub fn pending(&self) -> MutexGuard<'_, Writes> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A table by the number that a guest gave it.
fn ordinal(table: u32, tables: usize) -> Result<u16, Failure> {
    let known = u16::try_from(table).ok().filter(|table| usize::from(*table) < tables);
    known.ok_or_else(|| {
        Failure::new(Category::Rule, format!("there is no table number {table}, describe() declares {tables}"))
    })
}

fn key_range(range: &Range) -> KeyRange {
    KeyRange { start: range.start.clone(), end: range.end.clone(), reverse: range.reverse }
}

impl RowAccess for VersionRows {
    fn get_many(&mut self, table: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let table = ordinal(table, self.store.tables().len())?;
        let pending = self.pending();
        if pending.is_empty() {
            drop(pending);
            return self.store.get_many(table, keys).map_err(Failure::storage);
        }
        let written: Vec<_> = keys.iter().map(|key| pending.get(table, key)).collect();
        let missing: Vec<_> = keys.iter().zip(&written).filter(|(_, row)| row.is_none()).map(|(key, _)| *key).collect();
        let mut stored = self.store.get_many(table, &missing).map_err(Failure::storage)?.into_iter();
        let row = |written: &Option<&_>| match written {
            Some(row) => Option::<Box<[u8]>>::clone(row).map(Vec::from),
            None => stored.next().flatten(),
        };
        Ok(written.iter().map(row).collect())
    }

    fn scan(
        &mut self,
        table: u32,
        range: &Range,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let table = ordinal(table, self.store.tables().len())?;
        let pending = self.pending();
        self.store.scan(table, &key_range(range), limit, max_bytes, &pending).map_err(Failure::storage)
    }

    fn write(&mut self, table: u32, key: &str, value: Option<&[u8]>) -> Result<(), Failure> {
        let table = ordinal(table, self.store.tables().len())?;
        self.check_parts(table, key)?;
        let mut pending = self.pending();
        pending.set(table, key, value);
        if pending.bytes() > self.max_bytes {
            let message = format!(
                "the rows of one commit have {} bytes, the limit commit_bytes is {}",
                pending.bytes(),
                self.max_bytes
            );
            return Err(Failure::new(Category::Rule, message));
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

    fn scan(
        &mut self,
        table: u32,
        range: &Range,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let table = ordinal(table, self.0.tables().len())?;
        self.0.scan(table, &key_range(range), limit, max_bytes).map_err(Failure::storage)
    }

    fn write(&mut self, _: u32, _: &str, _: Option<&[u8]>) -> Result<(), Failure> {
        Err(Failure::new(Category::Rule, "query() must not write rows"))
    }
}
