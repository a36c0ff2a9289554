//! The one writer: takes requests from the queue, decides them in order and writes what was accepted. While that is
//! on its way to the disk, the next commit is decided and written; one sync is for all that is written by then. Only
//! then is it published and answered (group commit).
//!
//! There is one writer, and it is a lock: whoever has the lead (see [`leader`](crate::append::leader)) takes it, for
//! all that wait by then. So a lone append costs no change of threads. Where several wait, a thread of the log's own
//! syncs, and does the commit that has gathered meanwhile: the threads that serve clients never sleep then.
//!
//! After a failed write or a panic nobody knows what the disk holds, so the writer stops for good: the log is
//! poisoned until it is opened again, which reads what is really there.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rocksdb::{DB, WriteOptions};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{oneshot, watch};

use kinora_storage::{NoSpace, ensure_space};
use kinora_types::{Micros, Progress};

use crate::append::admission::NewTypes;
use crate::append::answers::{Group, PendingAnswer};
use crate::append::clock::{self, Clock};
use crate::append::decide::{Decision, decide};
use crate::append::kept::Kept;
use crate::append::leader::{Leader, Work};
use crate::append::limits::Limits;
use crate::append::pending::{Pending, Types, View};
use crate::append::queue::{ClientId, Job, Length, Queue, Reply};
use crate::append::recent::Recent;
use crate::append::search::Searches;
use crate::append::sync_times::{Histogram, SyncTimes};
use crate::commit::commit_log::CommitLog;
use crate::commit::commits::Commits;
use crate::commit::durability::Durability;
use crate::commit::journal;
use crate::error::{AppendError, Error};
use crate::read::lookup;
use crate::record::request::{AppendRequest, Appended};

/// Bytes of a commit for which room is kept.
const COMMIT_BYTES: usize = 1024 * 1024;

/// What the writer has to know of the log.
struct Writer {
    /// What is written. Ahead of what is published only if syncs are put off.
    written: Progress,
    clock: Clock,
    types: Types,
    recent: Recent,
    kept: RefCell<Kept>,
    /// Room for the bytes of a commit.
    commit: Vec<u8>,
}

impl Writer {
    fn read(db: &DB) -> Result<Self, Error> {
        let written = lookup::end(db)?;
        let last_time = written.last().map(|last| lookup::record(db, last, |event| event.time)).transpose()?.flatten();
        let mut writer = Self {
            written,
            clock: Clock::new(last_time.unwrap_or(Micros(0))),
            types: Types::default(),
            recent: Recent::from(written),
            kept: RefCell::default(),
            commit: Vec::new(),
        };
        for count in lookup::types(db)? {
            writer.types.insert((count.kind, count.schema), (count.count, count.first));
        }
        Ok(writer)
    }
}

/// How the way of appends is doing.
#[derive(Clone, Debug)]
pub struct Figures {
    pub syncs: Histogram,
    pub queued_requests: usize,
    pub queued_bytes: usize,
    /// How long the request has waited that waits longest.
    pub oldest_queued: Duration,
    pub journal_bytes: u64,
    /// Of the journal, what is not in tables yet, as far as anybody has looked.
    pub journal_needed_bytes: u64,
    /// How far the last event's time is ahead of the machine's clock.
    pub ahead_of_clock: Duration,
}

/// The writer and its queue, shared by all who append.
pub struct Appender {
    db: Arc<DB>,
    commits: Commits,
    without_wal: WriteOptions,
    limits: Limits,
    durability: Durability,
    /// How long answered requests are kept.
    kept: Micros,
    queue: Queue,
    leader: Leader<Group>,
    writer: Mutex<Writer>,
    /// A copy of `Writer::written` for those that do not hold the writer.
    written: AtomicU64,
    publish: watch::Sender<Progress>,
    /// Why the log is poisoned, once it is.
    trouble: watch::Sender<Option<Arc<str>>>,
    searches: Searches,
    sync_times: SyncTimes,
    /// The time of the last event, and how many types there are, for those that do not hold the writer.
    last_time: AtomicU64,
    types: AtomicU64,
    /// To the thread that syncs for many.
    syncer: mpsc::Sender<Arc<Appender>>,
}

