//! Versions of deciders: how one is deployed and tried, how it comes to decide, and how it is given up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use kinora_log::{AppendRequest, StreamAppend};
use kinora_projection::{By, Fault, Stop};
use kinora_sandbox::{Category, Failure, OwnScope};
use kinora_types::{Budget, Digest, EventType, ExpectedRevision};

use super::Deciders;
use super::decider::{Decider, Live};
use crate::error::Error;
use crate::lane::{Track, faulted};
use crate::record::control::{Catalog, Change, Entry, State, Version};
use crate::record::report::Report;
use crate::rules::Rules;
use crate::snapshots::prefix;
use crate::trial::{Judge, Trial};

/// How often a version that waits looks at what has been decided, and how long it waits for that.
const SHADOW_PAUSE: Duration = Duration::from_millis(50);
const SHADOW_LOOK: Duration = Duration::from_secs(1);

/// Whether a fault says nothing of the version: the host has trouble, or the machine too much to do.
fn is_by_chance(fault: &Fault) -> bool {
    !fault.is_lasting() || fault.category == Category::Time.as_str()
}

/// What is to be deployed.
#[derive(Clone, Debug)]
pub struct Deploy {
    pub module: Digest,
    pub upcasters: Vec<Digest>,
    pub owns: bool,
}

/// What is known of a switch, and right all the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accepted {
    /// That the version decides otherwise than was decided.
    pub differences: bool,
    /// That live projections stop at what it emits.
    pub stops: bool,
    /// That it does not fold all that was decided since: commands of such aggregates fail.
    pub one_way: bool,
}

/// A version that a module is part of.
#[derive(Clone, Debug)]
pub struct Use {
    pub decider: String,
    pub version: u32,
    pub state: State,
}

impl Deciders {
    /// Deploys a version, which has to prove itself before it can go live.
    pub async fn deploy(self: &Arc<Self>, name: &str, deploy: Deploy, by: &By) -> Result<u32, Error> {
        let decider = self.found_or_new(name)?;
        // No module goes while it is being named.
        let _kept = self.modules_kept.read().await;
        // What cannot be a decider is refused before anything is written.
        let rules = Rules::settled(&self.modules, deploy.module, &deploy.upcasters).await?;
        let Deploy { module, upcasters, owns } = deploy;
        let owns = match &rules.decider.manifest.scope {
            OwnScope::Category(category) if owns => Some(category.clone()),
            OwnScope::Tag(_) if owns => return Err(Error::OwnsNoCategory),
            _ => None,
        };
        self.owned_by_nobody_else(&decider, owns.as_deref())?;
        let changed = self.change(&decider, by, |catalog| {
            let version = catalog.next_version();
            let (upcasters, owns) = (upcasters.clone(), owns.clone());
            Ok(Change::Deployed { version, module, upcasters, owns })
        });
        let version = match changed.await? {
            Change::Deployed { version, .. } => version,
            _ => return Err(Error::Unknown(name.to_owned())),
        };
        self.prove(&decider, version);
        Ok(version)
    }

    pub(super) fn prove(self: &Arc<Self>, decider: &Arc<Decider>, version: u32) {
        let (this, decider) = (Arc::clone(self), Arc::clone(decider));
        tokio::spawn(async move {
            let proved = this.trial(&decider, version).await;
            let (change, trial) = match proved {
                Ok((report, trial)) => (Change::Proved { version, report }, Some(trial)),
                Err(Error::Ends) => return,
                Err(error) => (Change::Faulted { version, reason: error.to_string() }, None),
            };
            let by = By::host("all of history was folded, and its commands were decided again");
            if let Err(error) = this.change(&decider, &by, |_| Ok(change.clone())).await {
                tracing::error!(decider = decider.name, version, %error, "what a trial found was not written down");
            }
            if let Some(trial) = trial {
                this.shadow(&decider, version, trial).await;
            }
        });
    }

