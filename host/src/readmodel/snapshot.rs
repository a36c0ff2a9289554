//! The reading side of a read model: all of it as it was at one moment.

use std::sync::Arc;

use rocksdb::DB;
use self_cell::self_cell;
use sha2::{Digest as _, Sha256};

use crate::event::Progress;

use super::error::Error;
use super::plan::{ListQuery, Plan};
use super::store::parse;
use super::view::{Entries, View};
use super::{KeyRange, TableSpec, Writes, keys};

/// Entries that one page looks at: a filter that matches few of them ends the page early, with a cursor.
const VISITED_ENTRIES: usize = 20_000;

type Pinned<'a> = rocksdb::Snapshot<'a>;

self_cell!(
    struct Cell {
        owner: Arc<DB>,
        #[covariant]
        dependent: Pinned,
    }
);

/// A read model at one checkpoint. Holding one keeps old rows on disk, so let go of it soon.
pub struct Snapshot {
    cell: Cell,
    tables: Arc<[TableSpec]>,
    checkpoint: Progress,
}

/// A row: its key, and the JSON text that the projector wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: String,
    pub json: String,
}

/// Some rows of a list. May be empty although more follow.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Snapshot {
    pub(super) fn new(db: Arc<DB>, tables: Arc<[TableSpec]>) -> Result<Self, Error> {
        let cell = Cell::new(db, |db| db.snapshot());
        let mut snapshot = Self { cell, tables, checkpoint: Progress::default() };
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

    pub fn get(&self, table: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let (table, _) = self.table(table)?;
        Ok(self.get_many(table, &[key])?.pop().flatten())
    }

    pub fn get_many(&self, table: u16, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.view().get_many(table, keys)
    }

    pub fn scan(
        &self,
        table: u16,
        range: &KeyRange,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.view().scan(table, range, limit, max_bytes, &Writes::default())
    }

    /// Rows by an index or by key, a page of them.
    pub fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        let (ordinal, table) = self.table(&query.table)?;
        let plan = Plan::new(ordinal, table, query)?;
        let view = self.view();
        let mut entries = view.iterate(&plan.lower, &plan.upper, plan.reverse);
        if let Some(after) = &plan.after {
            entries.beyond(after);
        }
        let mut page = Page { rows: Vec::new(), next: None };
        let mut visited = 0;
        let mut last = Vec::new();
        while let Some((entry, value)) = entries.current() {
            if page.rows.len() == query.limit || visited == VISITED_ENTRIES {
                page.next = Some(plan.cursor(&last));
                return Ok(page);
            }
            visited += 1;
            let key = plan.row_key(entry)?;
            let json = match plan.index {
                None => value.to_vec(),
                Some(_) => view.get_many(ordinal, &[&key])?.pop().flatten().ok_or_else(|| {
                    Error::Corrupt(format!(
                        "an index of table {:?} names row {key:?}, which does not exist",
                        table.name
                    ))
                })?,
            };
            last.clear();
            last.extend_from_slice(entry);
            if plan.filters.is_empty() || plan.accepts(&key, &parse(&table.name, &key, &json)?) {
                page.rows.push(Row { json: text(&table.name, &key, json)?, key });
            }
            entries.advance();
        }
        entries.end()?;
        Ok(page)
    }

    /// All rows of a table in the order of their keys (which stand after [`keys::ROW_PREFIX_BYTES`]).
    pub(super) fn rows(&self, table: u16) -> Entries<'_> {
        let prefix = keys::rows(table);
        self.view().iterate(&prefix, &keys::after(&prefix), false)
    }

    /// A digest of all rows of all tables: equal rows, equal digests.
    pub fn digest(&self) -> Result<[u8; 32], Error> {
        let mut digest = Sha256::new();
        for (ordinal, table) in (0..).zip(self.tables.iter()) {
            let mut feed = |bytes: &[u8]| {
                digest.update((bytes.len() as u64).to_be_bytes());
                digest.update(bytes);
            };
            feed(table.name.as_bytes());
            let mut rows = self.rows(ordinal);
            while let Some((key, row)) = rows.current() {
                feed(key);
                feed(row);
                rows.advance();
            }
            rows.end()?;
        }
        Ok(digest.finalize().into())
    }

    fn view(&self) -> View<'_> {
        View::new(self.cell.borrow_owner(), Some(self.cell.borrow_dependent()))
    }
}

fn text(table: &str, key: &str, row: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(row).map_err(|_| Error::Corrupt(format!("row {key:?} of table {table:?} is not UTF-8")))
}
