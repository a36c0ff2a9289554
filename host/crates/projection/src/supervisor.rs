//! The supervisor: starts and stops the threads of versions, and is told how they go.
//!
//! Features ask for a version to be started through a [`Starter`](crate::registry::starter::Starter), so that none of
//! them knows the supervisor.

pub(crate) mod stalls;
pub(crate) mod suspects;
pub(crate) mod thread;

use std::sync::{Arc, Weak};

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;

use kinora_files::Probation;
use kinora_log::Log;
use kinora_sandbox::{Category, Failure, Modules};
use kinora_storage::Storage;
use kinora_types::{Budget, Position, Progress};

use crate::error::Error;
use crate::feed::modules::VersionModules;
use crate::record::fault::Fault;
use crate::record::history::{By, What};
use crate::record::proof::Proof;
use crate::record::status::last;
use crate::record::version::Promote;
use crate::registry::Registry;
use crate::registry::starter::ToStart;
use crate::registry::version::Version;
use crate::replay::turns::Turns;
use crate::rollout::continuation::Continuation;
use crate::rollout::gates;
use crate::rollout::gates::live_tables;
use crate::rollout::promotion::Promotions;
use stalls::StallWatch;
use suspects::{Judgement, Line, Suspects};
use thread::{Notice, StartWith, located};

/// What threads are started with, and who is asked and told about them.
pub struct Supervision {
    pub registry: Arc<Registry>,
    pub log: Log,
    pub storage: Storage,
    pub modules: Arc<Modules>,
    pub turns: Turns,
    pub stalls: StallWatch,
    pub continuation: Continuation,
    pub promotions: Arc<Promotions>,
    pub probation: Arc<Probation>,
    /// No version is started by itself.
    pub paused: bool,
}

/// Starts, stops and hears the threads of versions.
pub struct Supervisor {
    registry: Arc<Registry>,
    log: Log,
    storage: Storage,
    modules: Arc<Modules>,
    turns: Turns,
    /// Held so that it goes on.
    _stalls: Arc<StallWatch>,
    continuation: Continuation,
    promotions: Arc<Promotions>,
    suspects: Suspects,
    paused: bool,
    /// Of what is done before a thread is there: ends with the host.
    budget: Budget,
    /// For the threads of versions, which must not keep their host alive.
    this: Weak<Self>,
}

impl Supervisor {
    /// Starts what was running, and from then on what comes through the queue. Versions whose modules are there are
    /// open when this returns, so that a host answers queries from its first moment on. Needs a runtime to be there.
    pub fn start(with: Supervision, queue: mpsc::UnboundedReceiver<ToStart>) -> Arc<Self> {
        let Supervision { registry, log, storage, modules, turns, continuation, promotions, paused, .. } = with;
        let stalls = Arc::new(with.stalls);
        let (suspects, line) = Suspects::new(with.probation);
        let supervisor = Arc::new_cyclic(|this| Self {
            registry,
            log,
            storage,
            modules,
            turns,
            _stalls: Arc::clone(&stalls),
            continuation,
            promotions,
            suspects,
            paused,
            budget: Budget::unlimited(),
            this: this.clone(),
        });
        supervisor.resume_all();
        supervisor.try_suspects(line);
        supervisor.take_from(queue);
        stalls.start();
        supervisor
    }

    fn resume_all(&self) {
        let known: Vec<_> = {
            let loaded = self.registry.read();
            let record = |(name, number): &(String, u32)| loaded.record(name, *number).cloned();
            loaded.versions.iter().filter_map(|(key, version)| Some((Arc::clone(version), record(key)?))).collect()
        };
        for (version, record) in known {
            if record.retired {
                // A crash may have left it there.
                version.remove();
                continue;
            }
            version.hold_back(self.paused);
            match VersionModules::ready(&self.modules, record.module, &record.upcasters) {
                Ok(modules) => {
                    if let Err(failure) = self.start_again(&version, modules) {
                        self.not_started(&version, &failure);
                    }
                }
                Err(_) => self.prepare(ToStart { version, record }, Self::start_again),
            }
        }
    }

