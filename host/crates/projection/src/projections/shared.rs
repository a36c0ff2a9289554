//! The things that several features hold, and how each feature is made of them.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use kinora_files::Probation;
use kinora_log::Log;
use kinora_sandbox::Modules;
use kinora_storage::Storage;

use crate::ask::admission::Admission;
use crate::ask::compare::Comparisons;
use crate::ask::query::Queries;
use crate::ask::reproduction::Reproductions;
use crate::ask::row_trace::RowTraces;
use crate::ask::statuses::Statuses;
use crate::ask::stops::Stops;
use crate::ask::upcasting::Upcastings;
use crate::ask::verify::Verification;
use crate::limits::Limits;
use crate::registry::Registry;
use crate::registry::starter::Starter;
use crate::replay::turns::Turns;
use crate::rollout::continuation::Continuation;
use crate::rollout::deploy::Deployments;
use crate::rollout::gates::Checklists;
use crate::rollout::lifecycle::Lifecycle;
use crate::rollout::promotion::Promotions;
use crate::rollout::skipping::Skipping;
use crate::rollout::upcasters::Upcasters;
use crate::supervisor::Supervision;
use crate::supervisor::stalls::StallWatch;
use crate::throttle::Throttle;
use crate::trial::casts::Casts;

/// What several features hold, while they are made.
pub struct Shared {
    pub log: Log,
    storage: Storage,
    pub modules: Arc<Modules>,
    pub registry: Arc<Registry>,
    turns: Turns,
    pub statuses: Statuses,
    casts: Casts,
    limits: Limits,
}

impl Shared {
    pub fn new(log: Log, storage: Storage, modules: Arc<Modules>, registry: Arc<Registry>, limits: &Limits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let turns = Turns::new(Throttle::new(log.watch(), cores.saturating_sub(limits.reserved_cores)));
        let statuses = Statuses { registry: Arc::clone(&registry), log: log.clone(), modules: Arc::clone(&modules) };
        let casts = Casts {
            registry: Arc::clone(&registry),
            log: log.clone(),
            storage: storage.clone(),
            modules: Arc::clone(&modules),
        };
        Self { log, storage, modules, registry, turns, statuses, casts, limits: *limits }
    }

    pub fn queries(&self, admission: &Arc<Admission>) -> Queries {
        let throttle = self.turns.throttle().clone();
        Queries::new(Arc::clone(&self.registry), self.statuses.clone(), throttle, Arc::clone(admission))
    }

    pub fn row_traces(&self) -> RowTraces {
        RowTraces {
            registry: Arc::clone(&self.registry),
            log: self.log.clone(),
            storage: self.storage.clone(),
            modules: Arc::clone(&self.modules),
            turns: self.turns.clone(),
        }
    }

    pub fn verification(&self, admission: &Arc<Admission>) -> Verification {
        let (registry, admission) = (Arc::clone(&self.registry), Arc::clone(admission));
        Verification::new(registry, self.statuses.clone(), self.log.clone(), self.casts.clone(), admission)
    }

    pub fn reproductions(&self) -> Reproductions {
        Reproductions {
            registry: Arc::clone(&self.registry),
            statuses: self.statuses.clone(),
            log: self.log.clone(),
            modules: Arc::clone(&self.modules),
            casts: self.casts.clone(),
        }
    }

    pub fn upcastings(&self) -> Upcastings {
        Upcastings { registry: Arc::clone(&self.registry), log: self.log.clone(), casts: self.casts.clone() }
    }

    pub fn deployments(&self, starter: Starter) -> Deployments {
        Deployments {
            registry: Arc::clone(&self.registry),
            statuses: self.statuses.clone(),
            log: self.log.clone(),
            storage: self.storage.clone(),
            modules: Arc::clone(&self.modules),
            turns: self.turns.clone(),
            starter,
            limits: self.limits,
        }
    }

    pub fn checklists(&self, comparisons: &Arc<Comparisons>, queries: &Arc<Queries>) -> Checklists {
        Checklists {
            statuses: self.statuses.clone(),
            comparisons: Arc::clone(comparisons),
            queries: Arc::clone(queries),
        }
    }

    pub fn lifecycle(&self, comparisons: &Arc<Comparisons>, starter: Starter) -> Lifecycle {
        Lifecycle {
            registry: Arc::clone(&self.registry),
            statuses: self.statuses.clone(),
            comparisons: Arc::clone(comparisons),
            starter,
        }
    }

    pub fn promotions(&self, checklists: &Arc<Checklists>, lifecycle: &Arc<Lifecycle>) -> Promotions {
        Promotions {
            registry: Arc::clone(&self.registry),
            statuses: self.statuses.clone(),
            checklists: Arc::clone(checklists),
            lifecycle: Arc::clone(lifecycle),
        }
    }

    pub fn skipping(&self, lifecycle: &Arc<Lifecycle>) -> Skipping {
        Skipping {
            registry: Arc::clone(&self.registry),
            statuses: self.statuses.clone(),
            lifecycle: Arc::clone(lifecycle),
        }
    }

    pub fn upcasters(&self, deployments: &Arc<Deployments>) -> Upcasters {
        Upcasters {
            registry: Arc::clone(&self.registry),
            statuses: self.statuses.clone(),
            log: self.log.clone(),
            modules: Arc::clone(&self.modules),
            deployments: Arc::clone(deployments),
        }
    }

    pub fn stops(&self) -> Stops {
        Stops { modules: Arc::clone(&self.modules), statuses: self.statuses.clone() }
    }

    pub fn supervision(
        &self,
        promotions: &Arc<Promotions>,
        stalls_after: Duration,
        probation: Arc<Probation>,
        paused: bool,
    ) -> Supervision {
        let (registry, log) = (Arc::clone(&self.registry), self.log.clone());
        Supervision {
            registry: Arc::clone(&registry),
            log: log.clone(),
            storage: self.storage.clone(),
            modules: Arc::clone(&self.modules),
            turns: self.turns.clone(),
            stalls: StallWatch { registry: Arc::clone(&registry), log, patience: stalls_after },
            continuation: Continuation { registry, casts: self.casts.clone() },
            promotions: Arc::clone(promotions),
            probation,
            paused,
        }
    }
}
