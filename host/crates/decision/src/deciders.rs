//! All deciders of a host: what the log says of them, and the lanes of the versions that are live.

mod decider;
mod figures;
pub mod gates;
pub mod versions;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use kinora_files::Probation;
use kinora_log::{AppendError, ClientId, Filter, Log, SearchRange, Streams};
use kinora_projection::{By, Projections};
use kinora_sandbox::Modules;
use kinora_types::{Budget, Direction, Position, Progress, StreamName};

use crate::error::Error;
use crate::lane::{Answer, Asked, Kept, Outlook, Sought, State, Track, Unit, known};
use crate::limits::Limits;
use crate::owners::Owners;
use crate::record::command::{Command, CommandId};
use crate::record::control::{self, Catalog, Change, State as VersionState};
use crate::record::report::Report;
use crate::rejections::Rejected;
use crate::reproduction::Undecided;
use crate::scope::Scope;
use crate::snapshots::{Counts, SnapshotStore};
use decider::{Decider, Live};

pub use figures::Figures;

/// How often a command follows a switch to another version.
const SWITCHES: usize = 8;

pub struct Deciders {
    log: Log,
    modules: Arc<Modules>,
    projections: Arc<Projections>,
    limits: Limits,
    memory_bytes: usize,
    by_name: RwLock<BTreeMap<String, Arc<Decider>>>,
    owners: Arc<Owners>,
    seeing: Mutex<()>,
    snapshots: Arc<SnapshotStore>,
    /// Why nobody knows what deciders there are.
    unreadable: Option<Error>,
    /// Versions go live one at a time, whichever decider they are of: a category has one owner.
    switching: tokio::sync::Mutex<()>,
    /// Held while a module is being named by a version, so that nobody removes it.
    modules_kept: tokio::sync::RwLock<()>,
    /// Notes of versions that are tried.
    probation: Arc<Probation>,
    /// All guests run within it: it ends with the host.
    running: Budget,
}

/// What deciders are opened with.
pub struct Opening {
    /// Those that live off what is decided.
    pub projections: Arc<Projections>,
    pub snapshots: SnapshotStore,
    pub limits: Limits,
    /// What one instance may have.
    pub memory_bytes: usize,
    pub probation: Arc<Probation>,
    /// No guest is run before somebody asks for it.
    pub paused: bool,
}

/// A decider as it is shown.
#[derive(Clone, Debug)]
pub struct Status {
    pub name: String,
    pub catalog: Catalog,
    /// Whether the live version takes commands; its module may not be compiled yet.
    pub decides: bool,
    /// What versions that wait would have decided since they were ready, or since the host began.
    pub shadows: BTreeMap<u32, Report>,
    /// By version that may go live, the types of events from which on there is no way back to the one that is.
    pub one_way: BTreeMap<u32, Vec<String>>,
}

/// Commands that are decided together, all or none.
#[derive(Clone, Debug)]
pub struct Request {
    pub commands: Vec<Command>,
    pub client: ClientId,
    /// Only decided, and nothing appended.
    pub dry_run: bool,
}

