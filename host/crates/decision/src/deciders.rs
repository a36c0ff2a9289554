//! All deciders of a host: what the log says of them, and the lanes of the versions that are live.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use std::time::Duration;

use tokio::sync::watch;

use kinora_log::{AppendError, AppendRequest, ClientId, Filter, Log, SearchRange, StreamAppend, Streams};
use kinora_projection::By;
use kinora_sandbox::{Modules, OwnScope};
use kinora_types::{Digest, Direction, ExpectedRevision, Position, Progress, Revision, StreamName};

use crate::error::Error;
use crate::lane::{Answer, Asked, Lane, State, Track, Unit};
use crate::limits::Limits;
use crate::record::command::{Command, CommandId};
use crate::record::control::{self, Catalog, Change, Entry, State as VersionState};
use crate::record::report::Report;
use crate::rules::Rules;
use crate::scope::Scope;
use crate::trial::{Judge, Trial};

/// How often a command follows a switch to another version.
const SWITCHES: usize = 8;

/// How long a command waits for the version that decides it to be loaded.
const LOADING: Duration = Duration::from_secs(10);

pub struct Deciders {
    log: Log,
    modules: Arc<Modules>,
    limits: Limits,
    memory_bytes: usize,
    by_name: RwLock<BTreeMap<String, Arc<Decider>>>,
    /// Categories, each with the decider that owns it. Looked at by every append.
    owned: RwLock<Arc<[(String, String)]>>,
    /// Why nobody knows what deciders there are.
    unreadable: Option<Error>,
    ends: AtomicBool,
}

/// One decider.
struct Decider {
    name: String,
    control: StreamName,
    catalog: Mutex<Catalog>,
    live: RwLock<Option<Arc<Live>>>,
    /// Changes of it are made one at a time.
    changing: tokio::sync::Mutex<()>,
    /// Counts the versions that have gone live here.
    went_live: watch::Sender<u64>,
}

/// The version that decides, and where.
struct Live {
    track: Arc<Track>,
    lanes: Vec<Arc<Lane>>,
}

/// A decider as it is shown.
#[derive(Clone, Debug)]
pub struct Status {
    pub name: String,
    pub catalog: Catalog,
    /// Whether the live version takes commands; its module may not be compiled yet.
    pub decides: bool,
}

/// What is to be deployed.
#[derive(Clone, Debug)]
pub struct Deploy {
    pub module: Digest,
    pub upcasters: Vec<Digest>,
    pub owns: bool,
}

impl Decider {
    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> Option<Arc<Live>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Live {
    fn lane(&self, scope: &Scope) -> Option<&Arc<Lane>> {
        let mut hasher = DefaultHasher::new();
        scope.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % (self.lanes.len().max(1) as u64)).unwrap_or(0);
        self.lanes.get(index)
    }
}

impl Deciders {
    /// Reads what the log says of deciders, and starts those that are live. Needs a runtime to be there.
    pub fn open(
        log: Log,
        modules: Arc<Modules>,
        limits: Limits,
        memory_bytes: usize,
        paused: bool,
    ) -> Result<Arc<Self>, Error> {
        let mut deciders = Self {
            log,
            modules,
            limits,
            memory_bytes,
            by_name: RwLock::default(),
            owned: RwLock::new(Arc::from([])),
            unreadable: None,
            ends: AtomicBool::new(false),
        };
        if let Err(error) = deciders.read() {
            // The rest of the host may be of use to whoever mends it.
            tracing::error!(%error, "the log cannot be read, so no decider decides");
            deciders.by_name = RwLock::default();
            deciders.unreadable = Some(error);
        }
        deciders.see_owners();
        let deciders = Arc::new(deciders);
        if !paused {
            for decider in deciders.all() {
                deciders.start(&decider);
            }
        }
        Ok(deciders)
    }

