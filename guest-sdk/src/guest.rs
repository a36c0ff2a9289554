//! The WebAssembly side: what `export_projector!` calls.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::{Event, Fault};
use crate::manifest::Manifest;
use crate::rows::{Backend, Rows, Written};
use crate::runtime::{Projector, QueryError};

#[allow(unsafe_code, clippy::all, missing_docs)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "projector",
        pub_export_macro: true,
        default_bindings_module: "kinora_sdk::guest::bindings",
    });
    pub use kinora::engine::types::Texts;
}

use bindings::kinora::engine::{diagnostics, rows};
use bindings::{Batch, Texts};

/// No event is being applied.
const NO_EVENT: u64 = u64::MAX;

/// The position of the event that is being applied, for the panic handler.
static CURRENT: AtomicU64 = AtomicU64::new(NO_EVENT);

static PANIC_HANDLER: Once = Once::new();

fn report_panics() {
    PANIC_HANDLER.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let current = CURRENT.load(Ordering::Relaxed);
            diagnostics::panicked((current != NO_EVENT).then_some(current), &panic.to_string());
        }));
    });
}

/// The rows that the host keeps.
struct Host;

impl Backend for Host {
    fn get(&mut self, table: u32, key: &str) -> Option<Vec<u8>> {
        let found = rows::get_many(table, &column([key.as_bytes()].into_iter())).bytes;
        (!found.is_empty()).then_some(found)
    }

    fn write(&mut self, table: u32, written: Vec<Written>) {
        let keys = column(written.iter().map(|(key, _)| key.as_bytes()));
        let values = column(written.iter().map(|(_, row)| row.as_deref().unwrap_or_default()));
        rows::write(table, &keys, &values);
    }
}

fn column<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Texts {
    let mut column = Texts { ends: Vec::new(), bytes: Vec::new() };
    for text in texts {
        column.bytes.extend_from_slice(text);
        // The address space ends where a u32 does.
        column.ends.push(column.bytes.len() as u32);
    }
    column
}

pub fn describe<P: Projector>() -> bindings::Manifest {
    report_panics();
    let manifest = P::describe();
    let table = |table: crate::manifest::TableEntry| bindings::Table {
        name: table.name.into(),
        key: table.key.into(),
        indexes: table
            .indexes
            .into_iter()
            .map(|(name, paths)| bindings::Index {
                name: name.into(),
                paths: paths.iter().map(|path| (*path).into()).collect(),
            })
            .collect(),
    };
    let query =
        |(name, description): (&str, &str)| bindings::NamedQuery { name: name.into(), description: description.into() };
    let handles = manifest.handles.iter();
    bindings::Manifest {
        name: manifest.name.into(),
        handles: handles.map(|(name, schema)| bindings::EventType { name: (*name).into(), schema: *schema }).collect(),
        ignores: manifest.ignores.into_iter().map(Into::into).collect(),
        tables: manifest.tables.into_iter().map(table).collect(),
        queries: manifest.queries.into_iter().map(query).collect(),
        needs: bindings::Needs::empty(),
    }
}

/// A projector with what it needs between calls.
pub struct Instance<P> {
    manifest: Manifest,
    projector: P,
    rows: Rows,
}

impl<P: Projector> Default for Instance<P> {
    fn default() -> Self {
        report_panics();
        let manifest = P::describe();
        let rows = Rows::new(Box::new(Host), manifest.tables.iter().map(|table| table.name));
        Self { manifest, projector: P::default(), rows }
    }
}

impl<P: Projector> Instance<P> {
    pub fn apply(&mut self, batch: &Batch) -> Result<(), bindings::Fault> {
        for (index, position) in batch.positions.iter().enumerate() {
            CURRENT.store(*position, Ordering::Relaxed);
            let result = match self.event(batch, index) {
                Some(event) => self.projector.apply(&event, &mut self.rows),
                None => Err(Fault::new("the host handed over a batch that is not what the contract says")),
            };
            result.map_err(|fault| bindings::Fault {
                position: fault.position.or(Some(*position)),
                message: fault.message,
            })?;
        }
        CURRENT.store(NO_EVENT, Ordering::Relaxed);
        Ok(())
    }

    fn event<'a>(&self, batch: &'a Batch, index: usize) -> Option<Event<'a>> {
        let (kind, schema) = *self.manifest.handles.get(*batch.kinds.get(index)? as usize)?;
        Some(Event {
            position: *batch.positions.get(index)?,
            revision: *batch.revisions.get(index)?,
            time: *batch.times.get(index)?,
            kind,
            schema,
            stream: std::str::from_utf8(text(&batch.streams, index)?).ok()?,
            payload: text(&batch.payloads, index)?,
        })
    }

    pub fn flush(&mut self) -> Result<(), bindings::Fault> {
        self.rows.flush().map_err(|fault| bindings::Fault { position: fault.position, message: fault.message })
    }

    pub fn query(&mut self, name: &str, arguments: &str) -> Result<String, bindings::QueryError> {
        self.projector.query(name, arguments, &mut self.rows).map_err(|error| match error {
            QueryError::InvalidArguments(why) => bindings::QueryError::InvalidArguments(why),
            QueryError::Failed(why) => bindings::QueryError::Failed(why),
        })
    }
}

fn text(column: &Texts, index: usize) -> Option<&[u8]> {
    let start = match index.checked_sub(1) {
        Some(previous) => *column.ends.get(previous)? as usize,
        None => 0,
    };
    column.bytes.get(start..*column.ends.get(index)? as usize)
}
