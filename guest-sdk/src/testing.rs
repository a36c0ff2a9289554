//! Unit tests of projectors and upcasters, without WebAssembly: given events, then rows.

use crate::event::Fault;
use crate::native::{Input, Output, Runner, Upcasting};
use crate::projector::{Projector, QueryError};
use crate::upcaster::Upcaster;

/// A projector with its rows in memory, and events that follow one another in one stream.
pub struct Scenario<P> {
    runner: Runner<P>,
    events: u64,
}

impl<P: Projector> Default for Scenario<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Projector> Scenario<P> {
    pub fn new() -> Self {
        Self { runner: Runner::default(), events: 0 }
    }

    /// Applies an event, with JSON text as its data, as the next one of the log and of a stream `test`.
    ///
    /// # Errors
    /// The fault that the projector answers; also where it does not declare this type and schema.
    pub fn given(&mut self, kind: &str, schema: u32, data: &str) -> Result<&mut Self, Fault> {
        let position = self.events;
        self.events += 1;
        let (revision, time) = (position, position);
        self.runner.apply(&Input {
            position,
            revision,
            time,
            kind,
            schema,
            stream: "test",
            data,
            metadata: None,
            tags: "",
        })?;
        Ok(self)
    }

    /// Goes on as a host may after any commit: with a fresh instance, and the rows that were written.
    ///
    /// # Errors
    /// A row does not encode.
    pub fn restarted(&mut self) -> Result<&mut Self, Fault> {
        self.runner.restart()?;
        Ok(self)
    }

    /// The JSON text of a row as it would be stored with the next commit: with what readers are not shown.
    pub fn row(&mut self, table: &str, key: &str) -> Option<String> {
        self.runner.flush().ok()?;
        self.runner.row(table, key)
    }

    /// The answer of a named query.
    ///
    /// # Errors
    /// Those of the projector.
    pub fn query(&mut self, name: &str, arguments: &str) -> Result<String, QueryError> {
        self.runner.query(name, arguments)
    }
}

/// What an upcaster makes of an event, in one step: type, schema and JSON text of each output; empty if it is dropped.
///
/// # Errors
/// The fault that the step answers; also where there is no step for this type and schema.
pub fn upcast<U: Upcaster>(kind: &str, schema: u32, data: &str) -> Result<Vec<Output>, Fault> {
    let input =
        Input { position: 0, revision: 0, time: 0, kind, schema, stream: "test", data, metadata: None, tags: "" };
    let made = Upcasting::new::<U>().run(&input)?;
    made.ok_or_else(|| Fault::new(format!("there is no step for {kind} schema {schema}")))
}
