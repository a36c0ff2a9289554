//! A version in memory: where it stands, its rows once its modules are compiled, and the thread that feeds it while one
//! runs. Who starts the thread is no concern of this file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use kinora_readmodel::{Snapshot, Store};
use kinora_sandbox::{Failure, ProjectorModule, Schemas};
use kinora_types::{Budget, Position, Progress};

use crate::error::Error;
use crate::record::fault::Fault;
use crate::registry::stall::Stall;
use crate::replay::gauges::{Gauges, Phase};
use crate::replay::runner::{Command, Hold, SnapshotAt};

/// How long a thread that is told to stop may take to commit what it has done. A call that takes longer is ended, and
/// its events are applied again later.
const GRACE: Duration = Duration::from_secs(1);

/// How often a thread that is told to stop is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// The commands of a running thread, and the thread.
pub struct Running {
    pub commands: mpsc::UnboundedSender<Command>,
    pub thread: JoinHandle<()>,
    /// That of its guests.
    pub budget: Budget,
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
    /// Its guests are not run before somebody asks for it.
    held: AtomicBool,
    pub stall: Stall,
}

/// What a version shows once its modules are compiled.
#[derive(Clone)]
pub struct Content {
    pub projector: Arc<ProjectorModule>,
    pub store: Arc<Store>,
    /// What its named queries take and answer.
    pub schemas: Arc<Schemas>,
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
            held: AtomicBool::new(false),
            stall: Stall::default(),
        }
    }

    pub(crate) fn gauges(&self) -> &Arc<Gauges> {
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

    /// Whether its guests are not run before somebody asks for it.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn hold_back(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Where what queries see is told to.
    pub(crate) fn committed(&self) -> &watch::Sender<Progress> {
        &self.checkpoint
    }

    /// From here on the rows can be read.
    pub(crate) fn open(&self, content: Content) {
        *self.content.write().unwrap_or_else(PoisonError::into_inner) = Some(content);
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

    /// Takes the thread that `start` makes, if none has been started. `start` may think better of it. Blocks.
    pub(crate) fn run(&self, start: impl FnOnce() -> Result<Option<Running>, Failure>) -> Result<(), Failure> {
        let mut running = self.running();
        if running.is_none() {
            *running = start()?;
        }
        Ok(())
    }

    /// Tells the thread to end after a last commit, and does not wait for it.
    pub fn tell_to_stop(&self) {
        if let Some(running) = &*self.running() {
            // A thread that has ended by itself takes no commands.
            let _ = running.commands.send(Command::Stop);
        }
    }

    /// Ends the thread, and waits for it: after a last commit, unless a call of its guest takes too long for that.
    /// Blocks.
    pub fn stop(&self) {
        self.stop_within(GRACE);
    }

    /// The same without a commit: nobody wants its rows any more. Blocks.
    pub fn give_up(&self) {
        self.stop_within(Duration::ZERO);
    }

    fn stop_within(&self, grace: Duration) {
        let running = self.running().take();
        if let Some(Running { commands, thread, budget }) = running {
            let _ = commands.send(Command::Stop);
            drop(commands);
            let told = Instant::now();
            while !thread.is_finished() && told.elapsed() < grace {
                std::thread::sleep(LOOK);
            }
            budget.cancel();
            let _ = thread.join();
        }
    }

    /// Waits for a thread that stopped at a fault to have said so, which is written down: whoever lets the version go
    /// on must not be overtaken by that. Blocks.
    pub fn settle(&self) {
        if self.fault().is_some() {
            self.stop();
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

    pub fn is_running(&self) -> bool {
        self.running().as_ref().is_some_and(|running| !running.thread.is_finished())
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
