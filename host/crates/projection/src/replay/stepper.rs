//! The stepper: takes windows of events, has guests apply them, commits, and finds the event that a failure is about.
//! All that applies events goes by it: the thread of a version, and every trial beside it. They differ in where windows
//! come from (a [`Feed`]), how fast they go (a [`Pace`]), and what becomes of the events (a [`Sink`]).
//!
//! Events go to a guest in windows, and several windows make a commit. If anything fails, the instance and what is
//! pending are dropped, and the failing events are halved, each half with a commit of its own, until one event is left:
//! what fails alone, with a fresh instance, is the fault. If that one passes, those after it run one at a time. So
//! whether an event passes does not depend on how events were batched.
//!
//! It knows nothing of commands, phases and turns, and takes no notice of whoever waits for it.

use std::ops::Range;

use kinora_log::Log;
use kinora_sandbox::{Category, Failure, Limits, Usage};
use kinora_types::{EventType, Position, Progress};

use crate::feed::window::{Feed, Window};
use crate::replay::crew::Crew;
use crate::replay::pace::{Pace, Uncommitted};
use crate::replay::sink::{Guest, Sink};
use crate::throttle::Throttle;

/// Which part of what may be pending is reached when a commit is made. Another one may be on its way to the disk
/// meanwhile, and what has been read ahead is still applied: together they keep a host within its memory.
const COMMIT_SHARE: usize = 4;

/// What has a commit made, at any pace.
#[derive(Clone, Copy)]
pub struct Room {
    /// Guest memory from which on a commit is made, and the instance dropped: linear memory never shrinks, and what a
    /// guest keeps between commits is only a cache.
    pub memory_bytes: usize,
    /// Bytes of what waits for a commit.
    pub pending_bytes: usize,
}

impl Room {
    pub fn new(limits: &Limits) -> Self {
        Self { memory_bytes: limits.memory_bytes / 2, pending_bytes: limits.commit_bytes / COMMIT_SHARE }
    }
}

/// Why a stepper cannot go on. What came before is committed.
#[derive(Debug)]
pub enum Stop {
    /// The host is in trouble, the projector as a whole is not what it declares, or nobody waits for it any more: there
    /// is no event to look for.
    Failed(Failure),
    /// An event failed alone, with a fresh instance; `first` says which one.
    Alone { failure: Failure, first: Option<Position> },
    /// The next event has no route.
    Unknown { failure: Failure, event: Option<EventType> },
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Stop {
    /// Whether it was wanted: nothing is wrong, and what was under way can be done again.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.is_cancelled())
    }

    pub fn storage(cause: impl std::fmt::Display) -> Self {
        Self::Failed(Failure::storage(cause))
    }

    /// The failure, and the event that it is about, as the log has it.
    pub fn located(self, log: &Log) -> (Failure, Option<EventType>) {
        match self {
            Self::Failed(failure) => (failure, None),
            Self::Unknown { failure, event } => (failure, event),
            Self::Alone { failure, first } => {
                let failure = Failure { position: failure.position.or(first), ..failure };
                let event = failure.position.and_then(|position| log.event(position).ok().flatten());
                let event = event.and_then(|event| EventType::new(event.kind.as_str(), event.schema).ok());
                (failure, event)
            }
        }
    }
}

/// Whether there is no event to look for.
fn ends(failure: &Failure) -> bool {
    matches!(failure.category, Category::Storage | Category::Partition | Category::Cancelled)
}

pub struct Stepper<F, P, S: Sink> {
    pub feed: F,
    pub pace: P,
    pub sink: S,
    room: Room,
    is_stepwise: bool,
    crew: Crew<S>,
    window: Window,
    /// Applied, and maybe not committed yet.
    applied: Progress,
    committed: Progress,
    /// Events that guests were given since the last commit.
    uncommitted: usize,
    /// The events among which a failure is looked for.
    careful: Option<Careful>,
    /// Among which events the failure is that was seen last, if it is not those of the window.
    failed_at: Option<Range<Progress>>,
}

/// A failure that is looked for.
struct Careful {
    /// The events that failed together.
    events: Range<Progress>,
    /// Those that are left of them after some halves. `None`: halves have not found it, so each event runs alone.
    suspect: Option<Range<Progress>>,
}

impl Careful {
    fn new(events: Range<Progress>) -> Self {
        Self { suspect: Some(events.clone()), events }
    }

    /// How far to go next from here, and whether that is for one event alone.
    fn next(&self, from: Progress) -> (Progress, bool) {
        match &self.suspect {
            Some(suspect) => {
                let left = suspect.end.0.saturating_sub(from.0);
                (Progress(from.0 + (left / 2).max(1)), left <= 1)
            }
            None => (self.events.end, true),
        }
    }

    /// What ended here has passed.
    fn passed(&mut self, at: Progress) {
        // Nothing but the failure was left, so all of it does not come from one event.
        self.suspect.take_if(|suspect| suspect.end <= at);
    }
}

