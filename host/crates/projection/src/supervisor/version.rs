//! One version of a projection: its modules, its read model, and the thread that feeds it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use kinora_log::Log;
use kinora_readmodel::{Snapshot, Store};
use kinora_sandbox::{Category, Failure, Limits, ProjectorModule, Schemas};
use kinora_storage::Storage;
use kinora_types::Digest;
use kinora_types::{Position, Progress};

use crate::error::Error;
use crate::feed::dealer::Dealer;
use crate::feed::modules::VersionModules;
use crate::record::status::Fault;
use crate::replay::gauges::{Gauges, Phase};
use crate::replay::parts::{instances, parts};
use crate::replay::runner::{Command, End, Hold, Parts, Runner, SnapshotAt};
use crate::replay::turns::Turns;
use crate::rollout::preflight::gaps;
use crate::supervisor::stall::Stall;
use crate::trial::cast::Cast;
use crate::trial::proof::{Proof, prove};
use crate::trial::rehearsal::Interrupted;

/// What a version starts with.
pub struct StartWith<'a> {
    pub log: &'a Log,
    pub storage: &'a Storage,
    pub modules: VersionModules,
    /// Whether it has been ready before.
    pub was_ready: bool,
    /// What it leaves out at the beginning of the log.
    pub from: Progress,
    /// Its rows can be read, but it does not project.
    pub paused: bool,
    pub limits: &'a Limits,
    /// Whether its determinism has been checked.
    pub proven: bool,
    /// Events that it passes over.
    pub skipped: Vec<Position>,
    /// The folder for read models that are thrown away.
    pub scratch: PathBuf,
    pub turns: &'a Turns,
}

impl StartWith<'_> {
    /// What its determinism is checked with, if that is still to be done.
    fn cast(self) -> Result<Option<Cast>, String> {
        let Self { log, storage, modules, from, limits, skipped, scratch, .. } = self;
        let to_prove = !self.was_ready && !self.proven;
        to_prove.then(|| Cast::new(log, storage, scratch, from, modules, skipped, limits)).transpose()
    }
}

/// The commands of a running thread, and the thread.
struct Running {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

pub struct Version {
    pub projection: String,
    pub number: u32,
    dir: PathBuf,
    gauges: Arc<Gauges>,
    checkpoint: watch::Sender<Progress>,
    fault: RwLock<Option<Fault>>,
    /// There once the modules are compiled, until the version is retired.
    content: RwLock<Option<Content>>,
    running: Mutex<Option<Running>>,
    pub stall: Stall,
}

#[derive(Clone)]
struct Content {
    projector: Arc<ProjectorModule>,
    store: Arc<Store>,
    schemas: Arc<Schemas>,
}

/// What a version tells its projection.
pub enum Notice {
    Ready { replayed_in: Duration },
    Proven(Proof),
    Faulted,
}

impl Version {
    pub fn new(projection: &str, number: u32, dir: PathBuf) -> Self {
        Self {
            projection: projection.to_owned(),
            number,
            dir,
            gauges: Arc::default(),
            checkpoint: watch::Sender::new(Progress::default()),
            fault: RwLock::default(),
            content: RwLock::default(),
            running: Mutex::default(),
            stall: Stall::default(),
        }
    }

    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// What queries see.
    pub fn checkpoint(&self) -> Progress {
        *self.checkpoint.borrow()
    }

    pub fn fault(&self) -> Option<Fault> {
        self.fault.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_fault(&self, fault: Option<Fault>) {
        *self.fault.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    fn content(&self) -> Option<Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its modules are compiled and its rows can be read.
    pub fn is_open(&self) -> bool {
        self.content().is_some()
    }

    pub fn is_ready(&self) -> bool {
        self.is_open() && self.gauges.phase() == Phase::Ready
    }

    pub fn projector(&self) -> Option<Arc<ProjectorModule>> {
        self.content().map(|content| content.projector)
    }

    /// What its named queries take and answer.
    pub fn schemas(&self) -> Arc<Schemas> {
        self.content().map(|content| content.schemas).unwrap_or_default()
    }

    /// Where its read model is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn store(&self) -> Option<Arc<Store>> {
        self.content().map(|content| content.store)
    }

    pub fn snapshot(&self) -> Result<Option<Snapshot>, Error> {
        Ok(self.content().map(|content| content.store.snapshot()).transpose()?)
    }

    /// The rows as of the last commit, for whoever only looks at them.
    pub fn latest(&self) -> Result<Option<Arc<Snapshot>>, Error> {
        Ok(self.content().map(|content| content.store.latest()).transpose()?)
    }

    /// What queries see, as it changes.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.checkpoint.subscribe()
    }

