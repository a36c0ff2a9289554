//! The parts of a runner, from what a version is made of.

use std::sync::Arc;

use tokio::sync::watch;

use kinora_log::Log;
use kinora_readmodel::Store;
use kinora_sandbox::{Category, Failure, Limits};
use kinora_types::Progress;

use crate::feed::modules::VersionModules;
use crate::feed::source::Source;
use crate::replay::gauges::Gauges;
use crate::replay::row_sink::RowSink;
use crate::replay::runner::Parts;
use crate::replay::stepper::Room;
use crate::replay::turns::Turns;

/// How many instances replay one version: each has memory of its own.
const INSTANCES: std::ops::RangeInclusive<usize> = 1..=4;

/// How many instances replay a projector that declares partitions: one for each core.
pub fn instances() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).clamp(*INSTANCES.start(), *INSTANCES.end())
}

/// What a runner works with that makes the rows of a version, alone, with one instance, and for the first time.
pub fn parts(
    log: &Log,
    store: &Arc<Store>,
    modules: &VersionModules,
    limits: &Limits,
    gauges: &Arc<Gauges>,
    checkpoint: &watch::Sender<Progress>,
    turns: &Turns,
) -> Result<Parts, Failure> {
    let routes = modules.routes().map_err(|why| Failure::new(Category::Upcast, why))?;
    Ok(Parts {
        log: log.clone(),
        source: Source::new(log.clone(), Arc::new(routes), modules.needs(), modules.chain()),
        sink: RowSink::new(modules, Arc::clone(store), limits.commit_bytes, checkpoint.clone()),
        room: Room::new(limits),
        was_ready: false,
        gauges: Arc::clone(gauges),
        checkpoint: checkpoint.clone(),
        turns: turns.clone(),
        dealer: None,
    })
}
