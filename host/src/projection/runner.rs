//! The thread of one version: reads the log, runs the guests, commits rows and checkpoint, and stops at the first event
//! that cannot be handled, with everything before it committed.
//!
//! Events go to the guest in windows, and several windows make a commit. If anything fails, the instance and what is
//! pending are dropped, and the events of the failing window run one at a time, each with a commit of its own: what
//! fails then is the fault. So whether an event passes does not depend on how events were batched.

mod trace;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use crate::event::{EventType, Progress};
use crate::log::Log;
use crate::readmodel::{self, Durability, Snapshot, Store};
use crate::sandbox::{Category, Failure, Needs, Projector, ProjectorPre};

use super::gauges::{Gauges, Phase};
use super::routes::{Route, Routes};
use super::rows::VersionRows;
use super::status::Fault;
use super::upcasting::Chain;
use super::window::Window;

pub use trace::{Touch, Traced};

/// Events that cross into the guest at once.
const WINDOW_EVENTS: usize = 2_048;

/// Events of one commit of a replay: hot rows are encoded and written once for all of them.
const REPLAY_COMMIT_EVENTS: u64 = 200_000;

/// Longest time between two commits of a replay: what a crash costs, and how old a progress bar's checkpoint is.
const REPLAY_COMMIT_TIME: Duration = Duration::from_secs(2);

/// Longest time between two flushes of a replay, which has no write-ahead log: what a killed process has to do again.
const REPLAY_FLUSH_TIME: Duration = Duration::from_secs(10);

/// Longest time between two commits once a version has caught up: how old an answer can be while events pour in.
const LIVE_COMMIT_TIME: Duration = Duration::from_millis(50);

/// How often the rate is measured.
const RATE_TIME: Duration = Duration::from_millis(500);

/// Everything that a runner works with.
pub struct Parts {
    pub log: Log,
    pub store: Arc<Store>,
    pub projector: ProjectorPre,
    pub needs: Needs,
    pub chain: Chain,
    pub routes: Routes,
    /// Guest memory from which on a commit is made, and the instance dropped.
    pub memory_bytes: usize,
    pub commit_bytes: usize,
    /// Whether this version has been ready before: then its writes are logged from the start.
    pub was_ready: bool,
    pub gauges: Arc<Gauges>,
    pub checkpoint: watch::Sender<Progress>,
}

pub enum Command {
    /// Commit, and end.
    Stop,
    /// Commit at a position that is still ahead, and give a snapshot, on the way.
    SnapshotAt(SnapshotAt),
    /// Commit and say where; wait for a position to go to; go exactly there and give a snapshot.
    Hold(Hold),
}

pub struct Hold {
    pub at: oneshot::Sender<Progress>,
    pub until: oneshot::Receiver<Progress>,
    pub snapshot: oneshot::Sender<Snapshot>,
}

/// A snapshot for somebody, as the rows are at a position.
pub struct SnapshotAt {
    pub at: Progress,
    pub snapshot: oneshot::Sender<Snapshot>,
}

/// How a runner ended.
pub enum End {
    Stopped,
    Faulted(Fault),
}

pub struct Runner {
    parts: Parts,
    rows: VersionRows,
    projector: Option<Projector>,
    window: Window,
    /// Applied, and maybe not committed yet.
    applied: Progress,
    committed: Progress,
    last_commit: Instant,
    last_flush: Instant,
    /// The events that are run one at a time, after a failure among them.
    careful: Option<(Progress, Progress)>,
    rate: (Instant, Progress),
    /// How far a replay goes before the version catches up: the head when it began.
    history: Progress,
    started: Instant,
    ready: Option<oneshot::Sender<Duration>>,
    /// Where to give snapshots on the way.
    stops: Vec<SnapshotAt>,
}

/// A fault, with the event that it is about.
struct Stop(Failure, Option<EventType>);

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self(failure, None)
    }
}

fn storage(cause: impl std::fmt::Display) -> Stop {
    Stop(Failure::storage(cause), None)
}

