//! The commits of a replay, on a thread of their own: while one is written, the guest goes on with the next events.
//!
//! One at a time, in order. Who hands over the next one waits for the one before.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use kinora_readmodel::{CommitMode, Store, Writes};
use kinora_sandbox::Failure;
use kinora_types::Progress;

use crate::replay::rows::Committing;
use crate::throttle::Throttle;

/// Longest time between two flushes of a replay, which has no write-ahead log: what a killed process has to do again.
const FLUSH_TIME: Duration = Duration::from_secs(10);

pub struct Committer {
    /// `None` only while this ends.
    jobs: Option<SyncSender<(Arc<Writes>, Progress)>>,
    committing: Arc<Committing>,
    /// Why a commit failed. There is no going on after that.
    failed: Arc<Mutex<Option<Failure>>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub fn start(
        store: Arc<Store>,
        committing: Arc<Committing>,
        checkpoint: watch::Sender<Progress>,
        throttle: Option<Throttle>,
    ) -> Result<Self, Failure> {
        let (jobs, received) = sync_channel(1);
        let failed = Arc::<Mutex<Option<Failure>>>::default();
        let (shared, told) = (Arc::clone(&committing), Arc::clone(&failed));
        let name = format!("commit {}", std::thread::current().name().unwrap_or_default());
        let thread = std::thread::Builder::new().name(name);
        let thread = thread.spawn(move || {
            if let Err(failure) = run(&store, &shared, &checkpoint, throttle.as_ref(), &received) {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                // Nobody is kept waiting for what does not come.
                shared.end();
                while received.recv().is_ok() {
                    shared.end();
                }
            }
        });
        let thread = thread.map_err(Failure::storage)?;
        Ok(Self { jobs: Some(jobs), committing, failed, thread: Some(thread) })
    }

    /// Waits for the commit before, and lets this one be made.
    pub fn commit(&self, writes: Writes, progress: Progress) -> Result<(), Failure> {
        self.settle()?;
        let writes = Arc::new(writes);
        self.committing.begin(Arc::clone(&writes));
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send((writes, progress)).is_ok());
        if sent { Ok(()) } else { Err(Failure::storage("the thread that commits has ended")) }
    }

    /// Waits until all has been committed.
    pub fn settle(&self) -> Result<(), Failure> {
        self.committing.wait();
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

fn run(
    store: &Store,
    committing: &Committing,
    checkpoint: &watch::Sender<Progress>,
    throttle: Option<&Throttle>,
    jobs: &Receiver<(Arc<Writes>, Progress)>,
) -> Result<(), Failure> {
    let mut flushed = Instant::now();
    while let Ok((writes, progress)) = jobs.recv() {
        let work = throttle.map(Throttle::work);
        store.commit(&writes, progress, CommitMode::UntilFlushed).map_err(Failure::storage)?;
        drop(work);
        checkpoint.send_replace(progress);
        drop(writes);
        committing.end();
        if flushed.elapsed() >= FLUSH_TIME {
            store.flush().map_err(Failure::storage)?;
            flushed = Instant::now();
        }
    }
    Ok(())
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