    /// Ends with those who could put something in.
    fn take_from(&self, mut queue: mpsc::UnboundedReceiver<ToStart>) {
        let this = self.this.clone();
        tokio::spawn(async move {
            while let Some(to_start) = queue.recv().await {
                let Some(this) = this.upgrade() else { return };
                // Somebody has asked for it.
                to_start.version.hold_back(false);
                this.prepare(to_start, Self::start_thread);
            }
        });
    }

    /// Starts a version, in one way or the other, as soon as its modules are there.
    fn prepare(&self, ToStart { version, record }: ToStart, start: Start) {
        let (modules, this) = (Arc::clone(&self.modules), self.this.clone());
        tokio::spawn(async move {
            let settled = VersionModules::settled(&modules, record.module, &record.upcasters).await;
            let Some(this) = this.upgrade() else { return };
            let failed = match settled {
                Err(error) => Some(Failure::new(Category::Rule, error.to_string())),
                Ok(modules) => {
                    let starting = tokio::task::spawn_blocking({
                        let (this, version) = (Arc::clone(&this), Arc::clone(&version));
                        move || start(&this, &version, modules)
                    });
                    starting.await.unwrap_or_else(|cause| Err(Failure::storage(cause))).err()
                }
            };
            if let Some(failure) = failed {
                this.not_started(&version, &failure);
            }
            this.registry.changed();
        });
    }

    /// Starts the thread, unless the version has been paused or retired meanwhile. Blocks.
    fn start_thread(&self, version: &Arc<Version>, modules: VersionModules) -> Result<(), Failure> {
        self.start_or_open(version, modules, true)
    }

    /// Starts a version when the host starts: at once, last, or not at all. Blocks.
    fn start_again(&self, version: &Arc<Version>, modules: VersionModules) -> Result<(), Failure> {
        if !self.suspects.has(version) {
            return self.start_thread(version, modules);
        }
        self.start_or_open(version, modules, false)?;
        if version.is_held() || version.fault().is_some() {
            return Ok(());
        }
        if let Judgement::Quarantined(failure) = self.suspects.judge(version) {
            let fault = Fault::new(&failure, None);
            tracing::error!(projection = version.projection, version = version.number, ?fault, "quarantined");
            version.set_fault(Some(fault.clone()));
            self.remember_fault(version, fault);
        }
        Ok(())
    }

    /// Starts suspects, each alone.
    fn try_suspects(&self, mut line: Line) {
        let this = self.this.clone();
        tokio::spawn(async move {
            while let Some(version) = line.next().await {
                let Some(this) = this.upgrade() else { return };
                if let Err(cause) = tokio::task::spawn_blocking(move || this.try_suspect(&version)).await {
                    tracing::error!(%cause, "a version could not be started");
                }
            }
        });
    }

    fn try_suspect(&self, version: &Arc<Version>) {
        let record = self.registry.read().record(&version.projection, version.number).cloned();
        let Some(record) = record.filter(|record| !record.retired) else { return };
        tracing::info!(projection = version.projection, version = version.number, "a version is started alone");
        let modules = VersionModules::ready(&self.modules, record.module, &record.upcasters).map_err(Failure::from);
        if let Err(failure) = modules.and_then(|modules| self.start_thread(version, modules)) {
            self.not_started(version, &failure);
        }
        self.registry.changed();
    }