    /// Goes on with a version that was ready when the host began.
    pub(super) fn shadow_from_now_on(self: &Arc<Self>, decider: &Arc<Decider>, version: u32) {
        // Before anything is decided.
        let (from, rejected) = (self.log.progress(), decider.rejections.next());
        let (this, decider) = (Arc::clone(self), Arc::clone(decider));
        tokio::spawn(async move {
            match this.track(&decider, version).await {
                Ok(track) => {
                    let trial = Trial::new(this.log.clone(), Judge::Version(track), &this.running);
                    if let Some(trial) = trial {
                        this.shadow(&decider, version, trial.beginning_at(from, rejected)).await;
                    }
                }
                Err(error) => tracing::error!(decider = decider.name, version, %error, "it casts no shadow"),
            }
        });
    }

    /// Has a version that waits decide whatever is decided, too, and appends nothing of it. The newest one does: what
    /// it costs is a thread.
    async fn shadow(self: &Arc<Self>, decider: &Arc<Decider>, version: u32, mut trial: Trial) {
        let mut log = self.log.watch();
        while !self.has_ended() && decider.catalog().is_ready(version) {
            if decider.catalog().is_next(version) {
                let following = Arc::clone(decider);
                let round = tokio::task::spawn_blocking(move || {
                    let done = trial.go_on(|| following.catalog().is_next(version)).cloned();
                    (trial, done)
                });
                let Ok((now, done)) = round.await else {
                    tracing::error!(decider = decider.name, version, "its shadow has ended without a word");
                    return;
                };
                trial = now;
                match done {
                    Ok(report) => drop(decider.shadows().insert(version, report)),
                    Err(Error::Ends) => {}
                    Err(Error::Faulted(fault)) if !is_by_chance(&fault) => {
                        let by = By::host("it waited, and could not follow what was decided");
                        let change = Change::Faulted { version, reason: Error::Faulted(fault).to_string() };
                        if let Err(error) = self.change(decider, &by, |_| Ok(change.clone())).await {
                            tracing::error!(decider = decider.name, version, %error, "a fault was not written down");
                        }
                        return;
                    }
                    Err(error) => {
                        tracing::error!(decider = decider.name, version, %error, "its shadow is held up");
                        tokio::time::sleep(SHADOW_LOOK).await;
                    }
                }
            }
            tokio::time::sleep(SHADOW_PAUSE).await;
            // What is rejected does not show in the log.
            let _ = tokio::time::timeout(SHADOW_LOOK, log.changed()).await;
        }
    }

    /// Ends early with [`Error::Ends`] if the version is given up meanwhile.
    async fn trial(self: &Arc<Self>, decider: &Arc<Decider>, version: u32) -> Result<(Report, Trial), Error> {
        let track = self.track(decider, version).await?;
        let note = format!("decider-{}-{version}", decider.name);
        if self.probation.is_to_blame(&note) {
            let ends = self.probation.ends(&note);
            let why =
                format!("the host ended {ends} times while it was tried, so it is not tried again: deploy it anew");
            return Err(faulted(&Failure::new(Category::Quarantined, why)));
        }
        let (log, budget, decider) = (self.log.clone(), self.running.clone(), Arc::clone(decider));
        let on_probation = self.probation.begin(&note, 0);
        let probation = Arc::clone(&self.probation);
        let goes_on = move || {
            let catalog = decider.catalog();
            catalog.versions.get(&version).is_some_and(|version| version.state == State::Proving)
        };
        let run = move || {
            probation.sync(&note);
            let mut trial = Trial::new(log, Judge::Version(track), &budget).ok_or(Error::Ends)?;
            let report = trial.watched(on_probation.place.clone()).run(goes_on);
            if !matches!(report, Err(Error::Ends)) {
                on_probation.proved_well();
            }
            Ok((report?, trial))
        };
        tokio::task::spawn_blocking(run).await.unwrap_or(Err(Error::Ends))
    }