    /// The keys of a table that were written after this; `None` if nobody remembers.
    pub fn changed_since(&self, table: u16, progress: Progress) -> Option<BTreeSet<String>> {
        self.content()?.store.changed_since(table, progress)
    }

    /// Waits until queries see a position.
    pub async fn reached(&self, position: Position, timeout: Duration) -> Result<(), Error> {
        let mut checkpoint = self.checkpoint.subscribe();
        let there = tokio::time::timeout(timeout, checkpoint.wait_for(|progress| progress.includes(position))).await;
        match there {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let reached = self.checkpoint().last().map(|position| position.0);
                Err(Error::NotThereYet { wanted: position.0, reached })
            }
        }
    }

    /// Starts the thread, and tells `notify` how it goes. Blocks while the read model is opened.
    pub fn start(
        self: &Arc<Self>,
        with: StartWith<'_>,
        notify: Arc<dyn Fn(Notice) + Send + Sync>,
    ) -> Result<(), Failure> {
        let mut running = self.running();
        if running.is_some() {
            return Ok(());
        }
        let content = self.open(&with)?;
        let (ready, is_ready) = oneshot::channel();
        let runner = self.runner(&with, &content.store, ready)?;
        let StartWith { log, paused, .. } = with;
        let cast = with.cast().map_err(|why| Failure::new(Category::Upcast, why))?;
        if cast.is_some() {
            self.gauges.set_phase(Phase::Validating);
        }
        *self.content.write().unwrap_or_else(PoisonError::into_inner) = Some(content);
        self.set_fault(None);
        if paused {
            self.checkpoint.send_replace(runner.committed());
            return Ok(());
        }
        let told = Arc::clone(&notify);
        tokio::spawn(async move {
            if let Ok(replayed_in) = is_ready.await {
                // It is written down, which waits for a disk.
                let _ = tokio::task::spawn_blocking(move || told(Notice::Ready { replayed_in })).await;
            }
        });
        *running = Some(self.spawn(runner, cast, log.clone(), notify)?);
        Ok(())
    }

    /// Opens the read model.
    fn open(&self, with: &StartWith<'_>) -> Result<Content, Failure> {
        let (projector, from) = (&with.modules.projector, with.from);
        let schemas = Schemas::new(&projector.manifest.queries).map_err(|why| Failure::new(Category::Rule, why))?;
        let store = match self.content() {
            Some(content) => content.store,
            None => {
                let opened = Store::open(with.storage, &self.dir, &projector.manifest.tables);
                Arc::new(opened.map_err(Failure::storage)?)
            }
        };
        if from > Progress::default() && store.checkpoint().map_err(Failure::storage)? < from {
            store.start_at(from).map_err(Failure::storage)?;
        }
        Ok(Content { projector: Arc::clone(projector), store, schemas: Arc::new(schemas) })
    }

    fn runner(
        &self,
        with: &StartWith<'_>,
        store: &Arc<Store>,
        ready: oneshot::Sender<Duration>,
    ) -> Result<Runner, Failure> {
        let StartWith { log, modules, limits, turns, was_ready, .. } = with;
        let parts = parts(log, store, modules, limits, &self.gauges, &self.checkpoint, turns)?;
        let dealer = Dealer::new(modules.projector.manifest.partition.as_ref(), instances());
        let source = parts.source.skipping(with.skipped.iter().copied().collect());
        let runner = Runner::new(Parts { was_ready: *was_ready, dealer, source, ..parts }, ready)?;
        // A version that has served goes on as far as it can.
        if !was_ready {
            refuse_gaps(log, &runner)?;
        }
        Ok(runner)
    }

    fn spawn(
        self: &Arc<Self>,
        runner: Runner,
        cast: Option<Cast>,
        log: Log,
        notify: Arc<dyn Fn(Notice) + Send + Sync>,
    ) -> Result<Running, Failure> {
        let (commands, received) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Handle::current();
        let this = Arc::clone(self);
        let thread = std::thread::Builder::new().name(format!("{}/{}", self.projection, self.number));
        let thread = thread.spawn(move || {
            // What the guest logs says whose it is.
            let span = tracing::info_span!("version", projection = this.projection, number = this.number);
            let run = || match cast.and_then(|cast| this.prove(&cast, &received, &*notify)) {
                None => runner.run(received, &runtime),
                Some(end) => end,
            };
            let run = std::panic::AssertUnwindSafe(|| span.in_scope(run));
            let end = std::panic::catch_unwind(run).unwrap_or_else(|_| {
                let failure = Failure::new(Category::Storage, "the runner panicked; the host's output says where");
                End::Faulted(Fault::new(&failure, None))
            });
            if let End::Faulted(fault) = end {
                let (projection, version) = (this.projection.as_str(), this.number);
                tracing::error!(projection, version, ?fault, "a version stopped at a fault");
                this.set_fault(Some(fault.located(&log)));
                notify(Notice::Faulted);
            }
        });
        Ok(Running { commands, thread: thread.map_err(Failure::storage)? })
    }

