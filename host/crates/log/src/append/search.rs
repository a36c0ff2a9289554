//! Long searches of conditions, beside the writer. What a condition has to look at may be all of history, and the
//! writer has no time for that: it looks a little way, and hands back what needs more. That is searched here, up to
//! where the log has come by then, and only what has come since is left to the writer.

use std::sync::Arc;

use rocksdb::DB;
use tokio::sync::Semaphore;

use kinora_types::{Direction, Position, Progress};

use crate::append::limits::Limits;
use crate::error::{AppendError, Error};
use crate::read::postings::Matches;
use crate::record::request::Condition;

/// Entries of lists that the writer looks at for one condition: some milliseconds.
pub const WRITERS_READS: u64 = 4_096;

/// Searches that run at once. Others wait, and hold no thread.
const AT_ONCE: usize = 2;

/// How far a condition has been looked into.
#[derive(Clone, Copy, Debug)]
pub struct Searched {
    pub upto: Progress,
    /// The first event that matches, if there was one.
    pub found: Option<Position>,
}

pub struct Searches {
    turns: Arc<Semaphore>,
    reads: u64,
}

impl Searches {
    pub fn new(limits: &Limits) -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), reads: limits.condition_reads }
    }

    /// Looks into a condition up to what is written now, behind what was searched before.
    pub async fn search(
        &self,
        db: &Arc<DB>,
        written: Progress,
        condition: &Condition,
        before: Option<Searched>,
    ) -> Result<Searched, AppendError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let (db, condition, reads) = (Arc::clone(db), condition.clone(), self.reads);
        let look = move || {
            let _turn = turn;
            let from = begin(&condition, before);
            let mut left = reads;
            let mut matches = Matches::of(&db, &condition.selection, Direction::Forwards);
            let found = matches.find_within(from, &mut left)?;
            Ok(Searched { upto: written, found: found.filter(|found| *found < written.0).map(Position) })
        };
        let looked = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(look).await.unwrap_or(Err(Error::Thread("it is gone".to_owned()))),
            Err(_) => look(),
        };
        looked.map_err(|error| match error {
            Error::LongSearch => {
                let limit = usize::try_from(reads).unwrap_or(usize::MAX);
                let what = "entries and more that the condition has to look at";
                AppendError::TooLarge { what, actual: limit, limit }
            }
            error => AppendError::Failed(error),
        })
    }
}

/// Where the part of the log begins that has not been looked into.
pub fn begin(condition: &Condition, searched: Option<Searched>) -> u64 {
    let from = condition.after.map_or(0, |after| after.0.saturating_add(1));
    searched.map_or(from, |searched| from.max(searched.upto.0))
}