    fn read(&self) -> Result<(), Error> {
        let prefix = control::prefix();
        let filter = Filter { streams: Streams::Prefix(prefix.clone()), selection: None };
        let upto = self.log.progress();
        let mut from = Some(Position(0));
        while let Some(at) = from {
            let range = SearchRange { from: at, upto, direction: Direction::Forwards, limit: 1_000 };
            from = self.log.visit(&filter, range, |_, record| {
                let name = record.stream.strip_prefix(&prefix).unwrap_or_default().to_owned();
                match serde_json::from_str::<Entry>(record.data) {
                    Ok(entry) => {
                        if let Ok(decider) = self.found_or_new(&name) {
                            decider.catalog().apply(&entry.change, record.revision);
                        }
                    }
                    Err(cause) => tracing::error!(decider = name, %cause, "an entry of a decider cannot be read"),
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }

    /// Goes on with what was under way when the host ended.
    fn start(self: &Arc<Self>, decider: &Arc<Decider>) {
        let catalog = decider.catalog().clone();
        if let Some(live) = catalog.live {
            let (this, decider) = (Arc::clone(self), Arc::clone(decider));
            tokio::spawn(async move {
                if let Err(error) = this.go_live(&decider, live).await {
                    tracing::error!(decider = decider.name, version = live, %error, "the live version does not decide");
                }
            });
        }
        for (version, _) in catalog.versions.iter().filter(|(_, version)| version.state == VersionState::Proving) {
            self.prove(decider, *version);
        }
    }

    /// Ends what is under way; who waits is told.
    pub fn stop(&self) {
        self.ends.store(true, Ordering::Release);
        for live in self.all().iter().filter_map(|decider| decider.live()) {
            live.lanes.iter().for_each(|lane| lane.close());
        }
    }

    fn all(&self) -> Vec<Arc<Decider>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn find(&self, name: &str) -> Result<Arc<Decider>, Error> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || self.unreadable.clone().unwrap_or_else(|| Error::Unknown(name.to_owned()));
        by_name.get(name).cloned().ok_or_else(unknown)
    }

    fn found_or_new(&self, name: &str) -> Result<Arc<Decider>, Error> {
        if let Some(error) = &self.unreadable {
            return Err(error.clone());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(Error::InvalidName(name.to_owned()));
        }
        let control = control::stream(name)?;
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let decider = by_name.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Decider {
                name: name.to_owned(),
                control,
                catalog: Mutex::default(),
                live: RwLock::default(),
                changing: tokio::sync::Mutex::default(),
                went_live: watch::Sender::default(),
            })
        });
        Ok(Arc::clone(decider))
    }

    pub fn list(&self) -> Vec<Status> {
        let all = self.all();
        let known = all.iter().filter(|decider| !decider.catalog().versions.is_empty());
        known.map(|decider| self.shown(decider)).collect()
    }

    pub fn status(&self, name: &str) -> Result<Status, Error> {
        let decider = self.find(name)?;
        if decider.catalog().versions.is_empty() {
            return Err(Error::Unknown(name.to_owned()));
        }
        Ok(self.shown(&decider))
    }

    fn shown(&self, decider: &Decider) -> Status {
        Status { name: decider.name.clone(), catalog: decider.catalog().clone(), decides: decider.live().is_some() }
    }

    /// The decider that owns the category of a stream, if one does: nobody else appends to it.
    pub fn owner(&self, stream: &str) -> Option<String> {
        let owned = Arc::clone(&self.owned.read().unwrap_or_else(PoisonError::into_inner));
        let is_of = |category: &str| stream.strip_prefix(category).is_some_and(|rest| rest.starts_with('-'));
        owned.iter().find(|(category, _)| is_of(category)).map(|(_, decider)| decider.clone())
    }

    fn see_owners(&self) {
        let all = self.all();
        let owner = |decider: &Arc<Decider>| Some((decider.catalog().owns()?.to_owned(), decider.name.clone()));
        let owned: Arc<[_]> = all.iter().filter_map(owner).collect();
        *self.owned.write().unwrap_or_else(PoisonError::into_inner) = owned;
    }

    /// Lets somebody append to a stream that a decider owns: who, and why, stands in its history.
    pub async fn override_owner(&self, stream: &str, by: &By) -> Result<(), Error> {
        let Some(owner) = self.owner(stream) else { return Ok(()) };
        let decider = self.find(&owner)?;
        self.change(&decider, by, |_| Ok(Change::Overridden { stream: stream.to_owned() })).await?;
        Ok(())
    }