    /// Checks the projector against itself, until nobody waits for it any more. `None`: it may go on.
    fn prove(&self, cast: &Cast, commands: &mpsc::UnboundedReceiver<Command>, notify: &dyn Fn(Notice)) -> Option<End> {
        let wanted =
            |_: Progress| if commands.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        match prove(cast, &mut { wanted }) {
            Ok(proof) => {
                let (projection, version) = (self.projection.as_str(), self.number);
                let Proof { events, left_out, took_ms, .. } = proof;
                tracing::info!(projection, version, events, left_out, took_ms, "the projector is deterministic");
                notify(Notice::Proven(proof));
                self.gauges.set_phase(Phase::Replaying);
                None
            }
            Err(Interrupted::Cancelled) => Some(End::Stopped),
            Err(Interrupted::Failed(failure)) => Some(End::Faulted(Fault::new(&failure, None))),
        }
    }

    /// Ends the thread after a last commit, and waits for it. Blocks.
    pub fn stop(&self) {
        let running = self.running().take();
        if let Some(Running { commands, thread }) = running {
            // A thread that has ended by itself takes no commands.
            let _ = commands.send(Command::Stop);
            drop(commands);
            let _ = thread.join();
        }
    }

    /// Lets go of the read model and removes it. The thread has been stopped. Blocks.
    pub fn remove(&self) {
        let content = self.content.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(content);
        if let Err(cause) = std::fs::remove_dir_all(&self.dir)
            && cause.kind() != std::io::ErrorKind::NotFound
        {
            // Found again, and removed, when the host starts.
            tracing::warn!(path = %self.dir.display(), %cause, "the read model of a retired version is still there");
        }
    }

    /// Asks the thread for a snapshot at a position that is still ahead of it. `None` if none is running.
    pub fn snapshot_at(&self, at: Progress) -> Option<oneshot::Receiver<Snapshot>> {
        let (snapshot, taken) = oneshot::channel();
        let running = self.running();
        let commands = running.as_ref().filter(|running| !running.thread.is_finished())?;
        commands.commands.send(Command::SnapshotAt(SnapshotAt { at, snapshot })).ok()?;
        Some(taken)
    }

    /// Asks the thread to hold between two commits. `None` if none is running.
    pub fn hold(&self) -> Option<Held> {
        let (at, is_at) = oneshot::channel();
        let (go, until) = oneshot::channel();
        let (snapshot, taken) = oneshot::channel();
        let running = self.running();
        let commands = running.as_ref().filter(|running| !running.thread.is_finished())?;
        commands.commands.send(Command::Hold(Hold { at, until, snapshot })).ok()?;
        Some(Held { at: is_at, until: go, snapshot: taken })
    }
}

/// A thread that holds, or is about to.
pub struct Held {
    pub at: oneshot::Receiver<Progress>,
    pub until: oneshot::Sender<Progress>,
    pub snapshot: oneshot::Receiver<Snapshot>,
}

/// For modules that were not compiled yet when they were deployed: finds what has no route before a long replay does.
fn refuse_gaps(log: &Log, runner: &Runner) -> Result<(), Failure> {
    let gaps = gaps(log, runner.routes(), runner.committed()).map_err(Failure::storage)?;
    let Some(first) = gaps.first() else { return Ok(()) };
    let others =
        gaps.iter().skip(1).map(|gap| format!("; also {} schema {} ({} events)", gap.kind, gap.schema, gap.count));
    let others: String = others.collect();
    let message = format!("{} (found before the replay: the log has {} such events{others})", first.why, first.count);
    Err(Failure::new(Category::UnknownEvent, message).at(Position(first.first_position)))
}

/// The digests that a version names, for those who ask what is in use.
pub fn uses(record: &crate::registry::catalog::VersionRecord, digest: Digest) -> bool {
    !record.retired && (record.module == digest || record.upcasters.contains(&digest))
}
