//! Errors of the log, and what the caller can do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kinora_storage::{NoSpace, is_no_space};
use kinora_types::Position;

use crate::record::rejection::Rejection;

/// The log itself is in trouble: for the person who runs the host.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("another process has the log at {} open: stop it, or choose another data folder", .0.display())]
    Locked(PathBuf),
    #[error("the log at {} cannot be opened: {cause}; if it is damaged, restore it from a backup", dir.display())]
    Open { dir: PathBuf, cause: rocksdb::Error },
    #[error(
        "the log at {} cannot be opened: {cause}; free some space and start again: nothing acknowledged is lost",
        dir.display()
    )]
    OpenNoSpace { dir: PathBuf, cause: String },
    #[error(
        "the log at {} has format {found}, this program knows format {known}: export it with the program that wrote it \
         (kinora log export), and import that into a new folder (kinora log import)",
        dir.display()
    )]
    Format { dir: PathBuf, found: String, known: u32 },
    #[error("the log is damaged at position {position}: {what}; restore it from a backup")]
    Corrupt { position: Position, what: String },
    #[error("the log's index {family} is damaged: {what}; restore it from a backup")]
    CorruptIndex { family: &'static str, what: String },
    #[error(
        "the log's journal {} is damaged: {what}; restore the log from a backup, or see what `kinora log repair` can \
         save",
        path.display()
    )]
    JournalDamaged { path: PathBuf, what: String },
    #[error("the log's journal {} cannot be read or written: {cause}", path.display())]
    Journal { path: PathBuf, kind: io::ErrorKind, cause: String },
    #[error("the log cannot be read or written: {0}")]
    Storage(#[from] rocksdb::Error),
    /// Nothing was written. The log goes on once there is space.
    #[error(transparent)]
    NoSpace(#[from] NoSpace),
    #[error("the log's thread cannot be started: {0}")]
    Thread(String),
    #[error("event {position} cannot be taken over: {why}")]
    Import { position: Position, why: String },
    #[error("the folder {} cannot be read: {cause}", dir.display())]
    Folder { dir: PathBuf, cause: String },
    #[error("the backup: {0}")]
    Backup(String),
    /// Nothing that is not durable now will be, before the log is opened again.
    #[error("a write to the log has failed ({0}), so nothing more becomes durable until the host is restarted")]
    Poisoned(Arc<str>),
    #[error("the search takes too long")]
    LongSearch,
    #[error("the log cannot be repaired: {0}")]
    Repair(String),
}

impl Error {
    pub(crate) fn journal_io(path: &Path, cause: &io::Error) -> Self {
        Self::Journal { path: path.to_owned(), kind: cause.kind(), cause: cause.to_string() }
    }

    /// What it means that a log did not open: whatever it was going to write, it had acknowledged nothing of it yet.
    pub(crate) fn of_open(self, dir: &Path) -> Self {
        let no_space = match &self {
            Self::Open { cause, .. } | Self::Storage(cause) => is_no_space(cause),
            Self::Journal { kind, .. } => *kind == io::ErrorKind::StorageFull,
            _ => false,
        };
        if no_space { Self::OpenNoSpace { dir: dir.to_owned(), cause: self.to_string() } } else { self }
    }
}

/// An append was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    #[error("{0}")]
    Rejected(Rejection),
    #[error("the request has no events")]
    Empty,
    #[error("{actual} {what}, the limit is {limit}")]
    TooLarge { what: &'static str, actual: usize, limit: usize },
    #[error("{queued} requests are waiting already: try again")]
    Busy { queued: usize },
    #[error("{queued} requests of this client are waiting already: try again, or send more events in one request")]
    ClientBusy { queued: usize },
    #[error(
        "a write to the log has failed, so it takes no more until the host is restarted; nothing acknowledged is lost"
    )]
    Poisoned,
    /// A write failed on its way: its events are in the log once that is opened again, or not.
    #[error(
        "a write to the log failed, so nobody knows whether this append is in it: ask again with the same ids once the \
         host is restarted"
    )]
    OutcomeUnknown,
    /// Nothing was written. The log goes on once there is space.
    #[error(transparent)]
    NoSpace(NoSpace),
    /// Nothing was written.
    #[error("the append could not be decided: {0}")]
    Failed(Error),
}
