//! The commit log of a log in memory: there is none. What the tables have is all there is, for as long as they are
//! there.

use kinora_types::Progress;

use crate::commit::commit_log::CommitLog;
use crate::error::Error;

/// Survives nothing. A commit is as durable as it will ever be when it comes here.
pub struct Memory;

impl CommitLog for Memory {
    fn add(&self, _upto: Progress, _batch: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }

    fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