    // --- versions ---

    /// Deploys a version, which has to prove itself before it can go live.
    pub async fn deploy(self: &Arc<Self>, name: &str, deploy: Deploy, by: &By) -> Result<u32, Error> {
        let decider = self.found_or_new(name)?;
        // What cannot be a decider is refused before anything is written.
        let rules = Rules::settled(&self.modules, deploy.module, &deploy.upcasters).await?;
        let Deploy { module, upcasters, owns } = deploy;
        let owns = match &rules.decider.manifest.scope {
            OwnScope::Category(category) if owns => Some(category.clone()),
            OwnScope::Tag(_) if owns => return Err(Error::OwnsNoCategory),
            _ => None,
        };
        let changed = self.change(&decider, by, |catalog| {
            let version = catalog.next_version();
            Ok(Change::Deployed { version, module, upcasters, owns })
        });
        let version = match changed.await? {
            Change::Deployed { version, .. } => version,
            _ => return Err(Error::Unknown(name.to_owned())),
        };
        self.prove(&decider, version);
        Ok(version)
    }

    fn prove(self: &Arc<Self>, decider: &Arc<Decider>, version: u32) {
        let (this, decider) = (Arc::clone(self), Arc::clone(decider));
        tokio::spawn(async move {
            let proved = this.trial(&decider, version).await;
            let change = match proved {
                Ok(report) => Change::Proved { version, report },
                Err(Error::Ends) => return,
                Err(error) => Change::Faulted { version, reason: error.to_string() },
            };
            let by = By::host("all of history was folded, and its commands were decided again");
            if let Err(error) = this.change(&decider, &by, |_| Ok(change)).await {
                tracing::error!(decider = decider.name, version, %error, "what a trial found was not written down");
            }
        });
    }

    async fn trial(self: &Arc<Self>, decider: &Arc<Decider>, version: u32) -> Result<Report, Error> {
        let track = self.track(decider, version).await?;
        self.run(Judge::Version(track)).await
    }

    async fn run(self: &Arc<Self>, judge: Judge) -> Result<Report, Error> {
        let this = Arc::clone(self);
        let run = move || match Trial::new(this.log.clone(), judge) {
            Some(trial) => trial.run(|| !this.ends.load(Ordering::Acquire)),
            None => Ok(Report::default()),
        };
        tokio::task::spawn_blocking(run).await.unwrap_or(Err(Error::Ends))
    }

    /// Decides every recorded command again, each by the version that has decided it.
    pub async fn audit(self: &Arc<Self>, name: &str) -> Result<Report, Error> {
        let decider = self.find(name)?;
        let versions: Vec<u32> = decider.catalog().versions.keys().copied().collect();
        let mut tracks = BTreeMap::new();
        for version in versions {
            // A module that is gone judges nothing: the report says so.
            if let Ok(track) = self.track(&decider, version).await {
                tracks.insert(version, track);
            }
        }
        self.run(Judge::OfThatTime(tracks)).await
    }

    /// Has a version decide, and no other. What it would decide differently has to be accepted aloud.
    pub async fn promote(
        self: &Arc<Self>,
        name: &str,
        version: u32,
        expected: Option<u32>,
        accept_differences: bool,
        by: &By,
    ) -> Result<(), Error> {
        let decider = self.find(name)?;
        self.switch(&decider, by, |catalog| {
            if let Some(expected) = expected.filter(|expected| catalog.live != Some(*expected)) {
                return Err(Error::OtherLive { live: catalog.live, expected });
            }
            let unknown = || Error::UnknownVersion { decider: name.to_owned(), version };
            let found = catalog.versions.get(&version).ok_or_else(unknown)?;
            let state = found.state;
            if !matches!(state, VersionState::Ready | VersionState::Standby) {
                return Err(Error::WrongState { decider: name.to_owned(), version, state });
            }
            let differences = found.report.as_ref().map_or(0, Report::differences);
            if differences > 0 && state == VersionState::Ready && !accept_differences {
                return Err(Error::Differs { version, differences });
            }
            Ok(version)
        })
        .await
    }

