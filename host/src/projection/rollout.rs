//! The projections of a host, and the rules by which their versions come, go live, go back and go.
//!
//! Every change is written to the catalog first and takes effect in memory after it, under one lock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::event::InvalidName;
use crate::log::Log;
use crate::sandbox::{Digest, Failure, Module, Modules};
use crate::storage::Storage;

use super::catalog::{Catalog, ProjectionRecord, Promote, VersionRecord};
use super::error::Error;
use super::gauges::Phase;
use super::query::Queries;
use super::status::{Fault, ProjectionStatus, State, VersionStatus, last};
use super::version::{self, Notice, Version, routes};

/// Bytes of a projection's name.
const NAME_BYTES: usize = 64;

/// A version that somebody wants.
#[derive(Clone, Debug)]
pub struct Deploy {
    pub module: Digest,
    pub upcasters: Vec<Digest>,
    pub promote: Promote,
}

/// All projections of a host.
pub struct Projections {
    log: Log,
    storage: Storage,
    modules: Arc<Modules>,
    dir: PathBuf,
    /// Held while the catalog changes, so that queries do not wait for its disk.
    changing: Mutex<()>,
    state: RwLock<Loaded>,
    changes: watch::Sender<u64>,
    pub(super) queries: Queries,
    /// For the threads of versions, which must not keep their host alive.
    this: Weak<Self>,
}

type Versions = BTreeMap<(String, u32), Arc<Version>>;

struct Loaded {
    catalog: Catalog,
    versions: Versions,
}

impl Projections {
    /// Opens the catalog at `catalog`, with the read models in `dir`, and starts every version that was running.
    pub fn open(
        log: Log,
        storage: Storage,
        modules: Arc<Modules>,
        catalog: &std::path::Path,
        dir: PathBuf,
    ) -> Result<Arc<Self>, Error> {
        let catalog = Catalog::open(catalog)?;
        let mut versions = BTreeMap::new();
        for (name, projection) in &catalog.projections {
            for number in projection.versions.keys() {
                versions.insert(
                    (name.clone(), *number),
                    Arc::new(Version::new(name, *number, folder(&dir, name, *number))),
                );
            }
        }
        let projections = Arc::new_cyclic(|this| Self {
            log,
            storage,
            modules,
            dir,
            changing: Mutex::default(),
            state: RwLock::new(Loaded { catalog, versions }),
            changes: watch::Sender::new(0),
            queries: Queries::default(),
            this: this.clone(),
        });
        projections.resume_all();
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

    fn ready_modules(&self, record: &VersionRecord) -> Option<version::Modules> {
        let ready = |digest: &Digest| self.modules.ready(*digest).ok();
        let upcasters = record.upcasters.iter().map(ready).collect::<Option<_>>()?;
        Some(version::Modules { projector: ready(&record.module)?, upcasters })
    }

    fn not_started(&self, version: &Version, failure: &Failure) {
        let event = failure.position.and_then(|position| self.log.event(position).ok().flatten());
        let event = event.and_then(|event| crate::event::EventType::new(&event.kind, event.schema).ok());
        let fault = Fault::new(failure, event);
        let (projection, number) = (version.projection.as_str(), version.number);
        tracing::error!(projection, version = number, ?fault, "a version could not be started");
        version.set_fault(Some(fault));
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Loaded> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a projection in the catalog and then in memory, or neither. Blocks.
    fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut ProjectionRecord, &mut Versions) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.read();
        let mut record = state.catalog.projections.get(name).cloned().unwrap_or_default();
        let mut versions = state.versions.clone();
        let result = change(&mut record, &mut versions)?;
        let catalog = state.catalog.with(name, record)?;
        drop(state);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Loaded { catalog, versions };
        self.changed();
        Ok(result)
    }