impl<F: Feed, P: Pace, S: Sink> Stepper<F, P, S> {
    /// Goes on after `from`, which is what the sink stands for.
    pub fn new(feed: F, pace: P, sink: S, room: Room, from: Progress) -> Self {
        Self {
            is_stepwise: sink.is_stepwise(),
            feed,
            pace,
            sink,
            room,
            crew: Crew::None,
            window: Window::default(),
            applied: from,
            committed: from,
            uncommitted: 0,
            careful: None,
            failed_at: None,
        }
    }

    /// Applied, and maybe not committed yet.
    pub fn applied(&self) -> Progress {
        self.applied
    }

    pub fn committed(&self) -> Progress {
        self.committed
    }

    /// One window, and a commit if it is time for one.
    pub fn advance(&mut self, head: Progress) -> Result<(), Stop> {
        let (upto, is_careful, alone) = self.bounds(head)?;
        let limit = if alone || self.is_stepwise { 1 } else { self.pace.window(self.uncommitted()) };
        let from = self.applied;
        // What came before the damage stays.
        let filled = self.feed.fill(&mut self.window, from, upto, limit);
        filled.or_else(|failure| self.commit().and(Err(failure.into())))?;
        let fresh = self.crew.is_fresh();
        match self.step(head, is_careful) {
            Ok(()) => {
                if let Some(careful) = self.careful.as_mut().filter(|_| is_careful) {
                    careful.passed(self.applied);
                }
            }
            Err(failure) if ends(&failure) => return Err(failure.into()),
            // What an instance has kept must not decide whether an event passes.
            Err(_) if alone && !fresh => self.rewind(),
            Err(failure) if alone => return Err(Stop::Alone { failure, first: self.window.first }),
            Err(failure) => {
                self.look_for(&failure, from, is_careful);
                return Ok(());
            }
        }
        match self.window.unknown.take() {
            None => Ok(()),
            Some((failure, event)) => {
                self.commit()?;
                Err(Stop::Unknown { failure, event })
            }
        }
    }

    /// How far the next window goes at most, whether a failure is looked for in it, and whether one event has to run
    /// alone.
    fn bounds(&mut self, head: Progress) -> Result<(Progress, bool, bool), Stop> {
        match &self.careful {
            Some(careful) if self.applied < careful.events.start => Ok((head.min(careful.events.start), false, false)),
            Some(careful) if self.applied < careful.events.end => {
                let (upto, alone) = careful.next(self.applied);
                self.commit()?;
                Ok((head.min(upto), true, alone))
            }
            _ => {
                self.careful = None;
                Ok((head, false, false))
            }
        }
    }

    /// Goes back, to look for the event that a failure is about.
    fn look_for(&mut self, failure: &Failure, from: Progress, is_careful: bool) {
        tracing::debug!(%failure, from = from.0, "looking for the event that it is about");
        // A flush can fail because of any event since the last commit.
        let since = if self.applied == from { from } else { self.committed };
        let events = self.failed_at.take().unwrap_or(since..self.window.next);
        match self.careful.as_mut().filter(|_| is_careful) {
            Some(careful) => careful.suspect = Some(from..self.window.next),
            None => self.careful = Some(Careful::new(events)),
        }
        self.rewind();
    }

    /// Has the window applied, and commits if it is time to.
    fn step(&mut self, head: Progress, commits: bool) -> Result<(), Failure> {
        self.apply()?;
        self.applied = self.window.next;
        self.pace.applied(self.applied, || self.sink.reads_since());
        if commits || self.is_stepwise || self.is_due(head) { self.flush() } else { Ok(()) }
    }

    fn is_due(&self, head: Progress) -> bool {
        self.applied == head
            || self.pace.is_due(self.uncommitted())
            || self.crew.memory_bytes() >= self.room.memory_bytes
            || self.crew.pending_bytes(&self.sink) >= self.room.pending_bytes
    }

    fn uncommitted(&self) -> Uncommitted {
        Uncommitted { events: self.uncommitted, log_events: self.applied.0 - self.committed.0 }
    }

    /// Runs the guests on the window: those of a window that is dealt out side by side.
    fn apply(&mut self) -> Result<(), Failure> {
        if let Some(failure) = self.window.failure.take() {
            return Err(failure);
        }
        let is_dealt = !self.window.dealt.is_empty();
        if !is_dealt && self.window.events.is_empty() {
            return Ok(());
        }
        if self.crew.is_unfit(is_dealt) {
            self.change_crew()?;
        }
        self.uncommitted += self.window.len();
        if !is_dealt {
            let guest = self.crew.one(&self.sink)?;
            let _work = self.pace.throttle().map(Throttle::work);
            return guest.apply(&self.window.events);
        }
        let dealt = std::mem::take(&mut self.window.dealt);
        let instances = self.crew.several(&self.sink, dealt.len(), &self.pace)?;
        instances.apply(dealt, self.applied, self.window.next);
        if instances.has_failed() { Err(self.failed()) } else { Ok(()) }
    }

