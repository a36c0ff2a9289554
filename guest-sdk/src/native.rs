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
    upcasters: Vec<Upcasting>,
}

/// More steps than a chain has: a host refuses one that goes round in a circle.
const STEPS: usize = 100;

/// What the types of a host's own events begin with.
const OF_THE_HOST: &str = "$kinora";

impl<P: Projector> Fold<P> {
    pub fn over(backend: Box<dyn Backend>) -> Self {
        let manifest = P::describe();
        let rows = Rows::new(backend, manifest.tables.iter().map(|table| table.name));
        Self { manifest, projector: P::default(), rows, upcasters: Vec::new() }
    }

    /// Brings events along with an upcaster.
    pub fn upcast(&mut self, upcasting: Upcasting) {
        self.upcasters.push(upcasting);
    }

    /// Applies an event that the projector handles, takes along one that there is a step for, and passes over one that
    /// it ignores.
    ///
    /// # Errors
    /// The fault that the projector or an upcaster answers; also where this type and schema is neither handled nor
    /// ignored.
    pub fn apply(&mut self, input: &Input<'_>) -> Result<(), Fault> {
        self.route(input, 0)
            .map_err(|fault| Fault { position: fault.position.or(Some(input.position)), message: fault.message })
    }

    /// As a host routes events: to the projector, to an upcaster, past it, and otherwise nowhere.
    fn route(&mut self, input: &Input<'_>, steps: usize) -> Result<(), Fault> {
        let Input { kind, schema, .. } = *input;
        if self.manifest.handles.iter().any(|(name, version)| *name == kind && *version == schema) {
            let needed = Input {
                metadata: input.metadata.filter(|_| self.manifest.needs_metadata),
                tags: if self.manifest.needs_tags { input.tags } else { "" },
                ..*input
            };
            return self.projector.apply(&needed.event(), &mut self.rows);
        }
        if steps > STEPS {
            return Err(input.event().fault(format!("the upcasters bring {kind} schema {schema} back to itself")));
        }
        for upcaster in 0..self.upcasters.len() {
            let made = self.upcasters.get(upcaster).map_or(Ok(None), |upcasting| upcasting.run(input))?;
            if let Some(made) = made {
                let mut made = made.iter();
                return made.try_for_each(|(kind, schema, data)| {
                    self.route(&Input { kind, schema: *schema, data, ..*input }, steps + 1)
                });
            }
        }
        // `*` is meant for other types, not for a schema of a handled type that nobody has thought of. The host's own
        // events are about projections, so only a projector that names them is interested.
        let handled = self.manifest.handles.iter().any(|(name, _)| *name == kind);
        let passes = |name: &&'static str| *name == kind || (*name == "*" && !handled);
        if self.manifest.ignores.iter().any(passes) || (kind.starts_with(OF_THE_HOST) && !handled) {
            return Ok(());
        }
        Err(input.event().fault(format!("{kind} schema {schema} is neither handled nor ignored")))
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
    /// Brings events along with an upcaster.
    pub fn upcast(&mut self, upcasting: Upcasting) {
        self.fold.upcast(upcasting);
    }

    /// Applies an event that the projector handles, takes along one that there is a step for, and passes over one that
    /// it ignores.
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
        let upcasters = std::mem::take(&mut self.fold.upcasters);
        self.fold = Fold { upcasters, ..Fold::over(Box::new(Memory(Rc::clone(&self.tables)))) };
        Ok(())
    }

    /// The JSON text of a row as of the last flush.
    pub fn row(&self, table: &str, key: &str) -> Option<String> {
        let index = self.table(table)?;
        let row = self.tables.borrow().get(index)?.get(key)?.clone();
        String::from_utf8(row).ok()
    }

    /// The rows of a table in the order of their keys, as of the last flush: keys and JSON texts.
    pub fn rows(&self, table: &str) -> Vec<(String, String)> {
        let tables = self.tables.borrow();
        let rows = self.table(table).and_then(|index| tables.get(index)).into_iter().flatten();
        rows.map(|(key, row)| (key.to_string(), String::from_utf8_lossy(row).into_owned())).collect()
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