    /// Has the version decide again that did before.
    pub async fn roll_back(self: &Arc<Self>, name: &str, expected: Option<u32>, by: &By) -> Result<u32, Error> {
        let decider = self.find(name)?;
        let mut back_to = 0;
        self.switch(&decider, by, |catalog| {
            if let Some(expected) = expected.filter(|expected| catalog.live != Some(*expected)) {
                return Err(Error::OtherLive { live: catalog.live, expected });
            }
            back_to = *catalog.before.last().ok_or(Error::NothingBefore)?;
            Ok(back_to)
        })
        .await?;
        Ok(back_to)
    }

    async fn switch(
        self: &Arc<Self>,
        decider: &Arc<Decider>,
        by: &By,
        to: impl FnOnce(&Catalog) -> Result<u32, Error>,
    ) -> Result<(), Error> {
        let changed = self.change(decider, by, |catalog| {
            let version = to(catalog)?;
            Ok(Change::Promoted { version, from: catalog.live })
        });
        if let Change::Promoted { version, .. } = changed.await? {
            self.go_live(decider, version).await?;
        }
        Ok(())
    }

    pub async fn retire(self: &Arc<Self>, name: &str, version: u32, by: &By) -> Result<(), Error> {
        let decider = self.find(name)?;
        self.change(&decider, by, |catalog| {
            let unknown = || Error::UnknownVersion { decider: name.to_owned(), version };
            let state = catalog.versions.get(&version).ok_or_else(unknown)?.state;
            match state {
                VersionState::Live | VersionState::Retired => {
                    Err(Error::WrongState { decider: name.to_owned(), version, state })
                }
                _ => Ok(Change::Retired { version }),
            }
        })
        .await?;
        Ok(())
    }

