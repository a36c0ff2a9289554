//! The trace of a row: the events that wrote it in a version, and what it was after each. For a row that differs
//! between two versions, the first event after which they differ is where to look.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::sync::{oneshot, watch};

use kinora_log::Log;
use kinora_readmodel::{Error as ReadModelError, Store, shown};
use kinora_sandbox::{Failure, Modules};
use kinora_storage::Storage;
use kinora_types::{Budget, Progress, TableSpec};

use crate::error::Error;
use crate::feed::modules::VersionModules;
use crate::record::fault::Fault;
use crate::record::status::last;
use crate::registry::Registry;
use crate::replay::gauges::Gauges;
use crate::replay::parts::parts;
use crate::replay::runner::Runner;
use crate::replay::trace::{Touch, Traced};
use crate::replay::turns::Turns;

/// How long the replay on the side may take for one version.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which row to trace, and how far.
#[derive(Clone, Debug)]
pub struct RowQuestion {
    pub table: String,
    pub key: String,
    /// Up to where; to the version's checkpoint at most.
    pub upto: Option<Progress>,
    /// Events at most, from the first on.
    pub limit: usize,
}

/// The events that wrote a row, in order.
#[derive(Debug)]
pub struct RowTrace {
    pub version: u32,
    /// The last position that was looked at.
    pub position: Option<u64>,
    /// Whether this is all up to the position that was asked for.
    pub complete: bool,
    pub events: Vec<TraceStep>,
    pub fault: Option<Fault>,
}

#[derive(Debug)]
pub struct TraceStep {
    pub position: u64,
    pub stream: String,
    pub kind: String,
    pub schema: u32,
    /// `null`: the event deleted it.
    pub row: Option<Box<RawValue>>,
}

/// Finds the events that wrote a row.
pub struct RowTraces {
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: Log,
    pub(crate) storage: Storage,
    pub(crate) modules: Arc<Modules>,
    pub(crate) turns: Turns,
}

impl RowTraces {
    /// Replays a version on the side and notes which events write a row. Blocks.
    pub fn trace(&self, name: &str, number: u32, question: &RowQuestion, budget: &Budget) -> Result<RowTrace, Error> {
        let version = self.registry.version(name, Some(number))?;
        let record = self.registry.record(name, number)?;
        let end = version.checkpoint();
        let upto = question.upto.map_or(end, |upto| upto.min(end));
        let modules = VersionModules::ready(&self.modules, record.module, &record.upcasters)?;
        let manifest = &modules.projector.manifest;
        let known = || manifest.tables.iter().map(|table| table.name.clone()).collect();
        let unknown = || ReadModelError::UnknownTable { table: question.table.clone(), known: known() };
        let mut tables = (0_u16..).zip(&manifest.tables);
        let (ordinal, table) = tables.find(|(_, table)| table.name == question.table).ok_or_else(unknown)?;

        let scratch = self.registry.folders().scratch()?;
        let store = Arc::new(Store::open(&self.storage, &scratch.path().join("rows"), &manifest.tables)?);
        let start = Progress(record.start);
        if start > Progress::default() {
            store.start_at(start)?;
        }
        let failed = |failure: Failure| Error::Sample(failure.message);
        let (gauges, checkpoint) = (Arc::<Gauges>::default(), watch::Sender::new(start));
        let limits = self.modules.limits();
        let made = parts(&self.log, &store, &modules, limits, &gauges, &checkpoint, &self.turns);
        let runner = Runner::new(made.map_err(failed)?, oneshot::channel().0).map_err(failed)?;
        let deadline = Instant::now() + PATIENCE;
        let traced = runner.trace(upto, (ordinal, &question.key), question.limit, budget, deadline)?;
        let Traced { touches, upto: reached, fault } = traced;
        let events = touches.into_iter().map(|touch| self.step(table, touch)).collect::<Result<_, _>>()?;
        Ok(RowTrace { version: number, position: last(reached), complete: reached >= upto, events, fault })
    }

    fn step(&self, table: &TableSpec, touch: Touch) -> Result<TraceStep, Error> {
        let event = self.log.event(touch.position)?;
        let event = event.ok_or_else(|| Error::Sample(format!("there is no event {}", touch.position)))?;
        let row = touch.row.map(|row| shown(table, &row).map(Cow::into_owned)).transpose()?;
        let row = row.map(RawValue::from_string).transpose();
        let row = row.map_err(|cause| Error::Sample(format!("a row is not JSON: {cause}")))?;
        Ok(TraceStep { position: touch.position.0, stream: event.stream, kind: event.kind, schema: event.schema, row })
    }
}
