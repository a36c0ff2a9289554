//! The thread of one version: follows the log by a [`Stepper`], and stops at the first event that cannot be handled,
//! with everything before it committed. Its own are the commands that it takes, the phases that it goes through, and
//! the turns of a replay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use kinora_log::Log;
use kinora_readmodel::Snapshot;
use kinora_sandbox::{Category, Failure};
use kinora_types::Progress;

use crate::feed::ahead::ReadAhead;
use crate::feed::dealer::Dealer;
use crate::feed::routes::Routes;
use crate::feed::source::Source;
use crate::record::fault::Fault;
use crate::replay::gauges::{Gauges, Phase};
use crate::replay::pace::OwnPace;
use crate::replay::row_sink::RowSink;
use crate::replay::sink::Sink;
use crate::replay::stepper::{Room, Stepper, Stop};
use crate::replay::turns::{Turn, Turns, give_way};

/// Everything that a runner works with.
pub struct Parts<S = RowSink> {
    pub log: Log,
    pub source: Source,
    pub sink: S,
    pub room: Room,
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

pub struct Runner<S: Sink = RowSink> {
    pub(super) stepper: Stepper<ReadAhead, OwnPace, S>,
    pub(super) log: Log,
    gauges: Arc<Gauges>,
    checkpoint: watch::Sender<Progress>,
    turns: Turns,
    /// How far a replay goes before the version catches up: the head when it began.
    history: Progress,
    ready: Option<oneshot::Sender<Duration>>,
    /// Held while this replays.
    turn: Option<Turn>,
    /// The last commit that this has taken notice of.
    noticed: Progress,
    /// Where to give snapshots on the way.
    stops: Vec<SnapshotAt>,
}

/// Why a runner no longer follows the log.
enum FollowEnd {
    /// It was told to stop.
    Stopped,
    /// History is done and flushed, and the rest is for a thread that gives way to nobody.
    Replayed,
}

impl<S: Sink> Runner<S> {
    pub fn new(parts: Parts<S>, ready: oneshot::Sender<Duration>) -> Result<Self, Failure> {
        let Parts { log, source, sink, room, was_ready, gauges, checkpoint, turns, dealer } = parts;
        let committed = sink.checkpoint()?;
        let history = log.progress();
        if history < committed {
            let message = format!(
                "the read model stands at {} events, but the log has only {}: it belongs to another log; retire this \
                 version and deploy it anew",
                committed.0, history.0
            );
            return Err(Failure::new(Category::Storage, message));
        }
        gauges.set_phase(if was_ready { Phase::CatchingUp } else { Phase::Replaying });
        let pace = OwnPace::new(Arc::clone(&gauges), committed, sink.is_stepwise());
        let mut feed = ReadAhead::new(source, Arc::clone(pace.window_events()));
        feed.deal(dealer.filter(|_| !was_ready));
        Ok(Self {
            stepper: Stepper::new(feed, pace, sink, room, committed),
            log,
            gauges,
            checkpoint,
            turns,
            history,
            ready: Some(ready),
            turn: None,
            noticed: committed,
            stops: Vec::new(),
        })
    }

    /// What the rows stand for.
    pub fn committed(&self) -> Progress {
        self.stepper.committed()
    }

    pub fn routes(&self) -> &Routes {
        self.stepper.feed.routes()
    }

    /// Runs until it is told to stop, or cannot go on.
    pub fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>, runtime: &tokio::runtime::Handle) -> End {
        // From here on the rows can be read.
        self.checkpoint.send_replace(self.committed());
        if self.is_replaying() {
            self.stepper.sink.begin_replay();
        }
        self.stepper.pace.begin();
        let followed = match self.replay(&mut commands, runtime) {
            Ok(FollowEnd::Replayed) => self.follow(&mut commands, runtime),
            ended => ended,
        };
        self.stepper.sink.pause_replay();
        self.stepper.drop_pending();
        let end = match followed.and_then(|_| Ok(self.stepper.sink.settle()?)) {
            Ok(()) => End::Stopped,
            Err(stop) if stop.is_cancelled() => End::Stopped,
            Err(stop) => End::Faulted(self.fault(stop)),
        };
        // What was handed over is committed, whatever came after it.
        drop(self.stepper);
        self.gauges.set_rate(0.0);
        self.gauges.set_memory(0);
        end
    }

