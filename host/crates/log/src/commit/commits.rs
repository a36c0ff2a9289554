//! [`Commits`]: the commit logs that there are, as one type. A branch that always goes the same way costs the writer
//! nothing.

use kinora_types::Progress;

use crate::commit::commit_log::CommitLog;
use crate::commit::journal::Journal;
use crate::commit::memory::Memory;
use crate::error::Error;

pub enum Commits {
    Journal(Box<Journal>),
    Memory(Memory),
}

impl Commits {
    /// Bytes of the journal's file, and of what is needed of it; none of a log in memory.
    pub fn fill(&self) -> (u64, u64) {
        match self {
            Self::Journal(journal) => journal.fill(),
            Self::Memory(_) => (0, 0),
        }
    }
}

impl CommitLog for Commits {
    fn add(&self, upto: Progress, batch: &[u8]) -> Result<(), Error> {
        match self {
            Self::Journal(journal) => journal.add(upto, batch),
            Self::Memory(memory) => memory.add(upto, batch),
        }
    }

    fn sync(&self) -> Result<(), Error> {
        match self {
            Self::Journal(journal) => journal.sync(),
            Self::Memory(memory) => memory.sync(),
        }
    }

    fn close(&self) -> Result<(), Error> {
        match self {
            Self::Journal(journal) => journal.close(),
            Self::Memory(memory) => memory.close(),
        }
    }
}
