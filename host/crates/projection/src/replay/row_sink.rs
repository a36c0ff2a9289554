//! Rows as a sink: a projector writes them, and a commit brings them to the read model of its version.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use kinora_files::Place;
use kinora_readmodel as readmodel;
use kinora_readmodel::{CommitMode, Snapshot, Store, Writes};
use kinora_sandbox::{Batch, Category, Failure, Projector, ProjectorPre, Usage};
use kinora_types::{Budget, Progress};

use crate::feed::modules::VersionModules;
use crate::replay::committer::Committer;
use crate::replay::rows::VersionRows;
use crate::replay::sink::{Commit, Guest, Sink};
use crate::throttle::Throttle;

/// The rows of a version, and the projector that makes them.
pub struct RowSink {
    projector: ProjectorPre,
    /// That of whoever waits for what the projector does.
    budget: Budget,
    /// Where it is noted that it does something.
    place: Place,
    store: Arc<Store>,
    rows: VersionRows,
    /// Told what has been committed.
    checkpoint: watch::Sender<Progress>,
    /// Makes the commits of a replay.
    committer: Option<Committer>,
}

impl RowSink {
    /// `commit_bytes`: what may be pending at most.
    pub fn new(
        modules: &VersionModules,
        store: Arc<Store>,
        commit_bytes: usize,
        checkpoint: watch::Sender<Progress>,
    ) -> Self {
        let rows = VersionRows::new(Arc::clone(&store), commit_bytes);
        let (projector, budget) = (modules.projector.pre.clone(), modules.budget.clone());
        let place = modules.place.clone();
        Self { projector, budget, place, store, rows, checkpoint, committer: None }
    }

    /// What has been written since the last commit.
    pub fn pending(&self) -> MutexGuard<'_, Writes> {
        self.rows.pending()
    }

    fn committer(&mut self, throttle: Option<&Throttle>) -> Result<&Committer, Failure> {
        Ok(match &mut self.committer {
            Some(committer) => committer,
            none => {
                let committing = Arc::clone(self.rows.committing());
                let (store, checkpoint) = (Arc::clone(&self.store), self.checkpoint.clone());
                none.insert(Committer::start(store, committing, checkpoint, throttle.cloned())?)
            }
        })
    }

    fn commit_now(&mut self, progress: Progress, mode: CommitMode) -> Result<(), Failure> {
        let mut pending = self.rows.pending();
        self.store.commit(&pending, progress, mode).map_err(commit_failure)?;
        pending.clear();
        drop(pending);
        self.checkpoint.send_replace(progress);
        Ok(())
    }
}

/// Why rows could not be committed: a projector may have written what it said that it never would.
fn commit_failure(cause: readmodel::Error) -> Failure {
    match cause {
        readmodel::Error::NotUnique { .. } => Failure::new(Category::Rule, cause.to_string()),
        cause => Failure::storage(cause),
    }
}

/// A projector, whose calls are noted while it is on probation.
pub struct Placed {
    projector: Projector,
    place: Place,
    /// Where it was called last.
    last: u64,
}

impl Guest for Placed {
    fn apply(&mut self, events: &Batch) -> Result<(), Failure> {
        // Even for events, odd for what comes after them.
        self.last = events.positions.first().map_or(0, |first| first.wrapping_mul(2));
        let _here = self.place.enter(self.last);
        self.projector.apply(events)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let _here = self.place.enter(self.last | 1);
        self.projector.flush()
    }

    fn usage(&self) -> Usage {
        self.projector.usage()
    }

    fn memory_bytes(&self) -> usize {
        self.projector.memory_bytes()
    }
}

impl Sink for RowSink {
    type Guest = Placed;
    type Pending = Writes;

    fn instance(&self) -> Result<Placed, Failure> {
        let (place, last) = (self.place.clone(), 0);
        let _here = place.enter(last);
        let projector = self.projector.instantiate(Box::new(self.rows.clone()), &self.budget)?;
        Ok(Placed { projector, place: self.place.clone(), last })
    }

    fn beside(&self, count: usize) -> Self {
        Self {
            projector: self.projector.clone(),
            budget: self.budget.clone(),
            // There is one place, so it is noted of one instance only.
            place: Place::default(),
            store: Arc::clone(&self.store),
            rows: self.rows.beside(count),
            checkpoint: self.checkpoint.clone(),
            committer: None,
        }
    }

    fn take(&mut self) -> Writes {
        std::mem::take(&mut *self.rows.pending())
    }

    fn join(&mut self, parts: Vec<Writes>) -> Result<(), Failure> {
        self.rows.pending().join(parts).map_err(|(table, key)| {
            let message = format!(
                "describe() declares that each row depends on one partition only, but row {key:?} of table number \
                 {table} was written for two of them: take the declaration out, or mend it"
            );
            Failure::new(Category::Partition, message)
        })
    }

    fn pending_bytes(&self) -> usize {
        self.rows.pending().bytes()
    }

    fn reads_since(&self) -> (u64, u64) {
        self.rows.reads_since()
    }

    fn is_stepwise(&self) -> bool {
        self.store.is_stepwise()
    }

    fn commit(&mut self, progress: Progress, how: Commit<'_>) -> Result<(), Failure> {
        match how {
            Commit::Beside { throttle } => {
                let writes = self.take();
                self.committer(throttle)?.commit(writes, progress)
            }
            Commit::UntilFlushed => self.commit_now(progress, CommitMode::UntilFlushed),
            Commit::Logged => self.commit_now(progress, CommitMode::Logged),
        }
    }

    fn settle(&self) -> Result<(), Failure> {
        self.committer.as_ref().map_or(Ok(()), Committer::settle)
    }

    fn rewind(&mut self) {
        self.rows.pending().clear();
    }

    fn checkpoint(&self) -> Result<Progress, Failure> {
        self.store.checkpoint().map_err(Failure::storage)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if let Some(committer) = self.committer.take() {
            committer.settle()?;
        }
        self.store.flush().map_err(Failure::storage)
    }

    fn begin_replay(&self) {
        self.store.begin_replay();
    }

    fn pause_replay(&self) {
        self.store.pause_replay();
    }

    fn end_replay(&self) -> Result<Duration, Failure> {
        self.store.end_replay().map_err(Failure::storage)
    }

    fn snapshot(&self) -> Result<Snapshot, Failure> {
        self.store.snapshot().map_err(Failure::storage)
    }
}
