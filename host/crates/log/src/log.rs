//! [`Log`]: the handle to a log.

pub(crate) mod reading;
pub(crate) mod searching;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rocksdb::DB;
use tokio::sync::watch;
use uuid::Uuid;

use kinora_storage::Storage;
use kinora_types::{Micros, Progress};

use crate::append::limits::Limits;
use crate::append::queue::ClientId;
use crate::append::writer::{self, Appender};
use crate::commit::durability::Durability;
use crate::commit::opening::{self, Opened};
use crate::commit::site::Site;
use crate::error::{AppendError, Error};
use crate::record::request::{AppendRequest, Appended};

/// How a log is run.
#[derive(Clone, Debug)]
pub struct Options {
    pub limits: Limits,
    pub durability: Durability,
    /// How long a request is known by its idempotency key.
    pub keep_requests: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let keep_requests = Duration::from_secs(24 * 60 * 60);
        Self { limits: Limits::default(), durability: Durability::Sync, keep_requests }
    }
}

impl From<Limits> for Options {
    fn from(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }
}

/// A handle to the log. Cheap to clone; the last one to go closes the database.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    id: Uuid,
    db: Arc<DB>,
    options: Options,
    progress: watch::Receiver<Progress>,
    appender: Arc<Appender>,
}

impl Log {
    /// Opens the log in `dir`, or makes a new one there.
    pub fn open(storage: &Storage, dir: &Path, options: impl Into<Options>) -> Result<Self, Error> {
        let (site, options) = (Site::folder(dir)?, options.into());
        let log = Self::of(opening::open(storage, &site, options.durability, options.keep_requests)?, options)?;
        log.sync_at_intervals()
    }

    /// Makes a new log that is in memory only: for tests, and for what may be forgotten. It is as another log while
    /// it is there, and gone with its last handle, whatever its durability; it cannot be backed up, and takes memory
    /// for all its events.
    pub fn in_memory(storage: &Storage, options: impl Into<Options>) -> Result<Self, Error> {
        let options = options.into();
        Self::of(opening::open_in_memory(storage, options.keep_requests)?, options)?.sync_at_intervals()
    }

    /// What was opened, as a log. Nobody syncs it unless a caller waits for that.
    pub(crate) fn of(opened: Opened, options: Options) -> Result<Self, Error> {
        let Opened { id, db, commits } = opened;
        let Options { limits, durability, keep_requests } = &options;
        let appender = Appender::open(Arc::clone(&db), commits, limits, *durability, *keep_requests)?;
        Ok(Self { inner: Arc::new(Inner { id, db, options, progress: appender.watch(), appender }) })
    }

    fn sync_at_intervals(self) -> Result<Self, Error> {
        if let Durability::Interval(milliseconds) = self.durability() {
            writer::sync_at_intervals(&self.inner.appender, Duration::from_millis(milliseconds.max(1)))?;
        }
        Ok(self)
    }

    /// Appends the events of a request, all or none, and answers once they are as durable as the log's options say.
    pub async fn append(&self, request: AppendRequest) -> Result<Appended, AppendError> {
        self.append_for(ClientId::HOST, request).await
    }

    /// Appends for a client, who takes turns with the others.
    pub async fn append_for(&self, client: ClientId, request: AppendRequest) -> Result<Appended, AppendError> {
        self.inner.options.limits.check(&request)?;
        self.inner.appender.append(client, request).await
    }

    /// Takes over events of another log, with their times, all or none: those that follow what is here.
    pub fn import(&self, requests: Vec<(AppendRequest, Micros)>) -> Result<Progress, Error> {
        self.inner.appender.import(requests)
    }

    /// What is durable.
    pub fn progress(&self) -> Progress {
        *self.inner.progress.borrow()
    }

    /// Tells whenever more has become durable.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.inner.progress.clone()
    }

    /// Waits until all that is written now is durable.
    pub async fn settled(&self) {
        let written = self.inner.appender.written();
        let mut progress = self.watch();
        let _ = progress.wait_for(|progress| *progress >= written).await;
    }

    /// The way of its appends.
    pub(crate) fn appender(&self) -> &Appender {
        &self.inner.appender
    }

    /// The tables, for those that look into them as a whole.
    pub(crate) fn db(&self) -> &DB {
        &self.inner.db
    }

    pub fn limits(&self) -> &Limits {
        &self.inner.options.limits
    }

    pub fn durability(&self) -> Durability {
        self.inner.options.durability
    }

    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// What tells this log from all others. Copies and backups have the same.
    pub fn id(&self) -> Uuid {
        self.inner.id
    }
}

impl Drop for Inner {
    /// Closes the log in this thread, so that it can be opened again right away.
    fn drop(&mut self) {
        // Another thread may still be on its way out of a commit that it has answered.
        while Arc::strong_count(&self.appender) > 1 {
            std::thread::yield_now();
        }
        self.appender.close();
    }
}
