//! Answers that wait for the disk. A commit is written at once, and synced later together with those that were written
//! meanwhile; nobody hears of it before.

use tokio::sync::oneshot;

use kinora_types::Progress;

use crate::error::{AppendError, Error};
use crate::record::request::Appended;

pub type PendingAnswer = (oneshot::Sender<Result<Appended, AppendError>>, Result<Appended, AppendError>);

/// The answers of one commit.
pub struct Group {
    /// What they follow from: all that was written by then. So does a refusal.
    pub written: Progress,
    pub answers: Vec<PendingAnswer>,
}

impl Group {
    /// Tells everybody how it went.
    pub fn answer(self, synced: &Result<(), Error>) {
        for (answer, result) in self.answers {
            let result = match synced {
                Ok(()) => result,
                Err(error) => Err(AppendError::Failed(error.clone())),
            };
            // A caller that no longer waits finds the answer by trying again: ids make that harmless.
            let _ = answer.send(result);
        }
    }
}
