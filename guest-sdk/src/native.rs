//! Running a projector natively, with its rows in memory: the same code without WebAssembly and without a host.
//!
//! For unit tests there is [`crate::testing`], which is built on this.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::event::{Event, Fault};
use crate::manifest::Manifest;
use crate::rows::{Backend, Column, Rows, Stored};
use crate::runtime::{Projector, QueryError};

/// The rows of one table: JSON texts by key.
type Tables = Rc<RefCell<Vec<BTreeMap<Box<str>, Vec<u8>>>>>;

struct Memory(Tables);

impl Backend for Memory {
    fn get(&mut self, table: u32, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(table as usize)?.get(key).cloned()
    }

    fn scan(&mut self, table: u32, start: Option<&str>, end: Option<&str>, reverse: bool, limit: u32) -> Vec<Stored> {
        let tables = self.0.borrow();
        let empty = start.zip(end).is_some_and(|(start, end)| start >= end);
        let Some(rows) = tables.get(table as usize).filter(|_| !empty) else { return Vec::new() };
        let bounds = (start.map_or(Bound::Unbounded, Bound::Included), end.map_or(Bound::Unbounded, Bound::Excluded));
        let rows = rows.range::<str, _>(bounds).map(|(key, row)| (key.to_string(), row.clone()));
        if reverse { rows.rev().take(limit as usize).collect() } else { rows.take(limit as usize).collect() }
    }

    fn write(&mut self, table: u32, keys: Column, values: Column) {
        let mut tables = self.0.borrow_mut();
        let Some(table) = tables.get_mut(table as usize) else { return };
        for (key, row) in keys.texts().zip(values.texts()) {
            let Ok(key) = std::str::from_utf8(key) else { continue };
            if row.is_empty() {
                table.remove(key);
            } else {
                table.insert(key.into(), row.to_vec());
            }
        }
    }
}

/// An event to run a projector on. Data and metadata are JSON texts.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub position: u64,
    pub revision: u64,
    /// Microseconds since the Unix epoch.
    pub time: u64,
    pub kind: &'a str,
    pub schema: u32,
    pub stream: &'a str,
    pub data: &'a str,
    pub metadata: Option<&'a str>,
    /// Separated by line feeds.
    pub tags: &'a str,
}

impl<'a> Input<'a> {
    pub(crate) fn event(&self) -> Event<'a> {
        Event {
            position: self.position,
            revision: self.revision,
            time: self.time,
            kind: self.kind,
            schema: self.schema,
            stream: self.stream,
            payload: self.data.as_bytes(),
            metadata: self.metadata.unwrap_or_default().as_bytes(),
            tags: self.tags,
        }
    }
}

/// A projector with its rows in memory.
pub struct Runner<P> {
    manifest: Manifest,
    projector: P,
    rows: Rows,
    tables: Tables,
}

impl<P: Projector> Default for Runner<P> {
    fn default() -> Self {
        let manifest = P::describe();
        let tables: Tables = Rc::new(RefCell::new(vec![BTreeMap::new(); manifest.tables.len()]));
        let rows = rows(&manifest, &tables);
        Self { manifest, projector: P::default(), rows, tables }
    }
}

fn rows(manifest: &Manifest, tables: &Tables) -> Rows {
    Rows::new(Box::new(Memory(Rc::clone(tables))), manifest.tables.iter().map(|table| table.name))
}

impl<P: Projector> Runner<P> {
    /// Applies an event that the projector handles, and passes over one that it ignores.
    ///
    /// # Errors
    /// The fault that the projector answers; also where it neither handles nor ignores this type and schema.
    pub fn apply(&mut self, input: &Input<'_>) -> Result<(), Fault> {
        let (event, kind, schema) = (input.event(), input.kind, input.schema);
        if self.manifest.handles.iter().any(|(name, version)| *name == kind && *version == schema) {
            return self.projector.apply(&event, &mut self.rows);
        }
        if self.manifest.ignores.iter().any(|name| *name == kind || *name == "*") {
            return Ok(());
        }
        Err(event.fault(format!("{kind} schema {schema} is neither handled nor ignored")))
    }

    /// Writes what was held back, as a host has it done before a commit.
    ///
    /// # Errors
    /// A row does not encode.
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.rows.flush()
    }

    /// Goes on as a host may after any commit: with a fresh instance, and the rows that were written.
    ///
    /// # Errors
    /// A row does not encode.
    pub fn restart(&mut self) -> Result<(), Fault> {
        self.flush()?;
        self.projector = P::default();
        self.rows = rows(&self.manifest, &self.tables);
        Ok(())
    }

    /// The JSON text of a row as of the last flush.
    pub fn row(&self, table: &str, key: &str) -> Option<String> {
        let index = self.manifest.tables.iter().position(|declared| declared.name == table)?;
        let row = self.tables.borrow().get(index)?.get(key)?.clone();
        String::from_utf8(row).ok()
    }

    /// How many rows a table has as of the last flush.
    pub fn count(&self, table: &str) -> usize {
        let index = self.manifest.tables.iter().position(|declared| declared.name == table);
        index.and_then(|index| self.tables.borrow().get(index).map(BTreeMap::len)).unwrap_or(0)
    }

    /// The answer of a named query.
    ///
    /// # Errors
    /// Those of the projector.
    pub fn query(&mut self, name: &str, arguments: &str) -> Result<String, QueryError> {
        self.projector.query(name, arguments, &mut self.rows)
    }
}
