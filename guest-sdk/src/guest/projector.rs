//! A projector as a component.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use crate::event::Fault;
use crate::export::ProjectorComponent;
use crate::manifest::{Manifest, Partition};
use crate::projector::{Projector, QueryError};
use crate::rows::{Backend, Column, Rows, Stored};

use super::bindings::kinora::engine::{projection, rows, types};
use super::bindings::{self, Batch, Texts};
use super::{BROKEN_BATCH, CURRENT, NO_EVENT, events, report_panics, text};

/// The rows that the host keeps.
struct Host;

impl Backend for Host {
    fn get_many(&mut self, table: u32, keys: Column) -> Column {
        let found = rows::get_many(table, &texts(keys));
        Column { ends: found.ends, bytes: found.bytes }
    }

    fn scan(&mut self, table: u32, start: Option<&str>, end: Option<&str>, reverse: bool, limit: u32) -> Vec<Stored> {
        let range = rows::Range { start: start.map(Into::into), end: end.map(Into::into), reverse };
        let page = rows::scan(table, &range, limit);
        let row = |index: usize| {
            let key = std::str::from_utf8(text(&page.keys, index)?).ok()?;
            Some((key.to_owned(), text(&page.values, index)?.to_vec()))
        };
        (0..page.keys.ends.len()).map_while(row).collect()
    }

    fn write(&mut self, table: u32, keys: Column, values: Column) {
        rows::write(table, &texts(keys), &texts(values));
    }
}

fn texts(column: Column) -> Texts {
    Texts { ends: column.ends, bytes: column.bytes }
}

thread_local! {
    /// The projector of this component, from the first call on.
    static INSTANCE: RefCell<Option<Box<dyn Calls>>> = const { RefCell::new(None) };
}

/// What the host calls of a projector, whatever its type.
trait Calls {
    fn apply(&mut self, batch: &Batch) -> Result<(), bindings::Fault>;
    fn flush(&mut self) -> Result<(), bindings::Fault>;
    fn query(&mut self, name: &str, arguments: &str) -> Result<String, bindings::QueryError>;
}

fn with_instance<P: Projector, T>(call: impl FnOnce(&mut dyn Calls) -> T) -> T {
    INSTANCE.with_borrow_mut(|instance| call(&mut **instance.get_or_insert_with(|| Box::<Instance<P>>::default())))
}

impl<C: ProjectorComponent> bindings::Guest for C {
    fn describe() -> bindings::Manifest {
        report_panics();
        manifest(C::Projector::describe())
    }

    fn apply(events: Batch) -> Result<(), bindings::Fault> {
        with_instance::<C::Projector, _>(|instance| instance.apply(&events))
    }

    fn flush() -> Result<(), bindings::Fault> {
        with_instance::<C::Projector, _>(|instance| instance.flush())
    }

    fn query(name: String, arguments: String) -> Result<String, bindings::QueryError> {
        with_instance::<C::Projector, _>(|instance| instance.query(&name, &arguments))
    }
}

fn manifest(manifest: Manifest) -> bindings::Manifest {
    let table = |table: crate::manifest::TableEntry| projection::Table {
        name: table.name.into(),
        key: table.key.into(),
        schema: table.schema.text(),
        indexes: table
            .indexes
            .into_iter()
            .map(|index| projection::Index {
                name: index.name.into(),
                paths: index.paths.iter().map(|path| (*path).into()).collect(),
                unique: index.unique,
            })
            .collect(),
        history: table.history,
    };
    let query = |query: crate::manifest::QueryEntry| projection::NamedQuery {
        name: query.name.into(),
        description: query.description.into(),
        arguments: query.arguments.and_then(|schema| schema.text()),
        answer: query.answer.and_then(|schema| schema.text()),
    };
    let handles = manifest.handles.iter();
    bindings::Manifest {
        name: manifest.name.into(),
        handles: handles.map(|(name, schema)| types::EventType { name: (*name).into(), schema: *schema }).collect(),
        ignores: manifest.ignores.into_iter().map(Into::into).collect(),
        tables: manifest.tables.into_iter().map(table).collect(),
        queries: manifest.queries.into_iter().map(query).collect(),
        needs: needs(manifest.needs_metadata, manifest.needs_tags),
        partition: manifest.partition.map(|partition| match partition {
            Partition::Stream => projection::PartitionBy::Stream,
            Partition::Tag(prefix) => projection::PartitionBy::Tag(prefix.into()),
        }),
    }
}

/// A projector with what it needs between calls.
struct Instance<P> {
    manifest: Manifest,
    projector: P,
    rows: Rows,
    /// Whether the last batch read many rows ([`READS_FROM_ONE_IN`]), so that those of the next one are read at once.
    reads_much: bool,
}

/// Rows are read ahead where more than one event in this many needs one that is not in memory.
const READS_FROM_ONE_IN: usize = 16;

impl<P: Projector> Default for Instance<P> {
    fn default() -> Self {
        report_panics();
        let manifest = P::describe();
        let rows = Rows::new(Box::new(Host), manifest.tables.iter().map(|table| table.name));
        Self { manifest, projector: P::default(), rows, reads_much: false }
    }
}

impl<P: Projector> Calls for Instance<P> {
    fn apply(&mut self, batch: &Batch) -> Result<(), bindings::Fault> {
        if self.reads_much {
            let found = events(batch, &self.manifest.handles).flatten();
            let fetched = self.rows.fetch(|wanted| found.for_each(|event| P::touches(&event, wanted)));
            fetched.map_err(|fault| bindings::Fault { position: fault.position, message: fault.message })?;
        }
        for (event, position) in events(batch, &self.manifest.handles).zip(&batch.positions) {
            CURRENT.store(*position, Ordering::Relaxed);
            let result = match event {
                Some(event) => self.projector.apply(&event, &mut self.rows),
                None => Err(Fault::new(BROKEN_BATCH)),
            };
            result.map_err(|fault| bindings::Fault {
                position: fault.position.or(Some(*position)),
                message: fault.message,
            })?;
        }
        CURRENT.store(NO_EVENT, Ordering::Relaxed);
        self.reads_much = self.rows.read_since() * READS_FROM_ONE_IN > batch.positions.len();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), bindings::Fault> {
        self.rows.flush().map_err(|fault| bindings::Fault { position: fault.position, message: fault.message })
    }

    fn query(&mut self, name: &str, arguments: &str) -> Result<String, bindings::QueryError> {
        self.projector.query(name, arguments, &mut self.rows).map_err(|error| match error {
            QueryError::InvalidArguments(why) => bindings::QueryError::InvalidArguments(why),
            QueryError::Failed(why) => bindings::QueryError::Failed(why),
        })
    }
}

fn needs(metadata: bool, tags: bool) -> types::Needs {
    let flag = |wanted, flag| if wanted { flag } else { types::Needs::empty() };
    flag(metadata, types::Needs::METADATA) | flag(tags, types::Needs::TAGS)
}