    /// Gets ready to decide every recorded command again, each by the version that has decided it. What is returned
    /// does so; it blocks.
    pub async fn audit(
        &self,
        name: &str,
    ) -> Result<impl FnOnce(&Budget) -> Result<Report, Error> + Send + use<>, Error> {
        let decider = self.find(name)?;
        let versions: Vec<u32> = decider.catalog().versions.keys().copied().collect();
        let mut tracks = BTreeMap::new();
        for version in versions {
            // A module that is gone judges nothing: the report says so.
            if let Ok(track) = self.track(&decider, version).await {
                tracks.insert(version, track);
            }
        }
        let log = self.log.clone();
        Ok(move |budget: &Budget| match Trial::new(log, Judge::OfThatTime(tracks), budget) {
            Some(mut trial) => trial.run(|| true),
            None => Ok(Report::default()),
        })
    }

    /// Has a version decide, and no other. What it would decide differently has to be accepted aloud.
    pub async fn promote(
        &self,
        name: &str,
        version: u32,
        expected: Option<u32>,
        accepted: Accepted,
        by: &By,
    ) -> Result<(), Error> {
        let decider = self.find(name)?;
        let _one = self.switching.lock().await;
        if decider.catalog().live == Some(version) && decider.live().is_none_or(|live| live.track.version != version) {
            // Its module could not be loaded when the host began: it may be there by now.
            return self.go_live(&decider, version).await;
        }
        self.switch(&decider, accepted, by, |catalog| {
            is_live(catalog, expected)?;
            let found = of(catalog, name, version)?;
            let state = found.state;
            if !matches!(state, State::Ready | State::Standby) {
                return Err(Error::WrongState { decider: name.to_owned(), version, state });
            }
            let differences = decider.differences(version, found);
            if differences > 0 && state == State::Ready && !accepted.differences {
                return Err(Error::Differs { version, differences });
            }
            Ok(version)
        })
        .await?;
        Ok(())
    }

    /// Has the version decide again that did before.
    pub async fn roll_back(&self, name: &str, expected: Option<u32>, by: &By) -> Result<u32, Error> {
        let decider = self.find(name)?;
        let _one = self.switching.lock().await;
        // What it emits has been emitted before.
        let accepted = Accepted { stops: true, ..Accepted::default() };
        self.switch(&decider, accepted, by, |catalog| {
            is_live(catalog, expected)?;
            catalog.before.last().copied().ok_or(Error::NothingBefore)
        })
        .await
    }

    /// Loads a version, writes down that it is live, and has it decide.
    async fn switch(
        &self,
        decider: &Arc<Decider>,
        accepted: Accepted,
        by: &By,
        to: impl Fn(&Catalog) -> Result<u32, Error>,
    ) -> Result<u32, Error> {
        let version = to(&decider.catalog())?;
        // One that cannot be loaded must not become live.
        let live = Live::new(self.track(decider, version).await?);
        self.passes(decider, &live, accepted).await?;
        self.change(decider, by, |catalog| {
            if to(catalog)? != version {
                return Err(Error::OtherLive { live: catalog.live, expected: version });
            }
            let owns = of(catalog, &decider.name, version)?.owns.as_deref();
            self.owned_by_nobody_else(decider, owns)?;
            Ok(Change::Promoted { version, from: catalog.live })
        })
        .await?;
        decider.install(live);
        Ok(version)
    }

    /// Refuses a version at whose events others would stop, or that does not fold what has been decided.
    async fn passes(&self, decider: &Decider, next: &Live, accepted: Accepted) -> Result<(), Error> {
        let (version, rules) = (next.track.version, &next.track.rules);
        if !accepted.stops {
            let stops = self.stops_at(rules).await?;
            if !stops.is_empty() {
                return Err(Error::WouldStop { version, stops });
            }
        }
        if !accepted.one_way {
            let kinds = self.lost_by(decider, rules).await?;
            if !kinds.is_empty() {
                return Err(Error::OneWay { version, kinds });
            }
        }
        Ok(())
    }

