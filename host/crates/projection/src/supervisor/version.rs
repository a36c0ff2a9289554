//! What a version is made of, and the parts of a runner from it.

use std::sync::Arc;

use tokio::sync::watch;

use kinora_log::Log;
use kinora_readmodel::Store;
use kinora_sandbox::{Category, Failure, Limits, Module, Needs, Partition, ProjectorManifest, UpcasterManifest};
use kinora_types::Progress;

use crate::feed::routes::Routes;
use crate::feed::source::Source;
use crate::feed::upcasting::Chain;
use crate::replay::gauges::Gauges;
use crate::replay::runner::Parts;
use crate::replay::turns::Turns;

/// How many instances replay one version: each has memory of its own.
const INSTANCES: std::ops::RangeInclusive<usize> = 1..=4;

/// What a version is made of, once its modules are compiled.
#[derive(Clone)]
pub struct Modules {
    pub projector: Arc<Module>,
    pub upcasters: Vec<Arc<Module>>,
}

impl Modules {
    /// The columns that any of them needs.
    pub fn needs(&self) -> Needs {
        let modules = std::iter::once(&self.projector).chain(&self.upcasters);
        modules.fold(Needs::default(), |needs, module| match &**module {
            Module::Upcaster { manifest, .. } => needs.union(manifest.needs),
            // Without the tags there would be nothing to tell the partitions by, also where one instance sees all of them.
            Module::Projector { manifest, .. } => {
                let tags = matches!(manifest.partition, Some(Partition::Tag(_)));
                needs.union(manifest.needs).union(Needs { tags, ..Needs::default() })
            }
        })
    }
}

/// How many instances replay a projector that declares partitions: one for each core.
pub fn instances() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).clamp(*INSTANCES.start(), *INSTANCES.end())
}

/// Joins a projector with its upcasters.
pub fn routes(projector: &ProjectorManifest, upcasters: &[Arc<Module>]) -> Result<Routes, String> {
    let manifest = |module: &Arc<Module>| -> Result<UpcasterManifest, String> {
        match &**module {
            Module::Upcaster { manifest, .. } => Ok(manifest.clone()),
            Module::Projector { digest, .. } => Err(format!("module {digest} is a projector, not an upcaster")),
        }
    };
    let upcasters = upcasters.iter().map(manifest).collect::<Result<Vec<_>, _>>()?;
    Routes::new(projector, &upcasters.iter().collect::<Vec<_>>())
}

/// What a runner works with, alone, with one instance, and for the first time.
pub fn parts(
    log: &Log,
    store: &Arc<Store>,
    modules: &Modules,
    limits: &Limits,
    gauges: &Arc<Gauges>,
    checkpoint: &watch::Sender<Progress>,
    turns: &Turns,
) -> Result<Parts, Failure> {
    let Module::Projector { manifest, pre, .. } = &*modules.projector else {
        return Err(Failure::new(Category::Upcast, "the module is not a projector"));
    };
    let routes = routes(manifest, &modules.upcasters).map_err(|why| Failure::new(Category::Upcast, why))?;
    let chain = Chain::new(modules.upcasters.clone());
    Ok(Parts {
        log: log.clone(),
        source: Source::new(log.clone(), Arc::new(routes), modules.needs(), chain),
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