    /// What the next instance is to see has to be committed by the one before.
    fn change_crew(&mut self) -> Result<(), Failure> {
        let pending = self.committed..self.applied;
        if let Err(failure) = self.flush() {
            self.failed_at.get_or_insert(pending);
            return Err(failure);
        }
        self.crew = Crew::None;
        Ok(())
    }

    /// Ends several instances of which one has failed, and lets the events of its window be gone through one by one;
    /// those of many windows, window by window first.
    fn failed(&mut self) -> Failure {
        let unknown = || Failure::storage("an instance failed and does not say why");
        let Crew::Several(instances) = std::mem::replace(&mut self.crew, Crew::None) else { return unknown() };
        match instances.end() {
            Some(failed) => {
                self.failed_at = Some(if failed.is_gathered {
                    self.pace.be_wary();
                    failed.from..failed.from
                } else {
                    failed.from..failed.next
                });
                failed.failure
            }
            None => unknown(),
        }
    }

    /// A commit whose failure ends it all: there is nothing pending that an event could be blamed for.
    pub fn commit(&mut self) -> Result<(), Stop> {
        match self.flush() {
            Ok(()) => Ok(self.sink.settle()?),
            Err(failure) if ends(&failure) => Err(failure.into()),
            Err(_) => {
                // Find the event: go through all of them since the last commit.
                let until = self.applied;
                self.careful = Some(Careful::new(self.failed_at.take().unwrap_or(self.committed..until)));
                self.rewind();
                while self.applied < until {
                    self.advance(until)?;
                }
                Ok(self.sink.settle()?)
            }
        }
    }

    /// Makes what was applied visible, together with the progress that it stands for.
    fn flush(&mut self) -> Result<(), Failure> {
        if self.applied == self.committed {
            return Ok(());
        }
        let usage = self.flush_guests()?;
        self.pace.flushed(Usage { commit_bytes: self.sink.pending_bytes() as u64, ..usage });
        self.sink.commit(self.applied, self.pace.commit())?;
        self.committed = self.applied;
        self.uncommitted = 0;
        let memory_bytes = self.crew.memory_bytes();
        self.pace.committed(memory_bytes);
        if self.pace.is_fresh() {
            self.crew = Crew::None;
            self.feed.restart();
        } else if memory_bytes >= self.room.memory_bytes {
            self.crew = Crew::None;
        }
        Ok(())
    }

    /// Has guests hand over what they hold back.
    fn flush_guests(&mut self) -> Result<Usage, Failure> {
        match &mut self.crew {
            Crew::None => Ok(Usage::default()),
            Crew::One(guest) => {
                let _work = self.pace.throttle().map(Throttle::work);
                guest.flush()?;
                Ok(guest.usage())
            }
            Crew::Several(instances) => {
                instances.flush(&mut self.sink)?;
                if instances.has_failed() { Err(self.failed()) } else { Ok(Usage::default()) }
            }
        }
    }

    /// Applies one window of at most `limit` events, before which nothing is pending, and commits it if `keeps` says so
    /// of what it left. Otherwise, and after a failure, all is as it was. Says whether it was kept.
    pub fn probe(&mut self, upto: Progress, limit: usize, keeps: impl FnOnce(&S) -> bool) -> Result<bool, Stop> {
        let kept = self.try_window(upto, limit, keeps);
        if !matches!(kept, Ok(true)) {
            self.rewind();
        }
        kept
    }

    fn try_window(&mut self, upto: Progress, limit: usize, keeps: impl FnOnce(&S) -> bool) -> Result<bool, Stop> {
        self.feed.fill(&mut self.window, self.applied, upto, limit)?;
        if self.window.next == self.applied {
            let ended = || Stop::storage("the log ends before it should");
            let unknown = self.window.unknown.take();
            return Err(unknown.map_or_else(ended, |(failure, event)| Stop::Unknown { failure, event }));
        }
        self.apply()?;
        self.flush_guests()?;
        let kept = keeps(&self.sink);
        if kept {
            self.sink.commit(self.window.next, self.pace.commit())?;
            self.sink.settle()?;
            (self.applied, self.committed, self.uncommitted) = (self.window.next, self.window.next, 0);
        }
        Ok(kept)
    }

    /// The window that was filled last.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Back to the last commit, with fresh instances.
    pub fn rewind(&mut self) {
        self.drop_pending();
        self.applied = self.committed;
        self.pace.rewound(self.applied);
    }

    /// Drops what has not been committed, and whoever made it.
    pub fn drop_pending(&mut self) {
        self.crew = Crew::None;
        self.sink.rewind();
        self.feed.restart();
        self.uncommitted = 0;
    }

    /// Lets the instances go: nothing is pending.
    pub fn let_go(&mut self) {
        self.crew = Crew::None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
