//! A lane: an instance of a version's decider behind a lock, and the commands that wait for it. Whoever finds nobody at
//! work leads, on a blocking thread, for all who wait; there is no thread of its own.
//!
//! While an append of a scope is under way, no other command of it is decided here; commands of other scopes go on. A
//! lane never waits for another one. Two lanes may hold the same scope: then the log refuses one of two appends.

mod lookup;
mod queue;
mod slots;
mod track;
mod train;
mod unit;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use kinora_log::{AppendError, Appended, Durability};

use crate::error::Error;
use queue::Queue;
use train::Departed;
use worker::Worker;

pub use track::Track;
pub use train::events_only as decided_events;
pub use unit::{Answer, Asked, DecidedEvent, Outcome, Unit};
pub use worker::{Outlook, State, faulted};

pub struct Lane {
    track: Arc<Track>,
    queue: Mutex<Queue>,
    /// Held by whoever leads, so nobody waits for it.
    worker: Mutex<Worker>,
    runtime: Handle,
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
        queue.push(unit);
        self.lead_if_nobody_does(queue);
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
            let lane = Arc::clone(self);
            self.runtime.spawn_blocking(move || lane.lead());
        }
    }

    /// Decides round after round, until nobody waits who can be decided now.
    fn lead(self: &Arc<Self>) {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (settled, trains) = self.queue().round();
            worker.settle(settled);
            if trains.is_empty() {
                break;
            }
            for train in trains {
                let scopes = train.scopes.clone();
                let (departed, again) = worker.run(train);
                match departed {
                    Some(departed) => self.depart(departed),
                    None => self.queue().free(&scopes),
                }
                self.queue().push_first(again);
                // Before the next train: its command would fail for what others have left in memory.
                worker.tidy();
            }
        }
        drop(worker);
        // Somebody may have come between the last look and the end of the lead.
        let mut queue = self.queue();
        queue.end_lead();
        if queue.has_runnable() {
            self.lead_if_nobody_does(queue);
        }
    }

    /// Appends what a train has decided, beside whatever the lane does meanwhile.
    fn depart(self: &Arc<Self>, departed: Departed) {
        let lane = Arc::clone(self);
        self.runtime.spawn(async move {
            let Departed { request, client, train } = departed;
            let result = lane.track.log.append_for(client, request).await;
            lane.track.follow(&result).await;
            if result.is_ok() && lane.track.log.durability() != Durability::Sync {
                // What is decided next is decided on what is durable.
                let _ = lane.track.log.settled().await;
            }
            lane.arrive(train, result);
        });
    }

    fn arrive(self: &Arc<Self>, train: train::UnderWay, result: Result<Appended, AppendError>) {
        let (settled, scopes, again) = train.arrive(&self.track, result);
        let mut queue = self.queue();
        queue.settle(settled);
        queue.free(&scopes);
        queue.push_first(again);
        if queue.has_runnable() {
            self.lead_if_nobody_does(queue);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
