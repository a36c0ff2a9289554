//! Answers that wait for the disk. A commit is written at once, and synced later together with those that were written
//! meanwhile; nobody hears of it before.

use tokio::sync::oneshot;

use kinora_types::Progress;

use crate::append::queue::Reply;
use crate::error::AppendError;
use crate::record::request::Appended;

pub type PendingAnswer = (oneshot::Sender<Reply>, Result<Appended, AppendError>);

/// The answers of one commit.
pub struct Group {
    /// What they follow from: all that was written by then. So does a refusal.
    pub written: Progress,
    pub answers: Vec<PendingAnswer>,
}

impl Group {
    /// Tells everybody how it went. Without a sync nobody knows: a refusal, too, may follow from what is lost.
    pub fn answer(self, is_synced: bool) {
        for (answer, result) in self.answers {
            let result = if is_synced { result } else { Err(AppendError::OutcomeUnknown) };
            // A caller that no longer waits finds the answer by trying again: ids make that harmless.
            let _ = answer.send(Reply::Answered(result));
        }
    }
}
