//! Answers that wait for the disk. A commit is written at once, and synced later together with those that were written
//! meanwhile; nobody hears of it before.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use kinora_types::Progress;

use crate::error::{AppendError, Error};
use crate::record::request::Appended;

pub type Answer = (oneshot::Sender<Result<Appended, AppendError>>, Result<Appended, AppendError>);

/// The answers of one commit.
pub struct Group {
    /// What they follow from: all that was written by then. So does a refusal.
    pub written: Progress,
    pub answers: Vec<Answer>,
}

impl Group {
    /// Tells everybody how it went.
    pub fn answer(self, synced: &Result<(), Error>) {
        for (answer, result) in self.answers {
            let result = match synced {
                Ok(()) => result,
                Err(error) => Err(AppendError::Failed(error.clone())),
            };
            // Whoever no longer waits finds the answer by trying again: ids make that harmless.
            let _ = answer.send(result);
        }
    }
}

#[derive(Default)]
pub struct Unsynced {
    groups: Mutex<Vec<Group>>,
    /// How many wait for an answer, those of the sync that is under way included.
    waiting: AtomicUsize,
    /// Whether somebody syncs, and will look at the groups again.
    syncing: AtomicBool,
}

impl Unsynced {
    /// In the order of what is written.
    pub fn add(&self, group: Group) {
        self.waiting.fetch_add(group.answers.len(), Ordering::AcqRel);
        self.lock().push(group);
    }

    /// Whether the caller is to sync now: something waits, and nobody else does.
    pub fn begin(&self) -> bool {
        !self.lock().is_empty() && !self.syncing.swap(true, Ordering::AcqRel)
    }

    /// All that waits.
    pub fn take(&self) -> Vec<Group> {
        std::mem::take(&mut *self.lock())
    }

    /// Ends what [`begin`](Self::begin) began. Whoever found it under way had added a group before, so the caller looks again.
    pub fn end(&self, answered: usize) {
        self.waiting.fetch_sub(answered, Ordering::AcqRel);
        self.syncing.swap(false, Ordering::AcqRel);
    }

    /// How many wait for a sync that is under way, or for the next one then; 0 if none is.
    pub fn ahead(&self) -> usize {
        // Written back as it is: so it comes before or after the end of a sync, and not beside it.
        if self.syncing.fetch_or(false, Ordering::AcqRel) { self.waiting.load(Ordering::Acquire) } else { 0 }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
