//! The thread of one version: reads the log, runs the guests, commits rows and checkpoint, and stops at the first event
//! that cannot be handled, with everything before it committed.
//!
//! Events go to the guest in windows, and several windows make a commit. If anything fails, the instance and what is
//! pending are dropped, and the events of the failing window run one at a time, each with a commit of its own: what
//! fails then is the fault. So whether an event passes does not depend on how events were batched.

mod commits;
mod guests;
mod trace;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use kinora_log::Log;
use kinora_readmodel::{Snapshot, Store};
use kinora_sandbox::{Category, Failure, ProjectorPre};
use kinora_types::{EventType, Progress};

use crate::feed::ahead::Ahead;
use crate::feed::routes::Routes;
use crate::feed::source::{Source, Window};
use crate::record::fault::Fault;
use crate::replay::committer::Committer;
use crate::replay::gauges::{Gauges, Phase};
use crate::replay::partitions::Dealer;
use crate::replay::rows::VersionRows;
use crate::replay::turns::{Turn, Turns, give_way};
use guests::{Guest, WINDOW_EVENTS};

pub use trace::{Touch, Traced};

/// How often the rate is measured.
const RATE_TIME: Duration = Duration::from_millis(500);

/// Everything that a runner works with.
pub struct Parts {
    pub log: Log,
    pub source: Source,
    pub store: Arc<Store>,
    pub projector: ProjectorPre,
    /// Guest memory from which on a commit is made, and the instance dropped.
    pub memory_bytes: usize,
    pub commit_bytes: usize,
    /// Whether this version has been ready before: then its writes are logged from the start.
    pub was_ready: bool,
    pub gauges: Arc<Gauges>,
    pub checkpoint: watch::Sender<Progress>,
    pub turns: Turns,
    /// How a replay deals its events out, if the projector can be replayed by several instances.
    pub dealer: Option<Dealer>,
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
    guest: Guest,
    window: Window,
    /// Reads ahead while there is far to go.
    ahead: Option<Ahead>,
    window_events: Arc<AtomicUsize>,
    /// Windows that several instances gather before they apply them.
    gather: Arc<AtomicUsize>,
    /// Where the size of windows was looked at last.
    sized_at: Progress,
    /// Whether large windows have failed.
    is_wary: bool,
    /// Applied, and maybe not committed yet.
    applied: Progress,
    committed: Progress,
    last_commit: Instant,
    /// Makes the commits of a replay.
    committer: Option<Committer>,
    /// The events that are run one at a time, after a failure among them.
    careful: Option<(Progress, Progress)>,
    /// Among which events the failure is that was seen last, if it is not those of the window.
    failed_at: Option<(Progress, Progress)>,
    rate: (Instant, Progress),
    /// How far a replay goes before the version catches up: the head when it began.
    history: Progress,
    started: Instant,
    ready: Option<oneshot::Sender<Duration>>,
    /// Held while this replays.
    turn: Option<Turn>,
    /// Where to give snapshots on the way.
    stops: Vec<SnapshotAt>,
}

/// Why a runner no longer follows the log.
enum Followed {
    /// It was told to stop.
    Stopped,
    /// History is done and flushed, and the rest is for a thread that gives way to nobody.
    Replayed,
}

/// A fault, with the event that it is about.
pub(crate) struct Stop(Failure, Option<EventType>);

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self(failure, None)
    }
}

fn storage(cause: impl std::fmt::Display) -> Stop {
    Stop(Failure::storage(cause), None)
}

/// Whether there is no event to look for.
fn ends(failure: &Failure) -> bool {
    matches!(failure.category, Category::Storage | Category::Partition)
}

impl Runner {
    pub fn new(mut parts: Parts, ready: oneshot::Sender<Duration>) -> Result<Self, Failure> {
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
        let dealer = parts.dealer.take().filter(|_| !parts.was_ready);
        parts.source.deal(dealer);
        parts.gauges.set_applied(committed);
        let now = Instant::now();
        Ok(Self {
            rows: VersionRows::new(Arc::clone(&parts.store), parts.commit_bytes),
            parts,
            guest: Guest::None,
            window: Window::default(),
            ahead: None,
            window_events: Arc::new(AtomicUsize::new(WINDOW_EVENTS)),
            gather: Arc::new(AtomicUsize::new(1)),
            sized_at: committed,
            is_wary: false,
            applied: committed,
            committed,
            last_commit: now,
            committer: None,
            careful: None,
            failed_at: None,
            rate: (now, committed),
            history,
            started: now,
            ready: Some(ready),
            turn: None,
            stops: Vec::new(),
        })
    }

    /// What the rows stand for.
    pub fn committed(&self) -> Progress {
        self.committed
    }

    pub fn routes(&self) -> &Routes {
        self.parts.source.routes()
    }

