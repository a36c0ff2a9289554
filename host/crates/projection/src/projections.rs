//! The projections of a host, and the rules by which their versions come, go live, go back and go.
//!
//! Every change is written to the catalog first and takes effect in memory after it, under one lock.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use kinora_log::Log;
use kinora_sandbox::{Failure, Modules};
use kinora_storage::Storage;
use kinora_types::Digest;
use kinora_types::{Position, Progress};

use crate::ask::compare::Comparisons;
use crate::ask::query::{Queries, QueryLimits};
use crate::ask::verify::identity;
use crate::error::Error;
use crate::feed::modules::VersionModules;
use crate::limits::Limits;
use crate::record::status::{Fault, ProjectionStatus, VersionStatus, describe, last};
use crate::registry::catalog::{Catalog, ProjectionRecord, Promote, VersionRecord};
use crate::registry::history::{By, Recorder, What};
use crate::replay::turns::Turns;
use crate::supervisor::version;
use crate::supervisor::version::{Notice, Version};
use crate::throttle::Throttle;
use crate::trial::cast::Cast;

/// Folders of read models that are made for a moment only, and removed when the host starts.
pub(crate) const SCRATCH: &str = ".scratch-";

/// How long an answer waits for the history to be in the log.
const HISTORY_PATIENCE: Duration = Duration::from_secs(2);

/// All projections of a host.
pub struct Projections {
    pub(crate) log: Log,
    pub(crate) storage: Storage,
    pub(crate) modules: Arc<Modules>,
    pub(crate) dir: PathBuf,
    /// Held while the catalog changes, so that queries do not wait for its disk.
    changing: Mutex<()>,
    state: RwLock<Loaded>,
    changes: watch::Sender<u64>,
    pub(crate) limits: Limits,
    pub(crate) queries: Queries,
    pub(crate) turns: Turns,
    /// A verification costs a core: one at a time.
    pub(crate) verifying: Arc<Semaphore>,
    pub(crate) comparisons: Comparisons,
    recorder: Recorder,
    /// For what starts on a version's own thread.
    pub(crate) runtime: tokio::runtime::Handle,
    /// For the threads of versions, which must not keep their host alive.
    pub(crate) this: Weak<Self>,
}

pub(crate) type Versions = BTreeMap<(String, u32), Arc<Version>>;

pub(crate) struct Loaded {
    pub catalog: Catalog,
    pub versions: Versions,
}

impl Projections {
    /// Opens the catalog at `catalog`, with the read models in `dir`, and starts every version that was running.
    /// Needs a runtime to be there.
    pub fn open(
        log: Log,
        storage: Storage,
        modules: Arc<Modules>,
        catalog: &std::path::Path,
        dir: PathBuf,
        queries: QueryLimits,
        limits: Limits,
    ) -> Result<Arc<Self>, Error> {
        let catalog = Catalog::open(catalog)?;
        let mut versions = BTreeMap::new();
        for (name, projection) in &catalog.projections {
            for (number, record) in &projection.versions {
                let version = Version::new(name, *number, folder(&dir, name, *number, record.attempt));
                versions.insert((name.clone(), *number), Arc::new(version));
            }
        }
        remove_scratch(&dir);
        let recorder = Recorder::start(log.clone());
        for (name, projection) in &catalog.projections {
            projection.unrecorded.iter().for_each(|entry| recorder.send(name, entry.clone()));
        }
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let turns = Turns::new(Throttle::new(log.watch(), cores.saturating_sub(limits.reserved_cores)));
        let projections = Arc::new_cyclic(|this| Self {
            log,
            storage,
            modules,
            dir,
            changing: Mutex::default(),
            state: RwLock::new(Loaded { catalog, versions }),
            changes: watch::Sender::new(0),
            limits,
            queries: Queries::new(queries),
            turns,
            verifying: Arc::new(Semaphore::new(1)),
            comparisons: Comparisons::default(),
            recorder,
            runtime: tokio::runtime::Handle::current(),
            this: this.clone(),
        });
        projections.resume_all();
        projections.watch_for_stalls();
        Ok(projections)
    }

