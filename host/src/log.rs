//! The log: an append-only sequence of events in a RocksDB of its own, the only truth of a host.
//!
//! One writer owns every append ([`writer`]); what it decides is a pure function ([`decide`]). Reads go straight to
//! the database, and never beyond what is durable. This module knows nothing of projections.

mod claims;
mod decide;
mod error;
mod keys;
mod limits;
mod postings;
mod reader;
mod record;
mod selection;
mod verify;
mod writer;

pub use claims::{Claim, ClaimKey, Claims, Held};
pub use decide::{AppendRequest, Appended, ClaimFailed, Condition, IdReused, Rejection, StreamAppend, WrongRevision};
pub use error::{AppendError, Error};
pub use limits::Limits;
pub use reader::{Filter, Selected, Stats, TypeCount};
pub use record::{RecordRef, Recorded};
pub use selection::{Item, Selection};
pub use verify::{Fault, Report};

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use rocksdb::{ColumnFamilyDescriptor, DB, ErrorKind};
use tokio::sync::{mpsc, oneshot, watch};

use crate::event::Progress;
use crate::storage::Storage;

/// The layout of this database. Another one is refused, never guessed at.
const FORMAT: u32 = 2;

/// A handle to the log. Cheap to clone; the last one to go stops the writer and closes the database.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    db: Arc<DB>,
    limits: Limits,
    progress: watch::Receiver<Progress>,
    /// `None` only while the log closes.
    queue: Option<mpsc::Sender<writer::Job>>,
    writer: Option<JoinHandle<()>>,
}

impl Log {
    /// Opens the log in `dir`, or makes a new one there.
    pub fn open(storage: &Storage, dir: &Path, limits: Limits) -> Result<Self, Error> {
        let families = keys::FAMILIES.map(|name| ColumnFamilyDescriptor::new(name, storage.family_options()));
        let mut options = storage.database_options(dir);
        // A torn tail of the write-ahead log is what a crash leaves: nothing of it was acknowledged. Damage in the
        // middle is refused.
        options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
        reader::refuse_other_families(&options, dir)?;
        let db = DB::open_cf_descriptors(&options, dir, families).map_err(|cause| match cause.kind() {
            ErrorKind::IOError if cause.to_string().contains("lock") => Error::Locked(dir.to_owned()),
            _ => Error::Open { dir: dir.to_owned(), cause },
        })?;
        let db = Arc::new(db);
        reader::check_format(&db, dir)?;
        let state = writer::Recovered::read(&db)?;
        let (publish, progress) = watch::channel(state.progress);
        let (queue, jobs) = mpsc::channel(limits.queued_requests);
        let thread = writer::spawn(Arc::clone(&db), state, limits.clone(), jobs, publish)?;
        Ok(Self { inner: Arc::new(Inner { db, limits, progress, queue: Some(queue), writer: Some(thread) }) })
    }

    /// Appends the events of a request, all or none, and answers once they are durable.
    pub async fn append(&self, request: AppendRequest) -> Result<Appended, AppendError> {
        self.inner.limits.check(&request)?;
        let (answer, answered) = oneshot::channel();
        let queue = self.inner.queue.as_ref().ok_or(AppendError::Poisoned)?;
        queue.try_send(writer::Job { request, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::Busy { queued: self.inner.limits.queued_requests },
            mpsc::error::TrySendError::Closed(_) => AppendError::Poisoned,
        })?;
        // The writer answers every job that it takes; only a writer that died drops one.
        answered.await.unwrap_or(Err(AppendError::Poisoned))
    }

    /// What is durable.
    pub fn progress(&self) -> Progress {
        *self.inner.progress.borrow()
    }

    /// Tells whenever more has become durable.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.inner.progress.clone()
    }

    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