/// To do a commit. It is done even if its task is dropped with the runtime: somebody may wait in another one.
struct Duty(Weak<Appender>);

impl Drop for Duty {
    fn drop(&mut self) {
        self.0.upgrade().iter().for_each(|appender| appender.leader.lead(appender));
    }
}

/// The thread that syncs where several wait, and goes on with what has gathered meanwhile. It ends with the writer.
fn syncer() -> Result<mpsc::Sender<Arc<Appender>>, Error> {
    let (sender, begun) = mpsc::channel::<Arc<Appender>>();
    let run = move || {
        for appender in begun {
            appender.leader.sync_for_all(&appender);
        }
    };
    let thread = std::thread::Builder::new().name("log-writer".into()).spawn(run);
    thread.map(|_| sender).map_err(|cause| Error::Thread(cause.to_string()))
}

impl Appender {
    pub fn open(
        db: Arc<DB>,
        commits: Commits,
        limits: &Limits,
        durability: Durability,
        keep_requests: Duration,
    ) -> Result<Arc<Self>, Error> {
        let writer = Writer::read(&db)?;
        let (publish, _) = watch::channel(writer.written);
        let syncer = syncer()?;
        Ok(Arc::new(Self {
            db,
            commits,
            without_wal: journal::without_wal(),
            queue: Queue::new(limits),
            leader: Leader::default(),
            limits: limits.clone(),
            durability,
            kept: Micros(u64::try_from(keep_requests.as_micros()).unwrap_or(u64::MAX)),
            written: AtomicU64::new(writer.written.0),
            trouble: watch::Sender::default(),
            searches: Searches::new(limits),
            sync_times: SyncTimes::default(),
            last_time: AtomicU64::new(writer.clock.last().0),
            types: AtomicU64::new(writer.types.len() as u64),
            writer: Mutex::new(writer),
            publish,
            syncer,
        }))
    }

    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.publish.subscribe()
    }

    /// What is durable.
    pub fn progress(&self) -> Progress {
        *self.publish.borrow()
    }

    /// What is written, and durable before long.
    pub fn written(&self) -> Progress {
        Progress(self.written.load(Ordering::Acquire))
    }

    /// Tells when the log is poisoned, and why.
    pub fn trouble(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.trouble.subscribe()
    }

    /// How many types there are, each schema counted. It is told before an event of a new one is durable.
    pub fn types(&self) -> u64 {
        self.types.load(Ordering::Acquire)
    }

    pub fn figures(&self) -> Figures {
        let Length { requests, bytes, oldest } = self.queue.length();
        let (journal_bytes, journal_needed_bytes) = self.commits.fill();
        Figures {
            syncs: self.sync_times.read(),
            queued_requests: requests,
            queued_bytes: bytes,
            oldest_queued: oldest,
            journal_bytes,
            journal_needed_bytes,
            ahead_of_clock: Duration::from_micros(clock::ahead(Micros(self.last_time.load(Ordering::Relaxed)))),
        }
    }

    pub async fn append(
        self: &Arc<Self>,
        client: ClientId,
        mut request: AppendRequest,
    ) -> Result<Appended, AppendError> {
        let mut searched = None;
        loop {
            let (answer, answered) = oneshot::channel();
            self.queue.push(client, Job::new(request, answer, searched))?;
            // Nothing is awaited before somebody leads: what is queued is committed even if nobody waits for it.
            self.leader.queued(self);
            match answered.await {
                Ok(Reply::Answered(answer)) => return answer,
                Ok(Reply::SearchFirst(again)) => request = again,
                // Every job that is taken is answered; only a writer that died drops one, and how far that came nobody
                // knows.
                Err(_) => return Err(AppendError::OutcomeUnknown),
            }
            if let Some(condition) = &request.condition {
                searched = Some(self.searches.search(&self.db, self.written(), condition, searched).await?);
            }
        }
    }

    /// Ends it: nothing is written any more, not even by closing it.
    pub fn poison(&self, cause: &str) {
        tracing::error!(cause, "the log is poisoned: a write failed; restart the host");
        self.leader.poison();
        self.trouble.send_if_modified(|trouble| {
            let is_first = trouble.is_none();
            trouble.get_or_insert_with(|| cause.into());
            is_first
        });
        self.queue.refuse();
    }

    /// Decides and writes. The answers wait for the disk, so that nobody hears of what is not durable.
    fn commit_group(&self, writer: &mut Writer, group: Vec<Job>) -> Result<(), Error> {
        let now = writer.clock.now();
        let mut pending = Pending::new(writer.written.next(), group.len());
        let mut answers: Vec<PendingAnswer> = Vec::with_capacity(group.len());
        let mut new_types = NewTypes::beside(&writer.types, self.limits.types);
        for job in group {
            let view = View {
                db: &self.db,
                recent: &writer.recent,
                rows: &writer.kept,
                pending: &pending,
                searched: job.searched,
                now,
                kept: self.kept,
            };
            let answer = match decide(&view, &job.request) {
                Ok(Decision::Accept { known, places }) => {
                    new_types.admit(&job.request, &pending).map(|()| pending.accept(job.request, known, places, now))
                }
                Ok(Decision::Duplicate(appended)) => Ok(appended),
                Ok(Decision::Reject(rejection)) => Err(AppendError::Rejected(rejection)),
                Err(Error::LongSearch) => {
                    let _ = job.answer.send(Reply::SearchFirst(job.request));
                    continue;
                }
                // The request could not be checked. Nothing of it is written, and the others go on.
                Err(error) => Err(AppendError::Failed(error)),
            };
            answers.push((job.answer, answer));
        }
        let mut failed = Ok(());
        if !pending.is_empty() {
            let written = match ensure_space(self.db.path()) {
                Ok(()) => self.write(writer, pending, now),
                Err(no_space) => Err(no_space.into()),
            };
            if let Err(error) = written {
                let refused = match error {
                    Error::NoSpace(no_space) => AppendError::NoSpace(no_space),
                    error => {
                        failed = Err(error);
                        AppendError::OutcomeUnknown
                    }
                };
                // What was decided on top of the others' events is void, too.
                answers.iter_mut().for_each(|(_, answer)| *answer = Err(refused.clone()));
            }
        }
        let group = Group { written: writer.written, answers };
        if self.durability == Durability::Sync && self.progress() < group.written {
            let answers = group.answers.len();
            self.leader.add(group, answers);
        } else {
            group.answer(true);
        }
        failed
    }

    fn write(&self, writer: &mut Writer, pending: Pending, time: Micros) -> Result<(), Error> {
        let written = Progress(pending.next().0);
        let (batch, types) = pending.write(&self.db, &writer.types)?;
        writer.commit.clear();
        writer.commit.extend_from_slice(batch.data());
        self.db
            .write_opt(batch, &self.without_wal)
            .map_err(|cause| NoSpace::of_write(&cause).map_or(Error::Storage(cause), Error::NoSpace))?;
        // Only now: what the database has refused is nowhere.
        self.commits.add(written, &writer.commit)?;
        writer.commit.shrink_to(COMMIT_BYTES);
        writer.types.extend(types);
        self.types.store(writer.types.len() as u64, Ordering::Release);
        pending.remember(&mut writer.recent);
        writer.clock.passed(time);
        self.last_time.store(time.0, Ordering::Relaxed);
        writer.written = written;
        writer.kept.get_mut().let_go(written);
        self.written.store(writer.written.0, Ordering::Release);
        Ok(())
    }

    /// Takes over events of another log, with their times: requests of which each is accepted, or none is.
    pub fn import(&self, requests: Vec<(AppendRequest, Micros)>) -> Result<Progress, Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pending = Pending::new(writer.written.next(), requests.len());
        let mut last = writer.clock.last();
        for (request, time) in requests {
            let view = View {
                db: &self.db,
                recent: &writer.recent,
                rows: &writer.kept,
                pending: &pending,
                searched: None,
                now: time,
                kept: self.kept,
            };
            let refuse = |why: String| Error::Import { position: pending.next(), why };
            if time < last {
                return Err(refuse("it is older than the event before it".to_owned()));
            }
            match decide(&view, &request)? {
                Decision::Accept { known, places } => drop(pending.accept(request, known, places, time)),
                Decision::Duplicate(appended) => {
                    return Err(refuse(format!("it is there already, at position {}", appended.first)));
                }
                Decision::Reject(rejection) => return Err(refuse(rejection.to_string())),
            }
            last = time;
        }
        ensure_space(self.db.path())
            .map_err(|full| Error::Import { position: writer.written.next(), why: full.to_string() })?;
        self.write(&mut writer, pending, last)?;
        if self.durability == Durability::Sync {
            self.sync()?;
        }
        Ok(writer.written)
    }

    /// Flushes and fsyncs all, so that the log is opened again in no time. One that is poisoned is left as it is.
    pub fn close(&self) {
        if self.leader.is_poisoned() {
            return;
        }
        if let Err(error) = self.commits.close() {
            tracing::error!(%error, "the log could not be closed; what was acknowledged is in its journal");
        }
    }

    /// Fsyncs what is written, and publishes it.
    pub fn sync(&self) -> Result<(), Error> {
        let written = self.written();
        if self.progress() < written {
            let begun = Instant::now();
            self.commits.sync()?;
            self.sync_times.add(begun.elapsed());
            self.publish.send_if_modified(|progress| {
                let further = *progress < written;
                *progress = written.max(*progress);
                further
            });
        }
        Ok(())
    }
}