    /// Tells whenever a version has come, gone, or changed its state. Figures change without a word.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Makes a new version and starts its replay in the background. A first step that fails leaves no version behind.
    pub fn deploy(&self, name: &str, deploy: Deploy) -> Result<VersionStatus, Error> {
        check_name(name)?;
        self.check_modules(&deploy)?;
        let (version, record) = self.change(name, |projection, versions| {
            let number = projection.next_version();
            let record = VersionRecord {
                module: deploy.module,
                upcasters: deploy.upcasters,
                promote: deploy.promote,
                created_at: Timestamp::now(),
                paused: false,
                retired: false,
                was_live: false,
                replayed_in_ms: None,
            };
            projection.versions.insert(number, record.clone());
            let version = Arc::new(Version::new(name, number, folder(&self.dir, name, number)));
            versions.insert((name.to_owned(), number), Arc::clone(&version));
            Ok((version, record))
        })?;
        let number = version.number;
        tracing::info!(projection = name, version = number, module = %record.module, "deployed");
        self.prepare(version, record);
        self.version_status(name, number)
    }

    /// What can be known of the modules before they are compiled, or once they are.
    fn check_modules(&self, deploy: &Deploy) -> Result<(), Error> {
        let ready = |digest: &Digest| match self.modules.ready(*digest) {
            Ok(module) => Ok(Some(module)),
            Err(crate::sandbox::Error::Compiling(_)) => Ok(None),
            Err(error) => Err(error),
        };
        let projector = ready(&deploy.module)?;
        let upcasters = deploy.upcasters.iter().map(ready).collect::<Result<Option<Vec<_>>, _>>()?;
        let (Some(projector), Some(upcasters)) = (projector, upcasters) else { return Ok(()) };
        let Module::Projector { manifest, .. } = &*projector else {
            let digest = deploy.module;
            return Err(crate::sandbox::Error::WrongKind { digest, actual: "upcaster", wanted: "projector" }.into());
        };
        for module in &upcasters {
            if let Module::Projector { digest, .. } = **module {
                return Err(crate::sandbox::Error::WrongKind { digest, actual: "projector", wanted: "upcaster" }.into());
            }
        }
        routes(manifest, &upcasters).map(drop).map_err(Error::Chain)
    }