    /// The live versions of projections that would stop at what these rules emit.
    pub(super) async fn stops_at(&self, rules: &Rules) -> Result<Vec<Stop>, Error> {
        let (emits, projections) = (rules.emits(), Arc::clone(&self.projections));
        let stops = tokio::task::spawn_blocking(move || projections.stops().at(&emits)).await;
        stops.map_err(|_| Error::Ends)?.map_err(|error| Error::Projections(error.to_string()))
    }

    /// The types of events that the live version has emitted, and that these rules do not fold.
    pub(super) async fn lost_by(&self, decider: &Decider, rules: &Rules) -> Result<Vec<String>, Error> {
        let Some(live) = decider.live() else { return Ok(Vec::new()) };
        let log = self.log.clone();
        let types = tokio::task::spawn_blocking(move || log.types()).await.map_err(|_| Error::Ends)??;
        let is_in_log = |kind: &EventType| {
            types.iter().any(|found| found.kind == kind.name && found.schema == kind.schema && found.count > 0)
        };
        let lost = not_taken(&live.track.rules, rules).into_iter().filter(is_in_log);
        Ok(lost.map(|kind| kind.to_string()).collect())
    }

    /// For each version that may go live, the types of events from which on there is no way back to the one that is.
    pub(super) fn one_way(&self, decider: &Decider) -> BTreeMap<u32, Vec<String>> {
        let Some(live) = decider.live() else { return BTreeMap::new() };
        let waiting: Vec<(u32, Version)> = {
            let catalog = decider.catalog();
            let waits = |version: &Version| matches!(version.state, State::Ready | State::Standby);
            catalog
                .versions
                .iter()
                .filter(|(_, version)| waits(version))
                .map(|(number, it)| (*number, it.clone()))
                .collect()
        };
        let mut found = BTreeMap::new();
        for (number, version) in waiting {
            let Ok(rules) = Rules::ready(&self.modules, version.module, &version.upcasters) else { continue };
            let lost = not_taken(&rules, &live.track.rules);
            if !lost.is_empty() {
                found.insert(number, lost.iter().map(EventType::to_string).collect());
            }
        }
        found
    }

    /// A category has one owner.
    fn owned_by_nobody_else(&self, decider: &Decider, category: Option<&str>) -> Result<(), Error> {
        let Some(category) = category else { return Ok(()) };
        // Of a stream of this category.
        let owner = self.owners.of_category(category).filter(|owner| *owner != decider.name);
        match owner {
            None => Ok(()),
            Some(owner) => Err(Error::OwnedByAnother { category: category.to_owned(), owner }),
        }
    }

    pub async fn retire(&self, name: &str, version: u32, by: &By) -> Result<(), Error> {
        let decider = self.find(name)?;
        self.change(&decider, by, |catalog| match of(catalog, name, version)?.state {
            state @ (State::Live | State::Retired) => {
                Err(Error::WrongState { decider: name.to_owned(), version, state })
            }
            _ => Ok(Change::Retired { version }),
        })
        .await?;
        Ok(())
    }

