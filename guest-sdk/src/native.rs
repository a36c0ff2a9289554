//! Native runs of a projector: the same code without WebAssembly and without a host, with its rows in memory
//! ([`Runner`]) or wherever else they are kept ([`Fold`]).
//!
//! For unit tests there is [`crate::testing`], which is built on this.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::event::{Event, Fault};
use crate::manifest::Manifest;
use crate::projector::{Projector, QueryError};
use crate::rows::Rows;
use crate::upcaster::{Made, Steps, Upcaster};

pub use crate::rows::{Backend, Column, Stored};

/// The rows of one table: JSON texts by key.
type Tables = Rc<RefCell<Vec<BTreeMap<Box<str>, Vec<u8>>>>>;

struct Memory(Tables);

impl Backend for Memory {
    fn get_many(&mut self, table: u32, keys: Column) -> Column {
        let (tables, mut found) = (self.0.borrow(), Column::default());
        for key in keys.texts() {
            let key = std::str::from_utf8(key).unwrap_or_default();
            let row = tables.get(table as usize).and_then(|table| table.get(key));
            found.push(row.map_or(&[], Vec::as_slice));
        }
        found
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
            payload: self.data,
            metadata: self.metadata.unwrap_or_default(),
            tags: self.tags,
        }
    }
}

/// A projector that folds events into rows that a `Backend` keeps.
pub struct Fold<P> {
    manifest: Manifest,
    projector: P,
    rows: Rows,
}

impl<P: Projector> Fold<P> {
    pub fn over(backend: Box<dyn Backend>) -> Self {
        let manifest = P::describe();
        let rows = Rows::new(backend, manifest.tables.iter().map(|table| table.name));
        Self { manifest, projector: P::default(), rows }
    }

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
}

/// An event that an upcaster made: type, schema and JSON text.
pub type Output = (&'static str, u32, String);

/// The steps of an upcaster.
pub struct Upcasting(Steps);

impl Upcasting {
    pub fn new<U: Upcaster>() -> Self {
        Self(U::describe())
    }

    /// What one step makes of an event, empty if it drops it; `None` if no step is for this type and schema.
    ///
    /// # Errors
    /// The fault that the step answers.
    pub fn run(&self, input: &Input<'_>) -> Result<Option<Vec<Output>>, Fault> {
        let Some(step) = self.0.steps.iter().find(|step| step.from == (input.kind, input.schema)) else {
            return Ok(None);
        };
        let mut made = Made::default();
        step.apply(&input.event(), &mut made)?;
        let output = |(index, json): (&u32, &[u8])| {
            let (kind, schema) = step.to.get(*index as usize).copied().unwrap_or_default();
            (kind, schema, String::from_utf8_lossy(json).into_owned())
        };
        Ok(Some(made.kinds.iter().zip(made.payloads.texts()).map(output).collect()))
    }
}

/// A projector with its rows in memory.
pub struct Runner<P> {
    fold: Fold<P>,
    tables: Tables,
}

impl<P: Projector> Default for Runner<P> {
    fn default() -> Self {
        let tables: Tables = Rc::new(RefCell::new(vec![BTreeMap::new(); P::describe().tables.len()]));
        Self { fold: Fold::over(Box::new(Memory(Rc::clone(&tables)))), tables }
    }
}

impl<P: Projector> Runner<P> {
    /// Applies an event that the projector handles, and passes over one that it ignores.
    ///
    /// # Errors
    /// As [`Fold::apply`].
    pub fn apply(&mut self, input: &Input<'_>) -> Result<(), Fault> {
        self.fold.apply(input)
    }

    /// Writes what was held back, as a host has it done before a commit.
    ///
    /// # Errors
    /// A row does not encode.
    pub fn flush(&mut self) -> Result<(), Fault> {
        self.fold.flush()
    }

    /// Goes on as a host may after any commit: with a fresh instance, and the rows that were written.
    ///
    /// # Errors
    /// A row does not encode.
    pub fn restart(&mut self) -> Result<(), Fault> {
        self.flush()?;
        self.fold = Fold::over(Box::new(Memory(Rc::clone(&self.tables))));
        Ok(())
    }

    /// The JSON text of a row as of the last flush.
    pub fn row(&self, table: &str, key: &str) -> Option<String> {
        let index = self.table(table)?;
        let row = self.tables.borrow().get(index)?.get(key)?.clone();
        String::from_utf8(row).ok()
    }

    /// How many rows a table has as of the last flush.
    pub fn count(&self, table: &str) -> usize {
        self.table(table).and_then(|index| self.tables.borrow().get(index).map(BTreeMap::len)).unwrap_or(0)
    }

    fn table(&self, name: &str) -> Option<usize> {
        self.fold.manifest.tables.iter().position(|declared| declared.name == name)
    }

    /// The answer of a named query.
    ///
    /// # Errors
    /// Those of the projector.
    pub fn query(&mut self, name: &str, arguments: &str) -> Result<String, QueryError> {
        self.fold.projector.query(name, arguments, &mut self.fold.rows)
    }
}