    /// Starts a version as soon as its modules are there.
    fn prepare(&self, version: Arc<Version>, record: VersionRecord) {
        let (modules, this) = (Arc::clone(&self.modules), self.this.clone());
        tokio::spawn(async move {
            let settled = async {
                let projector = modules.settled(record.module).await?;
                let mut upcasters = Vec::new();
                for digest in &record.upcasters {
                    upcasters.push(modules.settled(*digest).await?);
                }
                Ok::<_, crate::sandbox::Error>(version::Modules { projector, upcasters })
            };
            let settled = settled.await;
            let Some(this) = this.upgrade() else { return };
            let failed = match settled {
                Err(error) => Some(Failure::new(crate::sandbox::Category::Rule, error.to_string())),
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
    fn start(&self, version: &Arc<Version>, modules: version::Modules) -> Result<(), Failure> {
        let record = record(&self.read().catalog, &version.projection, version.number).cloned();
        let Some(record) = record.filter(|record| !record.retired) else { return Ok(()) };
        let (this, about) = (self.this.clone(), Arc::downgrade(version));
        let notify = move |notice| {
            if let (Some(this), Some(version)) = (this.upgrade(), about.upgrade()) {
                this.notice(&version, &notice);
            }
        };
        let start = version::Start {
            log: &self.log,
            storage: &self.storage,
            modules,
            was_ready: record.replayed_in_ms.is_some(),
            paused: record.paused,
            limits: self.modules.limits(),
        };
        version.start(start, Arc::new(notify))
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// What a thread has to say.
    fn notice(&self, version: &Arc<Version>, notice: &Notice) {
        let (name, number) = (version.projection.as_str(), version.number);
        if let Notice::Ready { replayed_in } = notice {
            let first = self.change(name, |projection, _| {
                let record = projection.versions.get_mut(&number);
                let Some(record) = record.filter(|record| record.replayed_in_ms.is_none()) else { return Ok(false) };
                record.replayed_in_ms = Some(u64::try_from(replayed_in.as_millis()).unwrap_or(u64::MAX));
                Ok(record.promote == Promote::WhenReady)
            });
            match first {
                Ok(true) => match self.promote(name, Some(number), None) {
                    Ok(_) => {}
                    Err(error) => tracing::error!(projection = name, version = number, %error, "not promoted"),
                },
                Ok(false) => {}
                // It will be ready again after a restart.
                Err(error) => tracing::error!(projection = name, version = number, %error, "cannot be remembered"),
            }
        }
        self.changed();
    }

    /// Moves queries to a version, in one step. Without a number: to the newest one that is ready.
    ///
    /// With `expected_live`, only if that version is live now.
    pub fn promote(
        &self,
        name: &str,
        number: Option<u32>,
        expected_live: Option<u32>,
    ) -> Result<ProjectionStatus, Error> {
        self.known(name)?;
        let number = self.change(name, |projection, versions| {
            if let Some(expected) = expected_live
                && projection.live != Some(expected)
            {
                return Err(Error::OtherLive { expected, live: projection.live });
            }
            let newest = || {
                let known = projection.versions.iter().rev();
                known.filter(|(_, record)| !record.retired).map(|(number, _)| *number).next()
            };
            let number = number.or_else(newest).ok_or_else(|| Error::UnknownProjection { name: name.to_owned() })?;
            switch(name, projection, versions, number)?;
            Ok(number)
        })?;
        tracing::info!(projection = name, version = number, "live");
        self.status(name)
    }

    /// Moves queries back to the version that was live before, in one step.
    pub fn rollback(&self, name: &str) -> Result<ProjectionStatus, Error> {
        self.known(name)?;
        let number = self.change(name, |projection, versions| {
            let previous = projection.previous;
            let number = previous.ok_or_else(|| Error::NothingToRollBackTo { name: name.to_owned() })?;
            switch(name, projection, versions, number)?;
            Ok(number)
        })?;
        tracing::info!(projection = name, version = number, "live again");
        self.status(name)
    }

    /// Stops a version after a last commit. Its rows stay, and can be queried. Blocks.
    pub fn pause(&self, name: &str, number: u32) -> Result<ProjectionStatus, Error> {
        let version = self.set_paused(name, number, true)?;
        version.stop();
        self.changed();
        self.status(name)
    }

    /// Lets a paused or faulted version go on from its checkpoint. Blocks.
    pub fn resume(&self, name: &str, number: u32) -> Result<ProjectionStatus, Error> {
        let version = self.set_paused(name, number, false)?;
        // A thread that stopped at a fault has ended, but nobody has noticed yet.
        version.stop();
        version.set_fault(None);
        let record = record(&self.read().catalog, name, number).cloned();
        if let Some(record) = record {
            self.prepare(version, record);
        }
        self.changed();
        self.status(name)
    }

    fn set_paused(&self, name: &str, number: u32, paused: bool) -> Result<Arc<Version>, Error> {
        self.known(name)?;
        self.change(name, |projection, versions| {
            let version = find(name, projection, versions, number)?;
            let record = projection.versions.get_mut(&number).filter(|record| !record.retired);
            let wanted = if paused { "paused" } else { "resumed" };
            let retired =
                || Error::WrongState { name: name.to_owned(), version: number, state: State::Retired, wanted };
            record.ok_or_else(retired)?.paused = paused;
            Ok(version)
        })
    }

    /// Ends a version for good and removes its rows. Blocks.
    pub fn retire(&self, name: &str, number: u32) -> Result<ProjectionStatus, Error> {
        self.known(name)?;
        let version = self.change(name, |projection, versions| {
            let version = find(name, projection, versions, number)?;
            if projection.live == Some(number) {
                let name = name.to_owned();
                return Err(Error::WrongState { name, version: number, state: State::Live, wanted: "retired" });
            }
            if projection.previous == Some(number) {
                projection.previous = None;
            }
            if let Some(record) = projection.versions.get_mut(&number) {
                record.retired = true;
            }
            Ok(version)
        })?;
        version.stop();
        version.remove();
        tracing::info!(projection = name, version = number, "retired");
        self.changed();
        self.status(name)
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

    fn known(&self, name: &str) -> Result<(), Error> {
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
            Some(describe(version, record, projection, head))
        });
        Ok(ProjectionStatus {
            name: name.to_owned(),
            live: projection.live,
            previous: projection.previous,
            versions: versions.collect(),
        })
    }

    pub fn version_status(&self, name: &str, number: u32) -> Result<VersionStatus, Error> {
        self.version(name, Some(number))?;
        let status = self.status(name)?;
        let known = status.versions.iter().map(|version| version.version).collect();
        let found = status.versions.into_iter().find(|version| version.version == number);
        found.ok_or_else(|| Error::UnknownVersion { name: name.to_owned(), version: number, known })
    }
}

fn folder(dir: &std::path::Path, name: &str, number: u32) -> PathBuf {
    dir.join(name).join(number.to_string())
}

fn record<'a>(catalog: &'a Catalog, name: &str, number: u32) -> Option<&'a VersionRecord> {
    catalog.projections.get(name)?.versions.get(&number)
}

fn find(name: &str, projection: &ProjectionRecord, versions: &Versions, number: u32) -> Result<Arc<Version>, Error> {
    versions.get(&(name.to_owned(), number)).cloned().ok_or_else(|| Error::UnknownVersion {
        name: name.to_owned(),
        version: number,
        known: projection.versions.keys().copied().collect(),
    })
}

/// Makes a version live, if it can be, and remembers which one was.
fn switch(name: &str, projection: &mut ProjectionRecord, versions: &Versions, number: u32) -> Result<(), Error> {
    let version = find(name, projection, versions, number)?;
    let Some(record) = projection.versions.get(&number) else { return Ok(()) };
    let status = describe(&version, record, projection, version.checkpoint());
    if !matches!(status.state, State::Ready | State::Standby | State::Live) {
        let name = name.to_owned();
        return Err(Error::WrongState { name, version: number, state: status.state, wanted: "made live" });
    }
    if projection.live != Some(number) {
        projection.previous = projection.live;
        projection.live = Some(number);
        if let Some(record) = projection.versions.get_mut(&number) {
            record.was_live = true;
        }
    }
    Ok(())
}

fn describe(
    version: &Version,
    record: &VersionRecord,
    projection: &ProjectionRecord,
    head: crate::event::Progress,
) -> VersionStatus {
    let gauges = version.gauges();
    let (checkpoint, fault) = (version.checkpoint(), version.fault());
    let state = match gauges.phase() {
        _ if record.retired => State::Retired,
        _ if fault.is_some() => State::Faulted,
        _ if record.paused => State::Paused,
        _ if !version.is_open() => State::Validating,
        // A version that serves goes on serving after a restart, while it catches up.
        Phase::CatchingUp | Phase::Ready if projection.live == Some(version.number) => State::Live,
        Phase::Replaying => State::Replaying,
        Phase::CatchingUp => State::CatchingUp,
        Phase::Ready if record.was_live => State::Standby,
        Phase::Ready => State::Ready,
    };
    let applied = gauges.applied().max(checkpoint);
    let rate = gauges.rate();
    let remaining = head.0.saturating_sub(applied.0);
    VersionStatus {
        projection: version.projection.clone(),
        version: version.number,
        state,
        module: record.module,
        upcasters: record.upcasters.clone(),
        checkpoint: last(checkpoint),
        head: last(head),
        lag: head.0.saturating_sub(checkpoint.0),
        applied: applied.0,
        events_per_second: rate.round(),
        eta_seconds: (rate > 0.0 && remaining > 0).then(|| (remaining as f64 / rate * 10.0).round() / 10.0),
        replayed_in_ms: record.replayed_in_ms,
        fault,
        created_at: record.created_at,
        memory_bytes: gauges.memory(),
    }
}

/// A projection's name is a folder and a part of a URL.
fn check_name(name: &str) -> Result<(), InvalidName> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=NAME_BYTES).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(InvalidName {
        what: "projection name",
        name: name.chars().take(80).collect(),
        why: format!("it takes 1 to {NAME_BYTES} letters, digits, `_` and `-`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_folder_are_refused() {
        for name in ["", "..", "a/b", "a b", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("on-time_2").is_ok());
    }
}