impl Deciders {
    /// Reads what the log says of deciders, and starts those that are live. Needs a runtime to be there.
    pub fn open(log: Log, modules: Arc<Modules>, opening: Opening) -> Result<Arc<Self>, Error> {
        let Opening { projections, snapshots, limits, memory_bytes, probation, paused } = opening;
        let mut deciders = Self {
            log,
            modules,
            projections,
            limits,
            memory_bytes,
            by_name: RwLock::default(),
            owners: Arc::default(),
            seeing: Mutex::default(),
            snapshots: Arc::new(snapshots),
            unreadable: None,
            switching: tokio::sync::Mutex::default(),
            modules_kept: tokio::sync::RwLock::default(),
            probation,
            running: Budget::unlimited(),
        };
        if let Err(error) = deciders.read() {
            // The rest of the host may be of use to whoever mends it.
            tracing::error!(%error, "the log cannot be read, so no decider decides");
            deciders.by_name = RwLock::default();
            deciders.unreadable = Some(error);
        }
        deciders.see_owners();
        deciders.snapshots.keep_only(&deciders.all().iter().flat_map(|decider| decider.prefixes()).collect::<Vec<_>>());
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
                let name = record.stream.strip_prefix(&prefix).unwrap_or_default();
                match self.found_or_new(name) {
                    Ok(decider) => decider.apply(record.data, record.revision),
                    Err(error) => tracing::error!(decider = name, %error, "there is an entry of what is no decider"),
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
        for (version, _) in catalog.versions.iter().filter(|(_, version)| version.state == VersionState::Ready) {
            self.shadow_from_now_on(decider, *version);
        }
    }

    /// Ends what is under way; who waits is told.
    pub fn stop(&self) {
        self.running.cancel();
        for live in self.all().iter().filter_map(|decider| decider.live()) {
            live.lanes.iter().for_each(|lane| lane.close());
        }
    }

    fn has_ended(&self) -> bool {
        self.running.check().is_err()
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
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(decider) = by_name.get(name) {
            return Ok(Arc::clone(decider));
        }
        let decider = Arc::new(Decider::new(name, self.limits)?);
        by_name.insert(name.to_owned(), Arc::clone(&decider));
        Ok(decider)
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
        let decides = decider.readable().is_ok() && decider.live().is_some();
        let (name, one_way) = (decider.name.clone(), self.one_way(decider));
        let catalog = decider.catalog().clone();
        let shadows = decider.shadows().clone().into_iter().filter(|(version, _)| catalog.is_ready(*version)).collect();
        Status { name, catalog, decides, shadows, one_way }
    }

    /// The decider that owns the category of a stream, if one does: nobody else appends to it.
    ///
    /// # Errors
    /// Why nobody can know, since the log cannot be read.
    pub fn owner(&self, stream: &str) -> Result<Option<String>, Error> {
        self.unreadable.clone().map_or_else(|| Ok(self.owners.of(stream)), Err)
    }

    fn see_owners(&self) {
        // One picture at a time, so that an old one never comes after a newer one.
        let _one = self.seeing.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |decider: &Arc<Decider>| {
            let (owns, name) = (decider.owns(), decider.name.clone());
            owns.into_iter().map(move |category| (category, name.clone()))
        };
        let (known, unknown): (Vec<_>, Vec<_>) = self.all().into_iter().partition(|it| it.readable().is_ok());
        // Of one category, whoever is known to own it does.
        self.owners.set(unknown.iter().chain(&known).flat_map(of).collect());
    }

    /// Lets somebody append to a stream that a decider owns: who, and why, stands in its history.
    pub async fn override_owner(&self, stream: &str, by: &By) -> Result<(), Error> {
        let Some(owner) = self.owner(stream)? else { return Ok(()) };
        let decider = self.find(&owner)?;
        self.change(&decider, by, |_| Ok(Change::Overridden { stream: stream.to_owned() })).await?;
        Ok(())
    }

    /// Decides commands, all or none, by the version that is live. `allows` says of the stream of each aggregate
    /// whether whoever sends this reaches it.
    pub async fn decide<E: From<Error>>(
        &self,
        name: &str,
        request: Request,
        allows: impl Fn(&StreamName) -> Result<(), E>,
    ) -> Result<Vec<Answer>, E> {
        let decider = self.find(name)?;
        decider.readable()?;
        let Request { commands, client, dry_run } = request;
        let commands: Vec<Arc<Command>> = commands.into_iter().map(Arc::new).collect();
        let mut answers = Err(Error::Superseded);
        for _ in 0..SWITCHES {
            if self.has_ended() {
                return Err(Error::Ends.into());
            }
            let live = decider.decided_by().await?;
            let scope = &live.track.rules.decider.manifest.scope;
            let mut streams = Vec::with_capacity(commands.len());
            for command in &commands {
                let stream = Scope::stream(scope, &command.aggregate).map_err(Error::from)?;
                allows(&stream)?;
                streams.push(stream);
            }
            answers = decide_by(&live, &commands, streams, client, dry_run).await;
            if !matches!(answers, Err(Error::Superseded)) {
                break;
            }
        }
        decider.outcomes.note(&answers, commands.len());
        Ok(answers?)
    }

    /// The state of an aggregate after so many events of the log, as the live version folds it. Blocks.
    pub fn state(&self, name: &str, aggregate: &str, upto: Option<Progress>, budget: &Budget) -> Result<State, Error> {
        let decider = self.find(name)?;
        let live = decider.live().ok_or_else(|| Error::NothingLive(name.to_owned()))?;
        let scope = Scope::own(&live.track.rules.decider.manifest.scope, aggregate)?;
        let upto = upto.unwrap_or(Progress(u64::MAX)).min(self.log.progress());
        let snapshots = live.track.snapshots.clone();
        let kept = Kept { snapshots, from_events: u64::MAX, when_let_go: false, to_check: Vec::new() };
        let mut state = Outlook::new(Arc::clone(&live.track), budget, Some(kept)).state(&scope, upto)?;
        state.baseline.revision = live.track.revision(&scope, state.baseline)?;
        Ok(state)
    }

    /// A command that is not to be decided but looked into; as the version that is live takes it, or another one.
    pub async fn undecided(&self, name: &str, version: Option<u32>, command: Command) -> Result<Undecided, Error> {
        let decider = self.find(name)?;
        let live = || decider.live().map(|live| live.track.version).ok_or_else(|| Error::NothingLive(name.to_owned()));
        let track = self.track(&decider, version.map_or_else(live, Ok)?).await?;
        let stream = Scope::stream(&track.rules.decider.manifest.scope, &command.aggregate)?;
        let asked = ask(&track, &Arc::new(command), stream)?;
        Ok(Undecided { track, asked, modules: Arc::clone(&self.modules) })
    }

    /// Commands that were rejected lately, the last one first.
    pub fn rejections(&self, name: &str) -> Result<Vec<Arc<Rejected>>, Error> {
        let mut all = self.find(name)?.rejections.since(0);
        all.reverse();
        Ok(all)
    }

    pub fn figures(&self) -> Vec<Figures> {
        let of = |decider: Arc<Decider>| {
            let lanes = decider.live().map(|live| live.lanes.iter().map(|lane| lane.waiting()).sum());
            let (outcomes, waiting) = (decider.outcomes.all(), lanes.unwrap_or(0));
            Figures { decider: decider.name.clone(), outcomes, waiting }
        };
        self.all().into_iter().filter(|decider| !decider.catalog().versions.is_empty()).map(of).collect()
    }

    pub fn snapshots(&self) -> &Counts {
        self.snapshots.counts()
    }
}

/// Has commands decided by a version, in the lane of the first of them.
async fn decide_by(
    live: &Live,
    commands: &[Arc<Command>],
    streams: Vec<StreamName>,
    client: ClientId,
    dry_run: bool,
) -> Result<Vec<Answer>, Error> {
    let asked = commands.iter().zip(streams).map(|(command, stream)| ask(&live.track, command, stream));
    let asked: Vec<Asked> = match asked.collect() {
        Ok(asked) => asked,
        // What was decided is answered as it was, whatever this version takes.
        Err(error) => return decided_before(&live.track, commands).await?.ok_or(error),
    };
    let lane = asked.first().and_then(|asked| live.lane(&asked.scope)).ok_or(AppendError::Empty)?;
    let (unit, answered) = Unit::new(asked, client, dry_run, live.track.version);
    lane.submit(unit);
    answered.await.unwrap_or(Err(Error::Lost))
}

/// The answers to commands that are in the log already.
async fn decided_before(track: &Arc<Track>, commands: &[Arc<Command>]) -> Result<Option<Vec<Answer>>, Error> {
    if commands.iter().all(|command| command.key.is_none()) {
        return Ok(None);
    }
    let (track, commands) = (Arc::clone(track), commands.to_vec());
    let look_up = move || {
        let scope = &track.rules.decider.manifest.scope;
        let names = commands
            .iter()
            .map(|command| Ok((Scope::own(scope, &command.aggregate)?, Scope::stream(scope, &command.aggregate)?)));
        let names: Vec<_> = names.collect::<Result<_, Error>>()?;
        let sought: Vec<_> = commands
            .iter()
            .zip(&names)
            .map(|(command, (scope, stream))| {
                let id = CommandId::of(&track.decider, command.key.as_deref());
                Sought { command, id, stream, scope }
            })
            .collect();
        known(&track, &sought)
    };
    tokio::task::spawn_blocking(look_up).await.unwrap_or(Err(Error::Ends))
}

/// A command of this decider, checked.
fn ask(track: &Track, command: &Arc<Command>, stream: StreamName) -> Result<Asked, Error> {
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
    let id = CommandId::of(&track.decider, command.key.as_deref());
    Ok(Asked { command: Arc::clone(command), id, kind, scope, stream })
}