    /// Opens the rows of a version, so that they can be queried, and starts its thread if its guests are to run.
    /// Blocks.
    fn start_or_open(&self, version: &Arc<Version>, modules: VersionModules, run: bool) -> Result<(), Failure> {
        let record = self.registry.read().record(&version.projection, version.number).cloned();
        let Some(mut record) = record.filter(|record| !record.retired) else { return Ok(()) };
        let runs = run && !version.is_held() && !record.paused && record.fault.is_none();
        let trial = runs.then(|| self.suspects.begin(version));
        // Modules that were not compiled yet when they were deployed could not be checked then.
        if record.proof.is_none() {
            let live = live_tables(&self.registry, &version.projection);
            let checked = gates::check(&record.gates, &modules.projector.manifest, &live);
            checked.map_err(|error| Failure::new(Category::Rule, error.to_string()))?;
        }
        if let (Some(from), None) = (record.continue_from, &record.continued) {
            if !runs && version.store().is_none() {
                // Whose rows it goes on with is found out by its guests.
                version.set_fault(record.fault);
                return Ok(());
            }
            record = self.continuation.decide(version, from, &self.budget)?;
        }
        let (this, about) = (self.this.clone(), Arc::downgrade(version));
        let notify = move |notice| {
            if let (Some(this), Some(version)) = (this.upgrade(), about.upgrade()) {
                this.notice(&version, notice);
            }
        };
        let with = StartWith {
            log: &self.log,
            storage: &self.storage,
            modules,
            was_ready: record.replayed_in_ms.is_some(),
            from: Progress(record.start),
            paused: !runs,
            budget: Budget::unlimited(),
            trial,
            limits: self.modules.limits(),
            proven: record.proof.is_some(),
            skipped: record.skipped.iter().map(|skipped| Position(skipped.position)).collect(),
            scratch: self.registry.folders().dir().to_owned(),
            turns: &self.turns,
        };
        thread::start(version, with, Arc::new(notify))?;
        if runs {
            self.suspects.sync(version);
        }
        if record.fault.is_some() {
            version.set_fault(record.fault);
        }
        Ok(())
    }

    fn not_started(&self, version: &Version, failure: &Failure) {
        // The host ends, and the next start does it again.
        if failure.is_cancelled() {
            return;
        }
        let fault = located(Fault::new(failure, None), &self.log);
        let (projection, number) = (version.projection.as_str(), version.number);
        tracing::error!(projection, version = number, ?fault, "a version could not be started");
        version.set_fault(Some(fault.clone()));
        self.remember_fault(version, fault);
    }

    /// What a thread has to say.
    fn notice(&self, version: &Version, notice: Notice) {
        match notice {
            Notice::Ready { replayed_in } => {
                let replayed_in_ms = u64::try_from(replayed_in.as_millis()).unwrap_or(u64::MAX);
                match self.remember_ready(version, replayed_in_ms) {
                    Ok(true) => self.promotions.promote_when_ready(&version.projection, version.number),
                    Ok(false) => {}
                    // It will be ready again after a restart.
                    Err(error) => not_remembered(version, &error),
                }
            }
            Notice::Proven(proof) => {
                // It will be proved again after a restart.
                if let Err(error) = self.remember_proof(version, proof) {
                    not_remembered(version, &error);
                }
            }
            Notice::Faulted => {
                if let Some(fault) = version.fault() {
                    self.remember_fault(version, fault);
                }
            }
        }
        self.registry.changed();
    }

    /// Whether the version is to go live by itself.
    fn remember_ready(&self, version: &Version, replayed_in_ms: u64) -> Result<bool, Error> {
        self.registry.change(&version.projection, |projection, _| {
            let Some(record) = projection.versions.get_mut(&version.number) else { return Ok(false) };
            if record.replayed_in_ms.is_none() {
                record.replayed_in_ms = Some(replayed_in_ms);
                record.ready_at = Some(Timestamp::now());
            }
            Ok(record.promote == Promote::WhenReady && !record.was_live)
        })
    }

    fn remember_proof(&self, version: &Version, proof: Proof) -> Result<(), Error> {
        self.registry.change(&version.projection, |projection, _| {
            if let Some(record) = projection.versions.get_mut(&version.number) {
                record.proof = Some(proof);
            }
            Ok(())
        })
    }

    /// A version that stopped stays stopped over restarts: to try again is for somebody to decide.
    fn remember_fault(&self, version: &Version, fault: Fault) {
        let (name, number) = (version.projection.as_str(), version.number);
        let checkpoint = last(version.checkpoint());
        let remembered = self.registry.change(name, |projection, _| {
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

    /// Ends all threads after a last commit, as far as their guests let them make one. Blocks.
    pub fn stop(&self) {
        self.budget.cancel();
        let versions: Vec<_> = self.registry.read().versions.values().cloned().collect();
        versions.iter().for_each(|version| version.tell_to_stop());
        versions.iter().for_each(|version| version.stop());
        self.suspects.rest();
    }
}

/// How a version is started.
type Start = fn(&Supervisor, &Arc<Version>, VersionModules) -> Result<(), Failure>;

fn not_remembered(version: &Version, error: &Error) {
    tracing::error!(projection = version.projection, version = version.number, %error, "cannot be remembered");
}
