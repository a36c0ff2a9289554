//! The reading side of a read model: all of it as it was at one moment.

use std::sync::Arc;

use kinora_types::{Budget, Progress, TableSpec};
use rocksdb::DB;
use self_cell::self_cell;
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::layout::keys;
use crate::layout::shown::shown_row;
use crate::rows::cached_rows::{CachedRows, Moment};
use crate::rows::idle::Idle;
use crate::rows::range::KeyRange;
use crate::rows::scan::{Most, Scanned};
use crate::rows::view::{Entries, View};
use crate::rows::writes::Writes;

type Pinned<'a> = rocksdb::Snapshot<'a>;

self_cell!(
    struct Cell {
        owner: Arc<DB>,
        #[covariant]
        dependent: Pinned,
    }
);

/// A read model at one checkpoint. Holding one keeps old rows on disk, so drop it soon.
pub struct Snapshot {
    cell: Cell,
    tables: Arc<[TableSpec]>,
    cached: Arc<CachedRows>,
    /// Which rows in memory are those of this snapshot.
    moment: Option<Moment>,
    idle: Idle,
    checkpoint: Progress,
}

impl Snapshot {
    pub(crate) fn new(db: Arc<DB>, tables: Arc<[TableSpec]>, cached: Arc<CachedRows>) -> Result<Self, Error> {
        let moment = cached.moment();
        let idle = Idle::new(Arc::clone(&db));
        let cell = Cell::new(db, |db| db.snapshot());
        let moment = moment.filter(|_| moment == cached.moment());
        let mut snapshot = Self { cell, tables, cached, moment, idle, checkpoint: Progress::default() };
        snapshot.checkpoint = snapshot.view().checkpoint()?;
        Ok(snapshot)
    }

    /// How many events these rows stand for.
    pub fn checkpoint(&self) -> Progress {
        self.checkpoint
    }

    pub fn tables(&self) -> &[TableSpec] {
        &self.tables
    }

    /// The number and declaration of a table.
    pub fn table(&self, name: &str) -> Result<(u16, &TableSpec), Error> {
        (0..).zip(self.tables.iter()).find(|(_, table)| table.name == name).ok_or_else(|| Error::UnknownTable {
            table: name.to_owned(),
            known: self.tables.iter().map(|table| table.name.clone()).collect(),
        })
    }

    /// A row as readers get it.
    pub fn get(&self, table: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let (number, table) = self.table(table)?;
        let found = self.get_many(number, &[key])?.pop().flatten();
        found.map(|row| shown_row(table, row)).transpose()
    }

    /// Rows as they are stored.
    pub fn get_many(&self, table: u16, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.view().get_many(table, keys)
    }

    /// Rows as they are stored.
    pub fn scan(&self, table: u16, range: &KeyRange, most: &Most<'_>) -> Result<Scanned, Error> {
        self.view().scan(table, range, most, &Writes::default())
    }

    /// All rows of a table in the order of their keys (which stand after [`keys::ROW_PREFIX_BYTES`]).
    pub(crate) fn rows<'a>(&'a self, table: u16, budget: &'a Budget) -> Entries<'a> {
        let prefix = keys::rows(table);
        self.view().within(budget).iterate(&prefix, &keys::after(&prefix), false)
    }

    /// The rows of a range of a table's keys, read as a sweep. Keys stand after [`keys::ROW_PREFIX_BYTES`].
    pub(crate) fn rows_of<'a>(&'a self, table: u16, range: &KeyRange, budget: &'a Budget) -> Entries<'a> {
        let prefix = keys::rows(table);
        let lower = range.start.as_deref().map_or_else(|| prefix.clone(), |start| keys::row(table, start));
        let upper = range.end.as_deref().map_or_else(|| keys::after(&prefix), |end| keys::row(table, end));
        self.view().within(budget).sweep(&lower, &upper)
    }

    /// A digest of all rows of all tables: equal rows, equal digests.
    pub fn digest(&self, budget: &Budget) -> Result<[u8; 32], Error> {
        let mut digest = Sha256::new();
        for (ordinal, table) in (0..).zip(self.tables.iter()) {
            let mut feed = |bytes: &[u8]| {
                digest.update((bytes.len() as u64).to_be_bytes());
                digest.update(bytes);
            };
            feed(table.name.as_bytes());
            let mut rows = self.rows(ordinal, budget);
            while let Some((key, row)) = rows.current() {
                feed(key);
                feed(row);
                rows.advance();
            }
            rows.end()?;
        }
        Ok(digest.finalize().into())
    }

    pub(crate) fn view(&self) -> View<'_> {
        let cached = self.moment.map(|moment| (&*self.cached, moment));
        View::of(self.cell.borrow_owner(), self.cell.borrow_dependent(), cached)
    }

    /// The same, of what is in memory.
    pub(crate) fn in_memory(&self) -> View<'_> {
        self.view().in_memory(&self.idle)
    }
}
