//! The projections of a host: makes the registry, each feature and the supervisor, and hands them out.

mod shared;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

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
use crate::error::Error;
use crate::limits::{Limits, QueryLimits};
use crate::record::status::{ProjectionStatus, VersionStatus};
use crate::registry::Registry;
use crate::registry::folders::Folders;
use crate::registry::starter::Starter;
use crate::registry::version::Version;
use crate::rollout::deploy::Deployments;
use crate::rollout::gates::Checklists;
use crate::rollout::lifecycle::Lifecycle;
use crate::rollout::promotion::Promotions;
use crate::rollout::skipping::Skipping;
use crate::rollout::upcasters::Upcasters;
use crate::supervisor::Supervisor;
use shared::Shared;

/// All projections of a host, and what can be done with them.
pub struct Projections {
    log: Log,
    modules: Arc<Modules>,
    registry: Arc<Registry>,
    statuses: Statuses,
    admission: Arc<Admission>,
    queries: Arc<Queries>,
    comparisons: Arc<Comparisons>,
    row_traces: RowTraces,
    verification: Verification,
    reproductions: Reproductions,
    upcastings: Upcastings,
    deployments: Arc<Deployments>,
    checklists: Arc<Checklists>,
    promotions: Arc<Promotions>,
    lifecycle: Arc<Lifecycle>,
    skipping: Skipping,
    upcasters: Upcasters,
    stops: Stops,
    supervisor: Arc<Supervisor>,
}

/// What projections are opened with.
pub struct Opening {
    pub catalog: PathBuf,
    /// The folder of the read models.
    pub dir: PathBuf,
    pub query_limits: QueryLimits,
    pub limits: Limits,
    pub probation: Arc<Probation>,
    /// No version is started before somebody asks for it.
    pub paused: bool,
}

impl Projections {
    /// Opens the catalog and the read models, and starts every version that was running.
    /// Needs a runtime to be there.
    pub fn open(log: Log, storage: Storage, modules: Arc<Modules>, opening: Opening) -> Result<Arc<Self>, Error> {
        let Opening { catalog, dir, query_limits, limits, probation, paused } = opening;
        let registry = Arc::new(Registry::open(&catalog, Folders::open(dir), log.clone())?);
        let (starter, queue) = Starter::new();
        let shared = Shared::new(log, storage, modules, registry, &limits);
        let admission = Arc::new(Admission::new(query_limits));
        let queries = Arc::new(shared.queries(&admission));
        let comparisons = Arc::new(Comparisons::new(Arc::clone(&shared.registry), Arc::clone(&admission)));
        let deployments = Arc::new(shared.deployments(starter.clone()));
        let checklists = Arc::new(shared.checklists(&comparisons, &queries));
        let lifecycle = Arc::new(shared.lifecycle(&comparisons, starter));
        let promotions = Arc::new(shared.promotions(&checklists, &lifecycle));
        let patience = Duration::from_secs(limits.stall_seconds);
        let supervision = shared.supervision(&promotions, patience, probation, paused);
        Ok(Arc::new(Self {
            row_traces: shared.row_traces(),
            verification: shared.verification(&admission),
            reproductions: shared.reproductions(),
            upcastings: shared.upcastings(),
            skipping: shared.skipping(&lifecycle),
            upcasters: shared.upcasters(&deployments),
            stops: shared.stops(),
            supervisor: Supervisor::start(supervision, queue),
            log: shared.log,
            modules: shared.modules,
            registry: shared.registry,
            statuses: shared.statuses,
            admission,
            queries,
            comparisons,
            deployments,
            checklists,
            promotions,
            lifecycle,
        }))
    }

    /// Who may read how much at once.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Queries, each answered by one version.
    pub fn queries(&self) -> &Queries {
        &self.queries
    }

    /// What differs between two versions.
    pub fn comparisons(&self) -> &Comparisons {
        &self.comparisons
    }

    /// The events that wrote a row.
    pub fn row_traces(&self) -> &RowTraces {
        &self.row_traces
    }

    /// Rows checked against history.
    pub fn verification(&self) -> &Verification {
        &self.verification
    }

    /// Faults on their own.
    pub fn reproductions(&self) -> &Reproductions {
        &self.reproductions
    }

    /// What upcasters make of single events.
    pub fn upcastings(&self) -> &Upcastings {
        &self.upcastings
    }

    /// New versions, and what they would come to.
    pub fn deployments(&self) -> &Deployments {
        &self.deployments
    }

    /// The gates of versions, as they are now.
    pub fn checklists(&self) -> &Checklists {
        &self.checklists
    }

    /// Traffic from one version to another.
    pub fn promotions(&self) -> &Arc<Promotions> {
        &self.promotions
    }

    /// What else can be done with a version, and what holds for all of a projection.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Events that versions pass over.
    pub fn skipping(&self) -> &Skipping {
        &self.skipping
    }

    /// Upcasters, and the projections that follow them.
    pub fn upcasters(&self) -> &Upcasters {
        &self.upcasters
    }

    /// Who would stop at events of a type.
    pub fn stops(&self) -> &Stops {
        &self.stops
    }

    pub fn modules(&self) -> &Arc<Modules> {
        &self.modules
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn list(&self) -> Result<Vec<ProjectionStatus>, Error> {
        self.statuses.list()
    }

    pub fn status(&self, name: &str) -> Result<ProjectionStatus, Error> {
        self.statuses.of(name)
    }

    pub fn version_status(&self, name: &str, number: u32) -> Result<VersionStatus, Error> {
        self.statuses.version(name, number)
    }

    /// The version that answers now, or the one that is asked for.
    pub fn version(&self, name: &str, number: Option<u32>) -> Result<Arc<Version>, Error> {
        self.registry.version(name, number)
    }

    /// Tells whenever a version has come, gone, or changed its state. Figures change without a word.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.registry.watch()
    }

    /// Waits until the log has all of the history so far, within reason.
    pub async fn recorded(&self) {
        self.registry.recorded().await;
    }

    /// Ends all threads after a last commit. Blocks.
    pub fn stop(&self) {
        self.supervisor.stop();
    }
}