    /// Starts what was running. Versions whose modules are there are open when this returns, so that a host answers
    /// queries from its first moment on.
    fn resume_all(&self) {
        let known: Vec<_> = {
            let state = self.read();
            let record = |(name, number): &(String, u32)| record(&state.catalog, name, *number).cloned();
            state.versions.iter().filter_map(|(key, version)| Some((Arc::clone(version), record(key)?))).collect()
        };
        for (version, record) in known {
            if record.retired {
                // A crash may have left it there.
                version.remove();
                continue;
            }
            match self.ready_modules(&record) {
                Some(modules) => {
                    if let Err(failure) = self.start(&version, modules) {
                        self.not_started(&version, &failure);
                    }
                }
                None => self.prepare(version, record),
            }
        }
    }

    fn ready_modules(&self, record: &VersionRecord) -> Option<VersionModules> {
        VersionModules::ready(&self.modules, record.module, &record.upcasters).ok()
    }

    fn not_started(&self, version: &Version, failure: &Failure) {
        let fault = Fault::new(failure, None).located(&self.log);
        let (projection, number) = (version.projection.as_str(), version.number);
        tracing::error!(projection, version = number, ?fault, "a version could not be started");
        version.set_fault(Some(fault.clone()));
        self.remember_fault(version, fault);
    }

    /// A version that stopped stays stopped over restarts: to try again is for somebody to decide.
    fn remember_fault(&self, version: &Version, fault: Fault) {
        let (name, number) = (version.projection.as_str(), version.number);
        let checkpoint = last(version.checkpoint());
        let remembered = self.change(name, |projection, _| {
            let Some(record) = projection.versions.get_mut(&number).filter(|record| !record.retired) else {
                return Ok(());
            };
            if record.fault.as_ref() == Some(&fault) {
                return Ok(());
            }
            let figures = json!({"version": number, "position": checkpoint, "fault": &fault});
            record.fault = fault.is_lasting().then_some(fault);
            projection.record(name, What::Faulted, &By::host("an event that cannot be handled"), figures);
            Ok(())
        });
        if let Err(error) = remembered {
            tracing::error!(projection = name, version = number, %error, "a fault cannot be remembered");
        }
    }

