//! Unit tests of projectors, without WebAssembly: given events, then rows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::event::{Event, Fault};
use crate::manifest::Manifest;
use crate::rows::{Backend, Rows, Written};
use crate::runtime::{Projector, QueryError};

type Stored = Rc<RefCell<BTreeMap<(u32, String), Vec<u8>>>>;

struct Memory(Stored);

impl Backend for Memory {
    fn get(&mut self, table: u32, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(&(table, key.to_owned())).cloned()
    }

    fn write(&mut self, table: u32, rows: Vec<Written>) {
        let mut stored = self.0.borrow_mut();
        for (key, row) in rows {
            match row {
                Some(row) => stored.insert((table, key.into()), row),
                None => stored.remove(&(table, key.into())),
            };
        }
    }
}

/// A projector with its rows in memory.
pub struct Scenario<P> {
    manifest: Manifest,
    projector: P,
    rows: Rows,
    stored: Stored,
    events: u64,
}

impl<P: Projector> Default for Scenario<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Projector> Scenario<P> {
    pub fn new() -> Self {
        let (manifest, stored) = (P::describe(), Stored::default());
        let rows = rows(&manifest, &stored);
        Self { manifest, projector: P::default(), rows, stored, events: 0 }
    }

    /// Applies an event, with JSON text as its data, as the next one of the log and of a stream `test`.
    ///
    /// # Errors
    /// The fault that the projector answers; also where it does not declare this type and schema.
    pub fn given(&mut self, kind: &str, schema: u32, data: &str) -> Result<&mut Self, Fault> {
        let position = self.events;
        let payload = data.as_bytes();
        let event = Event { position, revision: position, time: position, kind, schema, stream: "test", payload };
        self.events += 1;
        if self.manifest.handles.iter().any(|(name, version)| *name == kind && *version == schema) {
            self.projector.apply(&event, &mut self.rows)?;
        } else if !self.manifest.ignores.iter().any(|name| *name == kind || *name == "*") {
            return Err(event.fault(format!("{kind} schema {schema} is neither handled nor ignored")));
        }
        Ok(self)
    }

    /// Goes on as a host may after any commit: with a fresh instance, and the rows that were written.
    ///
    /// # Errors
    /// A row does not encode.
    pub fn restarted(&mut self) -> Result<&mut Self, Fault> {
        self.rows.flush()?;
        self.projector = P::default();
        self.rows = rows(&self.manifest, &self.stored);
        Ok(self)
    }

    /// The JSON text of a row as a query would see it after the next commit.
    pub fn row(&mut self, table: &str, key: &str) -> Option<String> {
        self.rows.flush().ok()?;
        let index = self.manifest.tables.iter().position(|declared| declared.name == table)?;
        let stored = self.stored.borrow();
        let row = stored.get(&(u32::try_from(index).ok()?, key.to_owned()))?;
        String::from_utf8(row.clone()).ok()
    }

    /// The answer of a named query.
    ///
    /// # Errors
    /// Those of the projector.
    pub fn query(&mut self, name: &str, arguments: &str) -> Result<String, QueryError> {
        self.projector.query(name, arguments, &mut self.rows)
    }
}

fn rows(manifest: &Manifest, stored: &Stored) -> Rows {
    Rows::new(Box::new(Memory(Rc::clone(stored))), manifest.tables.iter().map(|table| table.name))
}