impl Work for Arc<Appender> {
    type Group = Group;

    fn queued(&self) -> usize {
        self.queue.len()
    }

    fn commit(&self) {
        // A panic poisoned the log as well, and every caller is told so.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let group = self.queue.take(self.limits.commit_events.get());
        if group.is_empty() {
            return;
        }
        self.leader.commits_for(group.len());
        match catch_unwind(AssertUnwindSafe(|| self.commit_group(&mut writer, group))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.poison(&error.to_string()),
            Err(_) => self.poison("the writer panicked"),
        }
    }

    fn refuse(&self) {
        self.queue.refuse();
    }

    fn sync_and_answer(&self, groups: Vec<Group>) {
        let synced = self.sync();
        if let Err(error) = &synced {
            self.poison(&error.to_string());
        }
        groups.into_iter().for_each(|group| group.answer(synced.is_ok()));
    }

    fn hand_over(&self) -> bool {
        let Ok(runtime) = Handle::try_current() else { return false };
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return false;
        }
        let duty = Duty(Arc::downgrade(self));
        runtime.spawn(async move {
            // Those that are ready to be queued, such as those that have just heard, are in the next commit.
            tokio::task::yield_now().await;
            drop(duty);
        });
        true
    }

    /// `false`: the thread is gone.
    fn sync_elsewhere(&self) -> bool {
        self.syncer.send(Arc::clone(self)).is_ok()
    }

    fn serves_others(&self) -> bool {
        Handle::try_current().is_ok()
    }
}

/// Syncs at an interval for as long as there is somebody who could append.
pub fn sync_at_intervals(appender: &Arc<Appender>, interval: Duration) -> Result<JoinHandle<()>, Error> {
    let appender: Weak<Appender> = Arc::downgrade(appender);
    let run = move || {
        loop {
            std::thread::park_timeout(interval);
            let Some(appender) = appender.upgrade() else { return };
            if let Err(error) = appender.sync() {
                return appender.poison(&error.to_string());
            }
        }
    };
    let thread = std::thread::Builder::new().name("log-sync".into()).spawn(run);
    thread.map_err(|cause| Error::Thread(cause.to_string()))
}
