//! The parts of a runner, from what a version is made of.

use std::sync::Arc;

use tokio::sync::watch;

use kinora_log::Log;
use kinora_readmodel::Store;
use kinora_sandbox::{Category, Failure, Limits, Module};
use kinora_types::Progress;

use crate::feed::modules::VersionModules;
use crate::feed::source::Source;
use crate::replay::gauges::Gauges;
use crate::replay::runner::Parts;
use crate::replay::turns::Turns;

/// How many instances replay one version: each has memory of its own.
const INSTANCES: std::ops::RangeInclusive<usize> = 1..=4;

/// How many instances replay a projector that declares partitions: one for each core.
pub fn instances() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).clamp(*INSTANCES.start(), *INSTANCES.end())
}

/// What a runner works with, alone, with one instance, and for the first time.
pub fn parts(
    log: &Log,
    store: &Arc<Store>,
    modules: &VersionModules,
    limits: &Limits,
    gauges: &Arc<Gauges>,
    checkpoint: &watch::Sender<Progress>,
    turns: &Turns,
) -> Result<Parts, Failure> {
    let Module::Projector { pre, .. } = &*modules.projector else {
        return Err(Failure::new(Category::Upcast, "the module is not a projector"));
    };
    let routes = modules.routes().map_err(|why| Failure::new(Category::Upcast, why))?;
    Ok(Parts {
        log: log.clone(),
        source: Source::new(log.clone(), Arc::new(routes), modules.needs(), modules.chain()),
        store: Arc::clone(store),
        projector: pre.clone(),
        memory_bytes: limits.memory_bytes / 2,
        commit_bytes: limits.commit_bytes,
        was_ready: false,
        gauges: Arc::clone(gauges),
        checkpoint: checkpoint.clone(),
        turns: turns.clone(),
        dealer: None,
    })
}
