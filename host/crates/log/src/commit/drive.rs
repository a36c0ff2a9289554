//! [`Drive`]: what the journal asks of the disk that it is on, and nothing more. A host has that of a folder; a
//! simulation has one that fails on purpose.

pub(crate) mod folder;

use std::io;
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    Read,
    /// What is written is on the disk after a sync.
    Cached,
    /// What is written goes past the page cache, and is on the disk when the write returns. Memory, offset and length
    /// are those of blocks. `InvalidInput`, here or at a write, says that there is no such way.
    Direct,
}

/// What runs beside its caller.
pub type Chore = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// The files of a journal, by their names, and threads beside it.
pub trait Drive: Send + Sync {
    /// Opens a file that is there.
    fn open(&self, name: &'static str, way: Way) -> io::Result<Arc<dyn DriveFile>>;

    /// Makes a file, or replaces it, in one atomic step. After a crash it has its old content or its new one, and what
    /// this has returned for stays.
    fn replace(&self, name: &'static str, bytes: &[u8]) -> io::Result<()>;

    /// Makes a file longer, by zeros that are on the disk when this returns.
    fn grow(&self, name: &'static str, from: u64, to: u64) -> io::Result<()>;

    /// Runs a chore beside its caller. `None`: it is not run at all.
    fn beside(&self, thread: &'static str, chore: Chore) -> Option<Box<dyn Running>>;
}

/// An open file.
pub trait DriveFile: Send + Sync {
    fn bytes(&self) -> io::Result<u64>;

    /// Fails if there is less to read.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Brings to the disk what was written. The system tells of a failure once.
    fn sync(&self) -> io::Result<()>;
}

/// A chore that was begun.
pub trait Running: Send {
    fn is_finished(&self) -> bool;

    fn wait(self: Box<Self>) -> io::Result<()>;
}