    /// Writes a change down, and applies it: all that is in memory follows the log.
    async fn change(
        &self,
        decider: &Decider,
        by: &By,
        make: impl FnOnce(&Catalog) -> Result<Change, Error>,
    ) -> Result<Change, Error> {
        let _one = decider.changing.lock().await;
        let (change, before) = {
            let catalog = decider.catalog();
            (make(&catalog)?, catalog.revision)
        };
        let entry = Entry::new(&decider.name, change.clone(), by);
        let failed =
            |why: String| Error::Log(kinora_log::Error::Folder { dir: decider.control.as_str().into(), cause: why });
        let event = entry.event().map_err(failed)?;
        let expected = before.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exactly);
        let append = StreamAppend { stream: decider.control.clone(), expected, events: vec![event] };
        self.log.append(AppendRequest::from(vec![append])).await?;
        let revision = Revision(before.map_or(0, |before| before.0 + 1));
        decider.catalog().apply(&change, revision);
        self.see_owners();
        if let Some(live) = decider.live() {
            match &change {
                // What it still decides is refused: it goes on expecting the revision by which it was live.
                Change::Promoted { version, .. } if *version != live.track.version => {
                    live.track.close();
                }
                // One that is closed stays at the revision by which it was live.
                _ if live.track.is_closed() => {}
                _ => live.track.control_revision.store(revision.0, Ordering::Release),
            }
        }
        Ok(change)
    }

    async fn track(&self, decider: &Decider, version: u32) -> Result<Arc<Track>, Error> {
        let unknown = || Error::UnknownVersion { decider: decider.name.clone(), version };
        let (found, revision) = {
            let catalog = decider.catalog();
            (catalog.versions.get(&version).cloned().ok_or_else(unknown)?, catalog.revision)
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
            limits: self.limits,
            memory_bytes: self.memory_bytes,
        }))
    }

    async fn go_live(&self, decider: &Decider, version: u32) -> Result<(), Error> {
        let track = self.track(decider, version).await?;
        let _one = decider.changing.lock().await;
        {
            let catalog = decider.catalog();
            if catalog.live != Some(version) {
                return Ok(());
            }
            track.control_revision.store(catalog.revision.map_or(0, |revision| revision.0), Ordering::Release);
        }
        let lanes = (0..self.limits.lanes.max(1)).map(|_| Lane::new(Arc::clone(&track))).collect();
        let live = Arc::new(Live { track, lanes });
        *decider.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live);
        decider.went_live.send_modify(|count| *count += 1);
        Ok(())
    }

    // --- commands ---

    /// Decides commands, all or none, by the version that is live.
    pub async fn decide(
        &self,
        name: &str,
        commands: Vec<Command>,
        client: ClientId,
        dry_run: bool,
    ) -> Result<Vec<Answer>, Error> {
        let decider = self.find(name)?;
        for _ in 0..SWITCHES {
            if self.ends.load(Ordering::Acquire) {
                return Err(Error::Ends);
            }
            let live = decided_by(&decider).await?;
            let asked: Vec<Asked> =
                commands.iter().map(|command| ask(&live.track, command)).collect::<Result<_, _>>()?;
            let Some(lane) = asked.first().and_then(|asked| live.lane(&asked.scope)) else {
                return Err(AppendError::Empty.into());
            };
            let (unit, answered) = Unit::new(asked, client, dry_run, live.track.version);
            lane.submit(unit);
            match answered.await.unwrap_or(Err(Error::Ends)) {
                Err(Error::Superseded) => {}
                answers => return answers,
            }
        }
        Err(Error::Superseded)
    }

    /// The stream that events of an aggregate go to if their decider does not say otherwise.
    pub fn stream_of(&self, name: &str, aggregate: &str) -> Result<StreamName, Error> {
        let decider = self.find(name)?;
        let live = decider.live().ok_or_else(|| Error::NothingLive(name.to_owned()))?;
        Ok(Scope::stream(&live.track.rules.decider.manifest.scope, aggregate)?)
    }

    /// The state of an aggregate after so many events of the log, as the live version folds it. Blocks.
    pub fn state(&self, name: &str, aggregate: &str, upto: Option<Progress>) -> Result<State, Error> {
        let decider = self.find(name)?;
        let live = decider.live().ok_or_else(|| Error::NothingLive(name.to_owned()))?;
        let scope = Scope::own(&live.track.rules.decider.manifest.scope, aggregate)?;
        let upto = upto.unwrap_or(Progress(u64::MAX)).min(self.log.progress());
        crate::lane::Outlook::new(Arc::clone(&live.track)).state(&scope, upto)
    }
}

/// The version that decides, once it is there: its module may still be loaded, or it has just been promoted.
async fn decided_by(decider: &Decider) -> Result<Arc<Live>, Error> {
    let mut went_live = decider.went_live.subscribe();
    let wait = async {
        loop {
            let Some(version) = decider.catalog().live else { return Err(Error::NothingLive(decider.name.clone())) };
            if let Some(live) = decider.live().filter(|live| live.track.version == version) {
                return Ok(live);
            }
            if went_live.changed().await.is_err() {
                return Err(Error::Ends);
            }
        }
    };
    tokio::time::timeout(LOADING, wait).await.unwrap_or(Err(Error::Ends))
}

/// A command of this decider, checked.
fn ask(track: &Track, command: &Command) -> Result<Asked, Error> {
    let module = &track.rules.decider;
    let kind = module.manifest.commands.iter().position(|known| known.name == command.name);
    let kind = kind.and_then(|kind| u32::try_from(kind).ok()).ok_or_else(|| Error::UnknownCommand {
        decider: track.decider.clone(),
        command: command.name.clone(),
        known: module.manifest.commands.iter().map(|known| known.name.clone()).collect(),
    })?;
    module
        .schemas
        .check_command(kind, command.data.get())
        .map_err(|why| Error::InvalidData { command: command.name.clone(), why })?;
    let scope = Scope::own(&module.manifest.scope, &command.aggregate)?;
    let stream = Scope::stream(&module.manifest.scope, &command.aggregate)?;
    let id = CommandId::of(&track.decider, command.key.as_deref());
    Ok(Asked { command: command.clone(), id, kind, scope, stream })
}