    /// Goes through history, on a thread that gives way to everybody else.
    fn replay(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<FollowEnd, Stop> {
        if !self.is_replaying() {
            return Ok(FollowEnd::Replayed);
        }
        let span = tracing::Span::current();
        let name = format!("replay {}", std::thread::current().name().unwrap_or_default());
        let followed = std::thread::scope(|scope| {
            let replaying = std::thread::Builder::new().name(name).spawn_scoped(scope, || {
                give_way();
                span.in_scope(|| self.follow(commands, runtime))
            });
            replaying.map_err(Stop::storage)?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        self.take_turn(None);
        followed
    }

    fn is_replaying(&self) -> bool {
        self.gauges.phase() == Phase::Replaying
    }

    /// Goes as far as `upto` or the deadline, and says how far it came and why not further: for a sample, which takes
    /// no commands.
    pub fn run_until(&mut self, upto: Progress, deadline: Instant) -> (Progress, Option<Fault>) {
        let end = loop {
            if self.stepper.applied() >= upto || Instant::now() >= deadline {
                break self.commit();
            }
            if let Err(stop) = self.advance(upto) {
                break Err(stop);
            }
        };
        let fault = end.err().map(|stop| {
            self.stepper.drop_pending();
            self.fault(stop)
        });
        (self.committed(), fault)
    }

    fn follow(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<FollowEnd, Stop> {
        let mut durable = self.log.watch();
        let replays = self.is_replaying();
        loop {
            let command = match commands.try_recv() {
                Ok(command) => Some(command),
                Err(mpsc::error::TryRecvError::Disconnected) => Some(Command::Stop),
                Err(mpsc::error::TryRecvError::Empty) => None,
            };
            match command {
                Some(Command::Stop) => return self.commit().map(|()| FollowEnd::Stopped),
                Some(Command::Hold(hold)) => self.hold(hold, runtime)?,
                Some(Command::SnapshotAt(stop)) => self.stops.push(stop),
                None => {}
            }
            if replays && !self.is_replaying() {
                return Ok(FollowEnd::Replayed);
            }
            if replays && self.turn.is_none() {
                let turns = self.turns.clone();
                let (command, turn) = runtime.block_on(async {
                    tokio::select! {
                        command = commands.recv() => (Some(command.unwrap_or(Command::Stop)), None),
                        turn = turns.next() => (None, turn),
                    }
                });
                self.take_turn(turn);
                match command {
                    Some(Command::Stop) => return Ok(FollowEnd::Stopped),
                    Some(Command::Hold(hold)) => self.hold(hold, runtime)?,
                    Some(Command::SnapshotAt(stop)) => self.stops.push(stop),
                    None => {}
                }
                continue;
            }
            let head = *durable.borrow_and_update();
            if self.stepper.applied() < head {
                let stop = self.stops.iter().map(|stop| stop.at).filter(|at| *at > self.stepper.applied()).min();
                self.advance(stop.map_or(head, |at| at.min(head)))?;
                self.give_snapshots()?;
                continue;
            }
            self.commit()?;
            self.caught_up()?;
            if replays {
                continue;
            }
            // Either of the two is looked at again in the next round; a closed log ends by a closed channel of
            // commands.
            let command = runtime.block_on(async {
                tokio::select! {
                    command = commands.recv() => Some(command.unwrap_or(Command::Stop)),
                    changed = durable.changed() => changed.is_err().then_some(Command::Stop),
                }
            });
            match command {
                Some(Command::Stop) => return Ok(FollowEnd::Stopped),
                Some(Command::Hold(hold)) => self.hold(hold, runtime)?,
                Some(Command::SnapshotAt(stop)) => self.stops.push(stop),
                None => {}
            }
        }
    }

    /// Gives the snapshots that were asked for at this position. Whoever asked for one that was passed before they
    /// asked sees that nobody answers.
    fn give_snapshots(&mut self) -> Result<(), Stop> {
        let applied = self.stepper.applied();
        if self.stops.iter().all(|stop| stop.at > applied) {
            return Ok(());
        }
        self.commit()?;
        let stops = std::mem::take(&mut self.stops).into_iter();
        let (due, ahead): (Vec<_>, Vec<_>) = stops.partition(|stop| stop.at <= applied);
        self.stops = ahead;
        for stop in due {
            if stop.at == self.committed() {
                let _ = stop.snapshot.send(self.stepper.sink.snapshot()?);
            }
        }
        Ok(())
    }

    /// Waits, between two commits, for another version to be compared with, and goes to where both can be.
    fn hold(&mut self, hold: Hold, runtime: &tokio::runtime::Handle) -> Result<(), Stop> {
        self.commit()?;
        if hold.at.send(self.committed()).is_err() {
            return Ok(());
        }
        // The other side gave up: nothing to do.
        let Ok(until) = runtime.block_on(hold.until) else { return Ok(()) };
        // What has been read ahead may go further than that.
        self.stepper.feed.forget();
        while self.stepper.applied() < until {
            self.advance(until)?;
        }
        self.commit()?;
        let _ = hold.snapshot.send(self.stepper.sink.snapshot()?);
        Ok(())
    }

    /// One window, and a commit if it is time for one.
    fn advance(&mut self, head: Progress) -> Result<(), Stop> {
        let in_history = self.is_replaying() && self.stepper.applied() < self.history;
        self.stepper.advance(if in_history { head.min(self.history) } else { head })?;
        self.notice_commit()
    }

    fn commit(&mut self) -> Result<(), Stop> {
        self.stepper.commit()?;
        self.notice_commit()
    }

    /// Looks around after a commit, while nothing is pending.
    fn notice_commit(&mut self) -> Result<(), Stop> {
        let committed = self.stepper.committed();
        if committed == self.noticed || self.stepper.applied() > committed {
            return Ok(());
        }
        self.noticed = committed;
        // What waits for its turn holds nothing that others could use.
        if self.turn.is_some() && self.turns.is_waited_for() {
            self.take_turn(None);
            self.stepper.let_go();
            self.stepper.feed.forget();
        }
        self.end_replay()
    }

    /// What is not in the write-ahead log has to be on disk before anybody relies on this version.
    fn end_replay(&mut self) -> Result<(), Stop> {
        if self.is_replaying() && self.stepper.committed() >= self.history {
            self.stepper.sink.flush()?;
            // From here on one instance keeps up with what comes.
            self.stepper.let_go();
            self.stepper.feed.deal(None);
            self.gauges.set_phase(Phase::CatchingUp);
        }
        Ok(())
    }

    /// The head is reached, maybe for the first time.
    fn caught_up(&mut self) -> Result<(), Stop> {
        self.gauges.set_rate(0.0);
        self.end_replay()?;
        if !self.is_replaying()
            && let Some(ready) = self.ready.take()
        {
            let replayed = self.stepper.sink.end_replay()?;
            self.gauges.set_phase(Phase::Ready);
            let _ = ready.send(replayed);
        }
        Ok(())
    }

    /// All threads of a replay work under its turn.
    fn take_turn(&mut self, turn: Option<Turn>) {
        let throttle = turn.as_ref().map(Turn::throttle);
        (self.stepper.feed.throttle, self.stepper.pace.throttle) = (throttle.clone(), throttle);
        self.turn = turn;
        // What was waited for is no part of the rate.
        self.stepper.pace.begin();
    }

    pub(super) fn fault(&self, stop: Stop) -> Fault {
        let (failure, event) = stop.located(&self.log);
        Fault::new(&failure, event)
    }
}