    /// Runs until it is told to stop, or cannot go on.
    pub fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>, runtime: &tokio::runtime::Handle) -> End {
        // From here on the rows can be read.
        self.parts.checkpoint.send_replace(self.committed);
        self.started = Instant::now();
        let followed = match self.replay(&mut commands, runtime) {
            Ok(Followed::Replayed) => self.follow(&mut commands, runtime),
            ended => ended,
        };
        self.drop_pending();
        let end = match followed.and_then(|_| self.settle()) {
            Ok(()) => End::Stopped,
            Err(Stop(failure, event)) => End::Faulted(Fault::new(&failure, event)),
        };
        // What was handed over is committed, whatever came after it.
        self.committer = None;
        self.parts.gauges.set_rate(0.0);
        self.parts.gauges.set_memory(0);
        end
    }

    /// Goes through history, on a thread that gives way to everybody else.
    fn replay(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Followed, Stop> {
        if !self.is_replaying() {
            return Ok(Followed::Replayed);
        }
        let span = tracing::Span::current();
        let name = format!("replay {}", std::thread::current().name().unwrap_or_default());
        let followed = std::thread::scope(|scope| {
            let replaying = std::thread::Builder::new().name(name).spawn_scoped(scope, || {
                give_way();
                span.in_scope(|| self.follow(commands, runtime))
            });
            replaying.map_err(storage)?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        self.turn = None;
        followed
    }

    fn is_replaying(&self) -> bool {
        self.parts.gauges.phase() == Phase::Replaying
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
    ) -> Result<Followed, Stop> {
        let mut durable = self.parts.log.watch();
        let replays = self.is_replaying();
        loop {
            let command = match commands.try_recv() {
                Ok(command) => Some(command),
                Err(mpsc::error::TryRecvError::Disconnected) => Some(Command::Stop),
                Err(mpsc::error::TryRecvError::Empty) => None,
            };
            match command {
                Some(Command::Stop) => return self.commit().map(|()| Followed::Stopped),
                Some(Command::Hold(hold)) => self.hold(hold, runtime)?,
                Some(Command::SnapshotAt(stop)) => self.stops.push(stop),
                None => {}
            }
            if replays && !self.is_replaying() {
                return Ok(Followed::Replayed);
            }
            if replays && self.turn.is_none() {
                let turns = self.parts.turns.clone();
                let (command, turn) = runtime.block_on(async {
                    tokio::select! {
                        command = commands.recv() => (Some(command.unwrap_or(Command::Stop)), None),
                        turn = turns.next() => (None, turn),
                    }
                });
                self.turn = turn;
                match command {
                    Some(Command::Stop) => return Ok(Followed::Stopped),
                    Some(Command::Hold(hold)) => self.hold(hold, runtime)?,
                    Some(Command::SnapshotAt(stop)) => self.stops.push(stop),
                    None => {}
                }
                continue;
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
            if replays {
                continue;
            }
            // Either of the two is looked at again in the next round; a closed log ends by a closed channel of commands.
            let command = runtime.block_on(async {
                tokio::select! {
                    command = commands.recv() => Some(command.unwrap_or(Command::Stop)),
                    changed = durable.changed() => changed.is_err().then_some(Command::Stop),
                }
            });
            match command {
                Some(Command::Stop) => return Ok(Followed::Stopped),
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
        // What has been read ahead may go further than that.
        self.ahead = None;
        while self.applied < until {
            self.advance(until)?;
        }
        self.commit()?;
        let _ = hold.snapshot.send(self.parts.store.snapshot().map_err(storage)?);
        Ok(())
    }

    /// One window, and a commit if it is time for one.
    fn advance(&mut self, head: Progress) -> Result<(), Stop> {
        let replaying = self.is_replaying();
        let head = if replaying && self.applied < self.history { head.min(self.history) } else { head };
        let stepwise = self.parts.store.is_stepwise();
        let upto = match self.careful {
            Some((from, _)) if self.applied < from => head.min(from),
            Some((_, until)) if self.applied < until => {
                self.commit()?;
                head.min(until)
            }
            _ => {
                self.careful = None;
                head
            }
        };
        let alone = self.careful.is_some_and(|(from, _)| from <= self.applied);
        let from = self.applied;
        self.next_window(upto, alone || stepwise)?;
        let fresh = matches!(self.guest, Guest::None);
        let outcome = match self.apply() {
            Ok(()) => {
                self.applied = self.window.next;
                self.measure();
                self.size_windows();
                if alone || stepwise || self.is_time(head) { self.flush() } else { Ok(()) }
            }
            failed => failed,
        };
        match outcome {
            Ok(()) => {}
            Err(failure) if ends(&failure) => return Err(failure.into()),
            // What an instance has kept must not decide whether an event passes.
            Err(_) if alone && !fresh => self.rewind(),
            Err(failure) if alone => return Err(self.blame(failure)),
            Err(failure) => {
                tracing::debug!(%failure, from = from.0, "going through these events one at a time");
                // A flush can fail because of any event since the last commit.
                let since = if self.applied == from { from } else { self.committed };
                self.careful = Some(self.failed_at.take().unwrap_or((since, self.window.next)));
                self.rewind();
                return Ok(());
            }
        }
        match self.window.unknown.take() {
            None => Ok(()),
            Some((failure, event)) => {
                self.commit()?;
                Err(Stop(failure, event))
            }
        }
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
        self.guest = Guest::None;
        self.rows.pending().clear();
        self.ahead = None;
        self.parts.source.restart();
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
        let failure = Failure { position: failure.position.or(self.window.first), ..failure };
        let event = failure.position.and_then(|position| self.parts.log.event(position).ok().flatten());
        let event = event.and_then(|event| EventType::new(event.kind.as_str(), event.schema).ok());
        Stop(failure, event)
    }
}
