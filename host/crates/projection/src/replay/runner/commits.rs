//! When a runner commits, and how: a replay on a thread beside it, later at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::replay::committer::Committer;
use crate::replay::gauges::Phase;
use crate::replay::rows::commit_failure;
use crate::replay::turns::Turn;
use kinora_readmodel::CommitMode;
use kinora_sandbox::{Failure, Usage};
use kinora_types::Progress;

use crate::replay::runner::guests::Guest;
use crate::replay::runner::{Runner, Stop, ends};

/// Events of one commit of a replay: hot rows are encoded and written once for all of them.
const REPLAY_COMMIT_EVENTS: u64 = 500_000;

/// Which part of the rows that a commit may have is reached when one is made. Another one may be on its way to the disk meanwhile, and
/// what has been read ahead is still applied: together they keep a host within its memory.
const COMMIT_SHARE: usize = 4;

/// Longest time between two commits of a replay: what a crash costs, and how old a progress bar's checkpoint is.
const REPLAY_COMMIT_TIME: Duration = Duration::from_secs(2);

/// Longest time between two commits once a version has caught up: how old an answer can be while events pour in.
const LIVE_COMMIT_TIME: Duration = Duration::from_millis(50);

impl Runner {
    pub(crate) fn is_time(&self, head: Progress) -> bool {
        let waited = self.last_commit.elapsed();
        let (time, events) = if self.is_replaying() {
            (REPLAY_COMMIT_TIME, REPLAY_COMMIT_EVENTS)
        } else {
            (LIVE_COMMIT_TIME, REPLAY_COMMIT_EVENTS)
        };
        let pending = match &self.guest {
            Guest::Several(instances) => instances.pending(),
            Guest::None | Guest::One(_) => self.rows.pending().bytes(),
        };
        self.applied == head
            || waited >= time
            || self.applied.0 - self.committed.0 >= events
            || self.memory() >= self.parts.memory_bytes
            || pending >= self.parts.commit_bytes / COMMIT_SHARE
    }

    /// A commit whose failure ends the runner: there is nothing pending that an event could be blamed for.
    pub(crate) fn commit(&mut self) -> Result<(), Stop> {
        match self.flush() {
            Ok(()) => self.settle(),
            Err(failure) if ends(&failure) => Err(failure.into()),
            Err(_) => {
                // Find the event: go through all of them since the last commit.
                let until = self.applied;
                self.careful = Some(self.failed_at.take().unwrap_or((self.committed, until)));
                self.rewind();
                while self.applied < until {
                    self.advance(until)?;
                }
                self.settle()
            }
        }
    }

    /// Waits until everything that was handed over is committed.
    pub(crate) fn settle(&self) -> Result<(), Stop> {
        Ok(self.committer.as_ref().map_or(Ok(()), Committer::settle)?)
    }

    /// Makes what was applied visible: rows and checkpoint in one step.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if self.applied == self.committed {
            return Ok(());
        }
        match &mut self.guest {
            Guest::None => {}
            Guest::One(projector) => {
                let _work = self.turn.as_ref().map(Turn::work);
                projector.flush()?;
            }
            Guest::Several(instances) => {
                instances.flush(&mut self.rows.pending())?;
                if instances.has_failed() {
                    return Err(self.failed());
                }
            }
        }
        let usage = if let Guest::One(projector) = &self.guest { projector.usage() } else { Usage::default() };
        let commit_bytes = self.rows.pending().bytes() as u64;
        self.parts.gauges.note_usage(Usage { commit_bytes, ..usage });
        if self.is_replaying() && !self.parts.store.is_stepwise() {
            let writes = std::mem::take(&mut *self.rows.pending());
            let progress = self.applied;
            self.committer()?.commit(writes, progress)?;
            self.committed = self.applied;
        } else {
            let mut pending = self.rows.pending();
            let mode = if self.is_replaying() { CommitMode::UntilFlushed } else { CommitMode::Logged };
            self.parts.store.commit(&pending, self.applied, mode).map_err(commit_failure)?;
            pending.clear();
            drop(pending);
            self.committed = self.applied;
            self.parts.checkpoint.send_replace(self.committed);
        }
        self.last_commit = Instant::now();
        let memory = self.memory();
        self.parts.gauges.set_memory(memory as u64);
        // Linear memory never shrinks; what the guest keeps between commits is only a cache.
        if memory >= self.parts.memory_bytes {
            self.guest = Guest::None;
        }
        // What waits for its turn holds nothing that others could use.
        if self.turn.is_some() && self.parts.turns.is_waited_for() {
            (self.turn, self.guest, self.ahead) = (None, Guest::None, None);
        }
        self.end_replay()
    }

    pub(crate) fn committer(&mut self) -> Result<&Committer, Failure> {
        Ok(match &mut self.committer {
            Some(committer) => committer,
            none => {
                let committing = Arc::clone(self.rows.committing());
                let (store, checkpoint) = (Arc::clone(&self.parts.store), self.parts.checkpoint.clone());
                none.insert(Committer::start(store, committing, checkpoint, self.turn.as_ref().map(Turn::throttle))?)
            }
        })
    }

    /// The head is reached, maybe for the first time.
    pub(crate) fn caught_up(&mut self) -> Result<(), Stop> {
        self.parts.gauges.set_rate(0.0);
        self.end_replay().map_err(Stop::from)?;
        if !self.is_replaying()
            && let Some(ready) = self.ready.take()
        {
            self.parts.gauges.set_phase(Phase::Ready);
            let _ = ready.send(self.started.elapsed());
        }
        Ok(())
    }

    /// What is not in the write-ahead log has to be on disk before anybody relies on this version.
    pub(crate) fn end_replay(&mut self) -> Result<(), Failure> {
        if !self.is_replaying() {
            return Ok(());
        }
        if self.committed >= self.history {
            if let Some(committer) = self.committer.take() {
                committer.settle()?;
            }
            self.parts.store.flush().map_err(Failure::storage)?;
            // From here on one instance keeps up with what comes.
            (self.guest, self.ahead) = (Guest::None, None);
            self.parts.source.deal(None);
            self.parts.gauges.set_phase(Phase::CatchingUp);
        }
        Ok(())
    }
}
