//! [`Log`]: the handle to a log.

pub(crate) mod reading;
pub(crate) mod searching;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rocksdb::DB;
use tokio::sync::watch;
use uuid::Uuid;

use kinora_storage::{Storage, free_space};
use kinora_types::{Incarnation, Lineage, Micros, Position, Progress};

use crate::append::limits::Limits;
use crate::append::queue::ClientId;
use crate::append::writer::{self, Appender, Figures};
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
    lineage: Lineage,
    db: Arc<DB>,
    options: Options,
    progress: watch::Receiver<Progress>,
    trouble: watch::Receiver<Option<Arc<str>>>,
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
        let Opened { id, lineage, db, commits } = opened;
        let Options { limits, durability, keep_requests } = &options;
        let appender = Appender::open(Arc::clone(&db), commits, limits, *durability, *keep_requests)?;
        let (progress, trouble) = (appender.watch(), appender.trouble());
        Ok(Self { inner: Arc::new(Inner { id, lineage, db, options, progress, trouble, appender }) })
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

    /// Waits until all that is written now is durable; on a poisoned log it never will be.
    pub async fn settled(&self) -> Result<(), Error> {
        let written = self.inner.appender.written();
        let mut progress = self.watch();
        tokio::select! {
            biased;
            _ = progress.wait_for(|progress| *progress >= written) => Ok(()),
            cause = self.until_poisoned() => Err(Error::Poisoned(cause)),
        }
    }

    /// Why nothing is written any more, if a write has failed.
    pub fn poisoned(&self) -> Option<Arc<str>> {
        self.inner.trouble.borrow().clone()
    }

    /// Waits until a write fails: for ever, mostly.
    pub async fn until_poisoned(&self) -> Arc<str> {
        let mut trouble = self.inner.trouble.clone();
        match trouble.wait_for(Option::is_some).await.map(|cause| cause.clone()) {
            Ok(Some(cause)) => cause,
            _ => std::future::pending().await,
        }
    }

    /// Waits until it is certain that no event will ever be durable at a position: for ever, mostly.
    pub async fn never_has(&self, position: Position) -> Error {
        let cause = self.until_poisoned().await;
        if self.progress().includes(position) {
            return std::future::pending().await;
        }
        Error::Poisoned(cause)
    }

    /// How the way of appends is doing.
    pub fn figures(&self) -> Figures {
        self.inner.appender.figures()
    }

    /// How many types of events there are, each schema counted. What is durable when this is asked is counted.
    pub fn type_count(&self) -> u64 {
        self.inner.appender.types()
    }

    /// Bytes that are free on the disk of the log, beyond those that stay free; where that can be found out.
    pub fn free_bytes(&self) -> Option<u64> {
        free_space(self.inner.db.path())
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

    /// The lives that the log has had.
    pub fn lineage(&self) -> &Lineage {
        &self.inner.lineage
    }

    /// The life that it is in.
    pub fn incarnation(&self) -> Incarnation {
        self.inner.lineage.current()
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