impl Runner {
    pub fn new(parts: Parts, ready: oneshot::Sender<Duration>) -> Result<Self, Failure> {
        let committed = parts.store.checkpoint().map_err(Failure::storage)?;
        let history = parts.log.progress();
        if history < committed {
            let message = format!(
                "the read model stands at {} events, but the log has only {}: it belongs to another log; retire this \
                 version and deploy it anew",
                committed.0, history.0
            );
            return Err(Failure::new(Category::Storage, message));
        }
        parts.gauges.set_phase(if parts.was_ready { Phase::CatchingUp } else { Phase::Replaying });
        parts.gauges.set_applied(committed);
        let now = Instant::now();
        Ok(Self {
            rows: VersionRows::new(Arc::clone(&parts.store), parts.commit_bytes),
            parts,
            projector: None,
            window: Window::default(),
            applied: committed,
            committed,
            last_commit: now,
            last_flush: now,
            careful: None,
            rate: (now, committed),
            history,
            started: now,
            ready: Some(ready),
            stops: Vec::new(),
        })
    }

    /// What the rows stand for.
    pub fn committed(&self) -> Progress {
        self.committed
    }

    pub fn routes(&self) -> &Routes {
        &self.parts.routes
    }

    /// Runs until it is told to stop, or cannot go on.
    pub fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>, runtime: &tokio::runtime::Handle) -> End {
        // From here on the rows can be read.
        self.parts.checkpoint.send_replace(self.committed);
        let end = match self.follow(&mut commands, runtime) {
            Ok(()) => End::Stopped,
            Err(Stop(failure, event)) => {
                self.drop_pending();
                End::Faulted(Fault::new(&failure, event))
            }
        };
        self.parts.gauges.set_rate(0.0);
        self.parts.gauges.set_memory(0);
        end
    }

    /// Goes as far as `upto` or the deadline, and says how far it came and why not further: for a sample, which takes no
    /// commands.
    pub fn run_until(&mut self, upto: Progress, deadline: Instant) -> (Progress, Option<Fault>) {
        let end = loop {
            if self.applied >= upto || Instant::now() >= deadline {
                break self.commit();
            }
            if let Err(stop) = self.advance(upto) {
                break Err(stop);
            }
        };
        let fault = end.err().map(|Stop(failure, event)| {
            self.drop_pending();
            Fault::new(&failure, event)
        });
        (self.committed, fault)
    }

    fn follow(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), Stop> {
        let mut durable = self.parts.log.watch();
        loop {
            let command = match commands.try_recv() {
                Ok(command) => Some(command),
                Err(mpsc::error::TryRecvError::Disconnected) => Some(Command::Stop),
                Err(mpsc::error::TryRecvError::Empty) => None,
            };
            match command {
                Some(Command::Stop) => return self.commit(),
                Some(Command::Hold(hold)) => self.hold(hold, runtime)?,
                Some(Command::SnapshotAt(stop)) => self.stops.push(stop),
                None => {}
            }
            let head = *durable.borrow_and_update();
            if self.applied < head {
                let stop = self.stops.iter().map(|stop| stop.at).filter(|at| *at > self.applied).min();
                self.advance(stop.map_or(head, |at| at.min(head)))?;
                self.give_snapshots()?;
                continue;
            }
            self.commit()?;
            self.caught_up()?;
            // Either of the two is looked at again in the next round; a closed log ends by a closed channel of commands.
            let command = runtime.block_on(async {
                tokio::select! {
                    command = commands.recv() => Some(command.unwrap_or(Command::Stop)),
                    changed = durable.changed() => changed.is_err().then_some(Command::Stop),
                }
            });
            match command {
                Some(Command::Stop) => return Ok(()),
                Some(Command::Hold(hold)) => self.hold(hold, runtime)?,
                Some(Command::SnapshotAt(stop)) => self.stops.push(stop),
                None => {}
            }
        }
    }

    /// Gives the snapshots that were asked for at this position. Whoever asked for one that was passed before they asked
    /// sees that nobody answers.
    fn give_snapshots(&mut self) -> Result<(), Stop> {
        if self.stops.iter().all(|stop| stop.at > self.applied) {
            return Ok(());
        }
        self.commit()?;
        let stops = std::mem::take(&mut self.stops).into_iter();
        let (due, ahead): (Vec<_>, Vec<_>) = stops.partition(|stop| stop.at <= self.applied);
        self.stops = ahead;
        for stop in due {
            if stop.at == self.committed {
                let _ = stop.snapshot.send(self.parts.store.snapshot().map_err(storage)?);
            }
        }
        Ok(())
    }

    /// Waits, between two commits, for another version to be compared with, and goes to where both can be.
    fn hold(&mut self, hold: Hold, runtime: &tokio::runtime::Handle) -> Result<(), Stop> {
        self.commit()?;
        if hold.at.send(self.committed).is_err() {
            return Ok(());
        }
        // The other side gave up: nothing to do.
        let Ok(until) = runtime.block_on(hold.until) else { return Ok(()) };
        while self.applied < until {
            self.advance(until)?;
        }
        self.commit()?;
        let _ = hold.snapshot.send(self.parts.store.snapshot().map_err(storage)?);
        Ok(())
    }

    /// One window, and a commit if it is time for one.
    fn advance(&mut self, head: Progress) -> Result<(), Stop> {
        let replaying = self.parts.gauges.phase() == Phase::Replaying;
        let head = if replaying && self.applied < self.history { head.min(self.history) } else { head };
        let stepwise = self.parts.store.is_stepwise();
        let (upto, limit) = match self.careful {
            Some((from, _)) if self.applied < from => (head.min(from), WINDOW_EVENTS),
            Some((_, until)) if self.applied < until => {
                self.commit()?;
                (head.min(until), 1)
            }
            _ => {
                self.careful = None;
                (head, if stepwise { 1 } else { WINDOW_EVENTS })
            }
        };
        let from = self.applied;
        let Parts { log, routes, needs, .. } = &self.parts;
        self.window.read(log, routes, *needs, from, upto, limit).map_err(storage)?;
        let alone = self.careful.is_some() && limit == 1;
        let outcome = match self.apply() {
            Ok(()) => {
                self.applied = self.window.next;
                self.measure();
                if alone || stepwise || self.is_time(head) { self.flush() } else { Ok(()) }
            }
            failed => failed,
        };
        match outcome {
            Ok(()) => {}
            Err(failure) if failure.category == Category::Storage => return Err(failure.into()),
            Err(failure) if alone => return Err(self.blame(failure)),
            Err(failure) => {
                tracing::debug!(%failure, from = from.0, "going through these events one at a time");
                // A flush can fail because of any event since the last commit.
                let since = if self.applied == from { from } else { self.committed };
                self.careful = Some((since, self.window.next));
                self.rewind();
                return Ok(());
            }
        }
        match self.window.unknown.take() {
            None => Ok(()),
            Some(failure) => {
                let event = self.window.unknown_type.take();
                self.commit()?;
                Err(Stop(failure, event))
            }
        }
    }

    /// Runs the guests on the window.
    fn apply(&mut self) -> Result<(), Failure> {
        let Window { events, routes, has_steps, .. } = &mut self.window;
        if routes.is_empty() {
            return Ok(());
        }
        let projector = match &mut self.projector {
            Some(projector) => projector,
            none => none.insert(self.parts.projector.instantiate(Box::new(self.rows.clone()))?),
        };
        if *has_steps {
            let upcasted = self.parts.chain.run(events, routes, &self.parts.routes)?;
            return if upcasted.is_empty() { Ok(()) } else { projector.apply(&upcasted) };
        }
        events.kinds.clear();
        for route in routes {
            if let Route::Handle(kind) = route {
                events.kinds.push(*kind);
            }
        }
        projector.apply(events)
    }

    fn is_time(&self, head: Progress) -> bool {
        let waited = self.last_commit.elapsed();
        let replaying = self.parts.gauges.phase() == Phase::Replaying;
        let (time, events) = if replaying {
            (REPLAY_COMMIT_TIME, REPLAY_COMMIT_EVENTS)
        } else {
            (LIVE_COMMIT_TIME, REPLAY_COMMIT_EVENTS)
        };
        let memory = self.projector.as_ref().map_or(0, Projector::memory_bytes);
        self.applied == head
            || waited >= time
            || self.applied.0 - self.committed.0 >= events
            || memory >= self.parts.memory_bytes
            || self.rows.pending().bytes() >= self.parts.commit_bytes / 2
    }

    /// A commit whose failure ends the runner: there is nothing pending that an event could be blamed for.
    fn commit(&mut self) -> Result<(), Stop> {
        match self.flush() {
            Ok(()) => Ok(()),
            Err(failure) if failure.category == Category::Storage => Err(failure.into()),
            Err(_) => {
                // Find the event: go through all of them since the last commit.
                let until = self.applied;
                self.careful = Some((self.committed, until));
                self.rewind();
                while self.applied < until {
                    self.advance(until)?;
                }
                Ok(())
            }
        }
    }

    /// Makes what was applied visible: rows and checkpoint in one step.
    fn flush(&mut self) -> Result<(), Failure> {
        if self.applied == self.committed {
            return Ok(());
        }
        if let Some(projector) = &mut self.projector {
            projector.flush()?;
        }
        let durability = match self.parts.gauges.phase() {
            Phase::Replaying => Durability::UntilFlushed,
            Phase::CatchingUp | Phase::Ready => Durability::Logged,
        };
        let mut pending = self.rows.pending();
        self.parts.store.commit(&pending, self.applied, durability).map_err(|cause| match cause {
            // The projector wrote what it said that it never would.
            readmodel::Error::NotUnique { .. } => Failure::new(Category::Rule, cause.to_string()),
            cause => Failure::storage(cause),
        })?;
        pending.clear();
        drop(pending);
        self.committed = self.applied;
        self.last_commit = Instant::now();
        self.parts.checkpoint.send_replace(self.committed);
        let memory = self.projector.as_ref().map_or(0, Projector::memory_bytes);
        self.parts.gauges.set_memory(memory as u64);
        // Linear memory never shrinks; what the guest keeps between commits is only a cache.
        if memory >= self.parts.memory_bytes {
            self.projector = None;
        }
        self.end_replay()
    }

    /// The head is reached, maybe for the first time.
    fn caught_up(&mut self) -> Result<(), Stop> {
        self.parts.gauges.set_rate(0.0);
        self.end_replay().map_err(Stop::from)?;
        if let Some(ready) = self.ready.take() {
            self.parts.gauges.set_phase(Phase::Ready);
            let _ = ready.send(self.started.elapsed());
        }
        Ok(())
    }

    /// What is not in the write-ahead log has to be on disk before anybody relies on this version.
    fn end_replay(&mut self) -> Result<(), Failure> {
        if self.parts.gauges.phase() != Phase::Replaying {
            return Ok(());
        }
        let done = self.committed >= self.history;
        if done || self.last_flush.elapsed() >= REPLAY_FLUSH_TIME {
            self.parts.store.flush().map_err(Failure::storage)?;
            self.last_flush = Instant::now();
        }
        if done {
            self.parts.gauges.set_phase(Phase::CatchingUp);
        }
        Ok(())
    }

    fn measure(&mut self) {
        self.parts.gauges.set_applied(self.applied);
        let (since, from) = self.rate;
        let elapsed = since.elapsed();
        if elapsed >= RATE_TIME {
            self.parts.gauges.set_rate((self.applied.0 - from.0) as f64 / elapsed.as_secs_f64());
            self.rate = (Instant::now(), self.applied);
        }
    }

    fn drop_pending(&mut self) {
        self.rows.pending().clear();
        self.projector = None;
        self.parts.chain.restart();
    }

    /// Back to the last commit, with fresh instances.
    fn rewind(&mut self) {
        self.drop_pending();
        self.applied = self.committed;
        self.rate = (Instant::now(), self.applied);
        self.parts.gauges.set_applied(self.applied);
    }

    /// The fault of the one event in the window.
    fn blame(&self, failure: Failure) -> Stop {
        let position = self.window.events.positions.first().copied().map(crate::event::Position);
        let failure = Failure { position: failure.position.or(position), ..failure };
        let event = failure.position.and_then(|position| self.parts.log.event(position).ok().flatten());
        let event = event.and_then(|event| EventType::new(&event.kind, event.schema).ok());
        Stop(failure, event)
    }
}