    /// Writes a change down, and applies it: all that is in memory follows the log.
    pub(super) async fn change(
        &self,
        decider: &Arc<Decider>,
        by: &By,
        make: impl Fn(&Catalog) -> Result<Change, Error>,
    ) -> Result<Change, Error> {
        let _one = decider.changing.lock().await;
        decider.readable()?;
        let (change, before) = {
            let catalog = decider.catalog();
            (make(&catalog)?, catalog.revision)
        };
        let entry = Entry::new(&decider.name, change.clone(), by);
        let failed =
            |why: String| Error::Log(kinora_log::Error::Folder { dir: decider.control.as_str().into(), cause: why });
        let event = entry.event().map_err(failed)?;
        let id = event.id;
        let expected = before.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exactly);
        let append = StreamAppend { stream: decider.control.clone(), expected, events: vec![event] };
        let appended = self.log.append(AppendRequest::from(vec![append])).await;
        // Whatever the answer was: what is in the log holds, once it is durable. If it cannot become so, no change can.
        let _ = self.log.settled().await;
        let (log, following) = (self.log.clone(), Arc::clone(decider));
        let followed = tokio::task::spawn_blocking(move || {
            following.catch_up(&log)?;
            Ok::<_, Error>(log.position_of(id)?.is_some())
        });
        let is_there = followed.await.unwrap_or(Err(Error::Ends));
        self.see_owners();
        decider.settle();
        match (appended, is_there) {
            (_, Ok(true)) => Ok(change),
            (Ok(_), Ok(false)) => Err(Error::Lost),
            (Err(error), _) => Err(error.into()),
            (Ok(_), Err(error)) => Err(error),
        }
    }

    pub(super) async fn track(&self, decider: &Decider, version: u32) -> Result<Arc<Track>, Error> {
        decider.readable()?;
        let (found, revision) = {
            let catalog = decider.catalog();
            (of(&catalog, &decider.name, version)?.clone(), catalog.revision)
        };
        let rules = Rules::settled(&self.modules, found.module, &found.upcasters).await?;
        Ok(Arc::new(Track {
            decider: decider.name.clone(),
            version,
            rules,
            log: self.log.clone(),
            control: decider.control.clone(),
            control_revision: AtomicU64::new(revision.map_or(0, |revision| revision.0)),
            closed: AtomicBool::new(false),
            snapshots: self.snapshots.of(self.log.clone(), prefix(found.module, &found.upcasters)),
            rejections: Arc::clone(&decider.rejections),
            owners: Arc::clone(&self.owners),
            limits: self.limits,
            memory_bytes: self.memory_bytes,
            budget: self.running.clone(),
        }))
    }

    /// Loads the version that is live, and has it decide.
    pub(super) async fn go_live(&self, decider: &Decider, version: u32) -> Result<(), Error> {
        let live = Live::new(self.track(decider, version).await?);
        let _one = decider.changing.lock().await;
        decider.install(live);
        Ok(())
    }

    /// The versions that a module is part of, with the names of their deciders. One that was given up before it has
    /// decided anything needs it no more.
    pub fn uses(&self, module: Digest) -> Vec<Use> {
        let mut uses = Vec::new();
        let needs = |version: &Version| version.state != State::Retired || version.was_live;
        for decider in self.all() {
            let catalog = decider.catalog();
            let has = |version: &Version| version.module == module || version.upcasters.contains(&module);
            let used = catalog.versions.iter().filter(|(_, version)| needs(version) && has(version));
            let shown = |(number, version): (&u32, &Version)| Use {
                decider: decider.name.clone(),
                version: *number,
                state: version.state,
            };
            uses.extend(used.map(shown));
        }
        uses
    }

    /// Removes a module that no version uses, as `remove` does it. Blocks.
    ///
    /// # Errors
    /// [`Error::ModuleInUse`], and those of `remove`.
    pub fn remove_module<E: From<Error>>(
        &self,
        module: Digest,
        remove: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let _alone = self.modules_kept.blocking_write();
        match self.uses(module).into_iter().next() {
            Some(Use { decider, version, .. }) => Err(Error::ModuleInUse { module, decider, version }.into()),
            None => remove(),
        }
    }
}

/// The types of events that may come of one version, and that another one neither folds nor passes over.
fn not_taken(of: &Rules, by: &Rules) -> Vec<EventType> {
    of.emits().into_iter().filter(|kind| !by.takes(&kind.name, kind.schema)).collect()
}

pub(super) fn of<'a>(catalog: &'a Catalog, decider: &str, version: u32) -> Result<&'a Version, Error> {
    let unknown = || Error::UnknownVersion { decider: decider.to_owned(), version };
    catalog.versions.get(&version).ok_or_else(unknown)
}

fn is_live(catalog: &Catalog, expected: Option<u32>) -> Result<(), Error> {
    match expected {
        Some(expected) if catalog.live != Some(expected) => Err(Error::OtherLive { live: catalog.live, expected }),
        _ => Ok(()),
    }
}
