//! A lane: an instance of a version's decider behind a lock, and the commands that wait for it. Whoever finds nobody at
//! work leads for all who wait; there is no thread of its own. A lead is on a blocking thread, but for one command that
//! comes alone: to wake two threads for it takes longer than to decide it.
//!
//! While an append of a scope is under way, no other command of it is decided here; commands of other scopes go on. A
//! lane never waits for another one. Two lanes may hold the same scope: then the log refuses one of two appends.

mod lookup;
mod outlook;
mod queue;
mod slots;
mod track;
mod train;
mod unit;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::runtime::{Handle, RuntimeFlavor};

use kinora_log::{AppendError, Durability};

use crate::error::Error;
use crate::scope::Scope;
use crate::snapshots::Snapshot;
use queue::{Begin, Queue, Train};
use slots::Settled;
use train::Departed;
use worker::Worker;

pub use lookup::{Sought, known};
pub use outlook::{Kept, Outlook, State, faulted};
pub use track::Track;
pub use train::events_only as decided_events;
pub use unit::{Answer, Asked, DecidedEvent, Outcome, Unit};

pub struct Lane {
    track: Arc<Track>,
    queue: Mutex<Queue>,
    /// Held by whoever leads, so nobody waits for it.
    worker: Mutex<Worker>,
    runtime: Handle,
}

/// The lead of a lane. Whatever ends it, another one begins if somebody is left who can be decided.
struct Lead {
    lane: Arc<Lane>,
    has_begun: bool,
}

/// Scopes that a train has. Whatever becomes of it, they are free again when this is gone.
struct Held {
    lane: Arc<Lane>,
    scopes: Vec<Scope>,
    /// What their slots are then.
    settled: Vec<Settled>,
    /// Who comes again.
    again: Vec<Unit>,
}

impl Lane {
    pub fn new(track: Arc<Track>) -> Arc<Self> {
        let worker = Mutex::new(Worker::new(Arc::clone(&track)));
        Arc::new(Self { track, queue: Mutex::default(), worker, runtime: Handle::current() })
    }

    /// Has a unit decided; its answer goes to whoever waits for it.
    pub fn submit(self: &Arc<Self>, unit: Unit) {
        let mut queue = self.queue();
        let (waiting, limit) = (queue.waiting(), self.track.limits.lane_commands);
        if waiting >= limit {
            drop(queue);
            return unit.answer(Err(Error::Busy { waiting }));
        }
        let begin = queue.push(unit);
        drop(queue);
        match begin {
            Begin::Nobody => {}
            Begin::Lead => self.lead(),
            Begin::Alone => self.lead_here(),
        }
    }

    /// How many units wait.
    pub fn waiting(&self) -> usize {
        self.queue().waiting()
    }

    /// Ends all who wait.
    pub fn close(&self) {
        for unit in self.queue().clear() {
            unit.answer(Err(Error::Ends));
        }
    }

    fn lead_if_nobody_does(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        if queue.begin_to_lead() {
            drop(queue);
            self.lead();
        }
    }

    fn lead(self: &Arc<Self>) {
        let lead = Lead { lane: Arc::clone(self), has_begun: false };
        self.runtime.spawn_blocking(move || lead.run(usize::MAX));
    }

    /// Leads for one round on this thread, whose other tasks are taken over meanwhile. Others lead those who come then.
    fn lead_here(self: &Arc<Self>) {
        if self.runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return self.lead();
        }
        let lead = Lead { lane: Arc::clone(self), has_begun: false };
        tokio::task::block_in_place(|| lead.run(1));
    }

    /// Appends what a train has decided, beside whatever the lane does meanwhile.
    fn depart(&self, departed: Departed, mut held: Held, is_last: bool) {
        // If nobody comes to know what became of it, nothing of it is believed.
        held.settled = departed.train.forgotten();
        let track = Arc::clone(&self.track);
        let mut appending = Box::pin(async move {
            let Departed { request, client, train } = departed;
            let result = track.log.append_for(client, request).await;
            track.follow(&result).await;
            let is_said = matches!(result, Ok(_) | Err(AppendError::Rejected(_)));
            if is_said && track.log.durability() != Durability::Sync {
                // What is decided next is decided on what is durable, that of others too.
                let _ = track.log.settled().await;
            }
            let (settled, again) = train.arrive(&track, result);
            held.arrive(settled, again);
        });
        // There is nothing else to do here: the log has it before another thread is awake, or it is written at once.
        let is_done = is_last && appending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        if !is_done {
            self.runtime.spawn(appending);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker; a new one, if the last lead did not end as it should.
    fn worker(&self) -> MutexGuard<'_, Worker> {
        self.worker.lock().unwrap_or_else(|poisoned| {
            let mut worker = poisoned.into_inner();
            *worker = Worker::new(Arc::clone(&self.track));
            self.worker.clear_poison();
            worker
        })
    }
}

impl Lead {
    /// Decides round after round, until nobody waits who can be decided now, or there have been so many rounds.
    fn run(mut self, rounds: usize) {
        self.has_begun = true;
        let lane = &self.lane;
        let mut worker = lane.worker();
        for _ in 0..rounds {
            let (settled, trains) = lane.queue().round();
            worker.settle(settled);
            if trains.is_empty() {
                break;
            }
            let held = trains.into_iter().map(|train| (Held::new(lane, &train), train));
            let held: Vec<_> = held.collect();
            let last = held.len().saturating_sub(1);
            for (at, (mut held, train)) in held.into_iter().enumerate() {
                let (departed, again) = worker.run(train);
                held.again = again;
                match departed {
                    // Who comes again does so at once, whatever becomes of the others.
                    Some(departed) => {
                        lane.queue().push_first(std::mem::take(&mut held.again));
                        lane.depart(departed, held, at == last);
                    }
                    None => drop(held),
                }
                // Before the next train: its command would fail for what others have left in memory.
                worker.tidy();
            }
        }
        for (scope, snapshot) in worker.take_checks() {
            let track = Arc::clone(&lane.track);
            lane.runtime.spawn_blocking(move || check(&track, &scope, &snapshot));
        }
    }
}

/// Folds a state anew that a snapshot was used for.
fn check(track: &Arc<Track>, scope: &Scope, snapshot: &Snapshot) {
    match Outlook::new(Arc::clone(track), &track.budget, None).state(scope, snapshot.baseline.upto) {
        Ok(state) => track.snapshots.checked(scope, state.saved == snapshot.saved),
        Err(Error::Ends) => {}
        Err(error) => tracing::warn!(decider = track.decider, %scope, %error, "a snapshot was not checked"),
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.has_begun {
            // There are no threads any more: the host ends.
            return self.lane.close();
        }
        // Somebody may have come between the last look and the end of the lead.
        let mut queue = self.lane.queue();
        queue.end_lead();
        self.lane.lead_if_nobody_does(queue);
    }
}

impl Held {
    fn new(lane: &Arc<Lane>, train: &Train) -> Self {
        Self { lane: Arc::clone(lane), scopes: train.scopes.clone(), settled: Vec::new(), again: Vec::new() }
    }

    /// Its append was answered.
    fn arrive(mut self, settled: Vec<Settled>, again: Vec<Unit>) {
        (self.settled, self.again) = (settled, again);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut queue = self.lane.queue();
        queue.settle(std::mem::take(&mut self.settled));
        queue.free(&self.scopes);
        queue.push_first(std::mem::take(&mut self.again));
        self.lane.lead_if_nobody_does(queue);
    }
}