    pub(crate) fn read(&self) -> std::sync::RwLockReadGuard<'_, Loaded> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a projection in the catalog and then in memory, or neither. Blocks.
    pub(crate) fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut ProjectionRecord, &mut Versions) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.read();
        let mut record = state.catalog.projections.get(name).cloned().unwrap_or_default();
        self.recorder.forget_recorded(name, &mut record.unrecorded);
        let mut versions = state.versions.clone();
        let known = record.unrecorded.len();
        let result = change(&mut record, &mut versions)?;
        let entries = record.unrecorded.get(known..).unwrap_or_default().to_vec();
        let catalog = state.catalog.with(name, record)?;
        drop(state);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Loaded { catalog, versions };
        entries.into_iter().for_each(|entry| self.recorder.send(name, entry));
        self.changed();
        Ok(result)
    }

    /// Tells whenever a version has come, gone, or changed its state. Figures change without a word.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until the log has all of the history so far, within reason.
    pub async fn recorded(&self) {
        self.recorder.settled(HISTORY_PATIENCE).await;
    }

    /// Starts a version as soon as its modules are there.
    pub(crate) fn prepare(&self, version: Arc<Version>, record: VersionRecord) {
        let (modules, this) = (Arc::clone(&self.modules), self.this.clone());
        self.runtime.spawn(async move {
            let settled = VersionModules::settled(&modules, record.module, &record.upcasters).await;
            let Some(this) = this.upgrade() else { return };
            let failed = match settled {
                Err(error) => Some(error.into()),
                Ok(modules) => {
                    let starting = tokio::task::spawn_blocking({
                        let (this, version) = (Arc::clone(&this), Arc::clone(&version));
                        move || this.start(&version, modules)
                    });
                    starting.await.unwrap_or_else(|cause| Err(Failure::storage(cause))).err()
                }
            };
            if let Some(failure) = failed {
                this.not_started(&version, &failure);
            }
            this.changed();
        });
    }

    /// Starts the thread, unless the version has been paused or retired meanwhile. Blocks.
    fn start(&self, version: &Arc<Version>, modules: VersionModules) -> Result<(), Failure> {
        let record = record(&self.read().catalog, &version.projection, version.number).cloned();
        let Some(mut record) = record.filter(|record| !record.retired) else { return Ok(()) };
        if let (Some(from), None) = (record.continue_from, &record.continued) {
            record = self.decide_continuation(version, from)?;
        }
        let (this, about) = (self.this.clone(), Arc::downgrade(version));
        let notify = move |notice| {
            if let (Some(this), Some(version)) = (this.upgrade(), about.upgrade()) {
                this.notice(&version, &notice);
            }
        };
        let start = version::StartWith {
            log: &self.log,
            storage: &self.storage,
            modules,
            was_ready: record.replayed_in_ms.is_some(),
            from: Progress(record.start),
            paused: record.paused || record.fault.is_some(),
            limits: self.modules.limits(),
            proven: record.proof.is_some(),
            skipped: record.skipped.iter().map(|skipped| Position(skipped.position)).collect(),
            scratch: self.dir.clone(),
            turns: &self.turns,
        };
        version.start(start, Arc::new(notify))?;
        if record.fault.is_some() {
            version.set_fault(record.fault);
        }
        Ok(())
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// What a thread has to say.
    fn notice(&self, version: &Arc<Version>, notice: &Notice) {
        let (name, number) = (version.projection.as_str(), version.number);
        match notice {
            Notice::Ready { replayed_in } => {
                let remembered = self.change(name, |projection, _| {
                    let Some(record) = projection.versions.get_mut(&number) else { return Ok(false) };
                    if record.replayed_in_ms.is_none() {
                        record.replayed_in_ms = Some(u64::try_from(replayed_in.as_millis()).unwrap_or(u64::MAX));
                        record.ready_at = Some(Timestamp::now());
                    }
                    Ok(record.promote == Promote::WhenReady && !record.was_live)
                });
                match remembered {
                    Ok(true) => self.promote_when_ready(name, number),
                    Ok(false) => {}
                    // It will be ready again after a restart.
                    Err(error) => tracing::error!(projection = name, version = number, %error, "cannot be remembered"),
                }
            }
            Notice::Proven(proof) => {
                let remembered = self.change(name, |projection, _| {
                    if let Some(record) = projection.versions.get_mut(&number) {
                        record.proof = Some(proof.clone());
                    }
                    Ok(())
                });
                // It will be proved again after a restart.
                if let Err(error) = remembered {
                    tracing::error!(projection = name, version = number, %error, "cannot be remembered");
                }
            }
            Notice::Faulted => {
                if let Some(fault) = version.fault() {
                    self.remember_fault(version, fault);
                }
            }
        }
        self.changed();
    }

    /// Ends all threads after a last commit. Blocks.
    pub fn stop(&self) {
        let versions: Vec<_> = self.read().versions.values().cloned().collect();
        for version in versions {
            version.stop();
        }
    }

    /// Removes a module that no version uses. Blocks.
    pub fn remove_module(&self, digest: Digest) -> Result<(), Error> {
        let state = self.read();
        for (name, projection) in &state.catalog.projections {
            for (number, record) in &projection.versions {
                if version::uses(record, digest) {
                    return Err(Error::ModuleInUse { digest, name: name.clone(), version: *number });
                }
            }
        }
        Ok(self.modules.remove(digest)?)
    }

    pub fn modules(&self) -> &Arc<Modules> {
        &self.modules
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What it takes to run a version's guests beside it.
    pub(crate) fn cast(&self, name: &str, number: u32) -> Result<Cast, Error> {
        let record = record(&self.read().catalog, name, number).cloned();
        let record = record.ok_or_else(|| Error::UnknownProjection { name: name.to_owned() })?;
        let modules = VersionModules::ready(&self.modules, record.module, &record.upcasters)?;
        let skipped = record.skipped.iter().map(|skipped| Position(skipped.position));
        let limits = self.modules.limits();
        Cast::new(&self.log, &self.storage, self.dir.clone(), Progress(record.start), modules, skipped, limits)
            .map_err(Error::Chain)
    }

    pub(crate) fn known(&self, name: &str) -> Result<(), Error> {
        let known = self.read().catalog.projections.contains_key(name);
        if known { Ok(()) } else { Err(Error::UnknownProjection { name: name.to_owned() }) }
    }

    /// The version that answers now, or the one that is asked for.
    pub fn version(&self, name: &str, number: Option<u32>) -> Result<Arc<Version>, Error> {
        let state = self.read();
        let unknown = || Error::UnknownProjection { name: name.to_owned() };
        let projection = state.catalog.projections.get(name).ok_or_else(unknown)?;
        let live = || projection.live.ok_or_else(|| Error::NothingLive { name: name.to_owned() });
        let number = number.map_or_else(live, Ok)?;
        find(name, projection, &state.versions, number)
    }

    pub fn list(&self) -> Result<Vec<ProjectionStatus>, Error> {
        let names: Vec<_> = self.read().catalog.projections.keys().cloned().collect();
        names.iter().map(|name| self.status(name)).collect()
    }

    pub fn status(&self, name: &str) -> Result<ProjectionStatus, Error> {
        let state = self.read();
        let unknown = || Error::UnknownProjection { name: name.to_owned() };
        let projection = state.catalog.projections.get(name).ok_or_else(unknown)?;
        let head = self.log.progress();
        let versions = projection.versions.iter().filter_map(|(number, record)| {
            let version = state.versions.get(&(name.to_owned(), *number))?;
            let identity = identity(record, self.modules.settings());
            Some(describe(version, record, projection, head, identity))
        });
        Ok(ProjectionStatus {
            name: name.to_owned(),
            live: projection.live,
            previous: projection.previous,
            settings: projection.settings,
            versions: versions.collect(),
        })
    }

    pub(crate) fn version_record(&self, name: &str, number: u32) -> Result<VersionRecord, Error> {
        self.version(name, Some(number))?;
        let unknown = || Error::UnknownVersion { name: name.to_owned(), version: number, known: Vec::new() };
        record(&self.read().catalog, name, number).cloned().ok_or_else(unknown)
    }

    pub fn version_status(&self, name: &str, number: u32) -> Result<VersionStatus, Error> {
        self.version(name, Some(number))?;
        let status = self.status(name)?;
        let known = status.versions.iter().map(|version| version.version).collect();
        let found = status.versions.into_iter().find(|version| version.version == number);
        found.ok_or_else(|| Error::UnknownVersion { name: name.to_owned(), version: number, known })
    }
}

/// The folder of a version's read model: a new attempt begins in an empty one, while queries may still read the old rows.
pub(crate) fn folder(dir: &std::path::Path, name: &str, number: u32, attempt: u32) -> PathBuf {
    let folder = if attempt == 0 { number.to_string() } else { format!("{number}.{attempt}") };
    dir.join(name).join(folder)
}

/// Removes what a crash left of read models that were made for a moment only.
fn remove_scratch(dir: &std::path::Path) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(SCRATCH)) {
        if let Err(cause) = std::fs::remove_dir_all(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %cause, "a folder that nobody needs is still there");
        }
    }
}

pub(crate) fn record<'a>(catalog: &'a Catalog, name: &str, number: u32) -> Option<&'a VersionRecord> {
    catalog.projections.get(name)?.versions.get(&number)
}

pub(crate) fn find(
    name: &str,
    projection: &ProjectionRecord,
    versions: &Versions,
    number: u32,
) -> Result<Arc<Version>, Error> {
    versions.get(&(name.to_owned(), number)).cloned().ok_or_else(|| Error::UnknownVersion {
        name: name.to_owned(),
        version: number,
        known: projection.versions.keys().copied().collect(),
    })
}
