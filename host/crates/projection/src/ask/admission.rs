//! Admission: what reads run at once, how many wait, and what each may use. One for all reads of a host.
//!
//! A read that may go far takes a turn in a line, which it holds while it works and not while it waits for its client.
//! What it may use is its budget, a part of what there is for all reads. Those that go on until their client leaves
//! (subscriptions, streams) or for long (comparisons, verifications) are a part of their own: they never take more
//! than half of the memory, and end first when the host does.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kinora_types::{Allowance, Budget, Exhausted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::limits::QueryLimits;

/// Which line a read waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Queries that a projector answers.
    Named,
    /// Reads that go through more rows than a page has.
    Scans,
    /// Reads that go through all rows of a version, or all events: differences, digests, dry runs.
    Comparisons,
    /// Pieces of streams. There are as many of them as there are streams, so nobody is refused.
    Streams,
}

/// `n` run at once, `m` wait, and others are refused.
struct Places {
    /// The name and the value of the limit that those who find no place are told.
    limit: (&'static str, usize),
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
    refused: AtomicU64,
}

/// A turn, until it is dropped: when the work is done, not when the client goes away.
pub struct QueryTurn {
    _admitted: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

/// The place of one that follows, until it is dropped.
pub struct FollowerPlace {
    _permit: OwnedSemaphorePermit,
}

impl Places {
    fn new(at_once: NonZeroUsize, waiting: usize, limit: &'static str) -> Self {
        let all = at_once.get().saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self {
            limit: (limit, waiting),
            admitted: Arc::new(Semaphore::new(all)),
            running: Arc::new(Semaphore::new(at_once.get())),
            refused: AtomicU64::new(0),
        }
    }

    async fn turn(&self, budget: &Budget) -> Result<QueryTurn, Error> {
        let (limit, waiting) = self.limit;
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Error::TooManyQueries { limit, waiting }
        })?;
        let running = Arc::clone(&self.running).acquire_owned();
        let running = match budget.time_left() {
            None => running.await,
            Some(left) => match tokio::time::timeout(left, running).await {
                Ok(running) => running,
                Err(_) => {
                    budget.check()?;
                    return Err(Error::TooManyQueries { limit, waiting });
                }
            },
        };
        let running = running.map_err(|cause| Error::Thread(cause.to_string()))?;
        budget.check()?;
        Ok(QueryTurn { _admitted: admitted, _running: running })
    }

    fn busy(&self) -> Busy {
        Busy {
            limit: self.limit.0,
            refused: self.refused.load(Ordering::Relaxed),
            free: self.running.available_permits() as u64,
        }
    }
}

/// How busy a line is.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    /// The name of the limit that those are told who find no place.
    pub limit: &'static str,
    /// How many were refused since the host was started.
    pub refused: u64,
    /// How many could run besides those that do.
    pub free: u64,
}

/// Lines and budgets.
pub struct Admission {
    limits: QueryLimits,
    named: Places,
    scans: Places,
    comparisons: Places,
    streams: Places,
    followers: Arc<Semaphore>,
    refused_followers: AtomicU64,
    /// What all reads may use.
    all: Budget,
    /// Of that, those that go on for long.
    long: Budget,
    ending: CancellationToken,
    cancelled: AtomicU64,
    out_of_time: AtomicU64,
    out_of_bytes: AtomicU64,
}

impl Admission {
    pub fn new(limits: QueryLimits) -> Self {
        let of_all = |bytes| Allowance { time: None, bytes, names: ["", "queries.bytes_at_once"] };
        let all = Budget::of(of_all(limits.bytes_at_once));
        let long = all.part(of_all(limits.bytes_at_once / 2));
        let QueryLimits { named_at_once, named_waiting, scans_at_once, scans_waiting, .. } = limits;
        Self {
            limits,
            named: Places::new(named_at_once, named_waiting, "queries.named_waiting"),
            scans: Places::new(scans_at_once, scans_waiting, "queries.scans_waiting"),
            comparisons: Places::new(
                limits.comparisons_at_once,
                limits.comparisons_waiting,
                "queries.comparisons_waiting",
            ),
            streams: Places::new(limits.streams_at_once, Semaphore::MAX_PERMITS, "queries.followers"),
            followers: Arc::new(Semaphore::new(limits.followers.min(Semaphore::MAX_PERMITS))),
            refused_followers: AtomicU64::new(0),
            all,
            long,
            ending: CancellationToken::new(),
            cancelled: AtomicU64::new(0),
            out_of_time: AtomicU64::new(0),
            out_of_bytes: AtomicU64::new(0),
        }
    }

    pub fn limits(&self) -> &QueryLimits {
        &self.limits
    }

    /// A turn in a line, for as long as the budget lets one wait.
    pub async fn turn(&self, line: Line, budget: &Budget) -> Result<QueryTurn, Error> {
        let places = match line {
            Line::Named => &self.named,
            Line::Scans => &self.scans,
            Line::Comparisons => &self.comparisons,
            Line::Streams => &self.streams,
        };
        places.turn(budget).await
    }

    /// A place for one that follows: until its client leaves it is told what is new.
    pub fn follower(&self) -> Result<FollowerPlace, Error> {
        let permit = Arc::clone(&self.followers).try_acquire_owned();
        let permit = permit.map_err(|_| {
            self.refused_followers.fetch_add(1, Ordering::Relaxed);
            Error::TooManyFollowers { limit: self.limits.followers }
        })?;
        Ok(FollowerPlace { _permit: permit })
    }

    /// How busy the lines are in which somebody may be refused.
    pub fn busy(&self) -> [Busy; 4] {
        let (limit, refused) = ("queries.followers", self.refused_followers.load(Ordering::Relaxed));
        let followers = Busy { limit, refused, free: self.followers.available_permits() as u64 };
        [self.named.busy(), self.scans.busy(), self.comparisons.busy(), followers]
    }

    /// What one query may use.
    pub fn query(&self) -> Budget {
        let (time, bytes) = (Some(Duration::from_secs(self.limits.seconds)), self.limits.bytes);
        self.all.part(Allowance { time, bytes, names: ["queries.seconds", "queries.bytes"] })
    }

    /// What of this budget one round of work may use, as if it were a query.
    pub fn round(&self, budget: &Budget) -> Budget {
        let (time, bytes) = (Some(Duration::from_secs(self.limits.seconds)), self.limits.bytes);
        budget.part(Allowance { time, bytes, names: ["queries.seconds", "queries.bytes"] })
    }

    /// What a read may use that goes through everything.
    pub fn long(&self) -> Budget {
        let (time, bytes) = (Some(Duration::from_secs(self.limits.long_seconds)), self.limits.bytes);
        self.long.part(Allowance { time, bytes, names: ["queries.long_seconds", "queries.bytes"] })
    }

    /// What one that follows may use, for as long as it does.
    pub fn following(&self) -> Budget {
        self.long.part(Allowance { time: None, bytes: self.limits.bytes, names: ["", "queries.bytes"] })
    }

    /// Ends what goes on for long: the host is told to stop.
    pub fn end(&self) {
        self.long.cancel();
        self.ending.cancel();
    }

    /// Ends everything that is left.
    pub fn end_all(&self) {
        self.end();
        self.all.cancel();
    }

    /// Notes that a read ended because its budget was used up.
    pub fn note_end(&self, why: Exhausted) {
        let count = match why {
            Exhausted::Cancelled => &self.cancelled,
            Exhausted::Time(_) => &self.out_of_time,
            Exhausted::Bytes(_) => &self.out_of_bytes,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads that ended because nobody waited for them any more, because their time was up, and because they needed
    /// more memory than there is for them.
    pub fn ends(&self) -> [(&'static str, u64); 3] {
        [("cancelled", &self.cancelled), ("time", &self.out_of_time), ("bytes", &self.out_of_bytes)]
            .map(|(why, count)| (why, count.load(Ordering::Relaxed)))
    }

    /// Resolves once the host is told to stop.
    pub async fn ended(&self) {
        self.ending.cancelled().await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_run_so_many_wait_and_others_are_told_which_limit() {
        let places = Arc::new(Places::new(NonZeroUsize::MIN, 1, "queries.scans_waiting"));
        let budget = Budget::unlimited();
        let running = places.turn(&budget).await.unwrap();
        let waiting = tokio::spawn({
            let (places, budget) = (Arc::clone(&places), budget.clone());
            async move { places.turn(&budget).await.map(drop) }
        });
        tokio::task::yield_now().await;
        let refused = places.turn(&budget).await.err().unwrap().to_string();
        assert_eq!(refused, "too many queries are running already, and queries.scans_waiting = 1 wait");
        assert_eq!((places.busy().refused, places.busy().free), (1, 0));
        assert!(!waiting.is_finished());
        drop(running);
        waiting.await.unwrap().unwrap();
        places.turn(&budget).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_their_budget() {
        let places = Places::new(NonZeroUsize::MIN, 1, "queries.scans_waiting");
        let _running = places.turn(&Budget::unlimited()).await.unwrap();
        let refused = places.turn(&Budget::new(Duration::ZERO, 0)).await.err().unwrap();
        assert!(matches!(refused, Error::Exhausted(_) | Error::TooManyQueries { .. }), "{refused}");
        assert_eq!(places.admitted.available_permits(), 1, "whoever gave up has no place");
    }

    #[test]
    fn so_many_follow_and_when_the_host_ends_they_end_first() {
        let limits = QueryLimits { followers: 1, ..QueryLimits::default() };
        let admission = Admission::new(limits);
        let place = admission.follower().unwrap();
        assert!(matches!(admission.follower(), Err(Error::TooManyFollowers { limit: 1 })));
        drop(place);
        admission.follower().unwrap();
        let (query, long, following) = (admission.query(), admission.long(), admission.following());
        admission.end();
        assert!(query.check().is_ok() && long.check().is_err() && following.check().is_err());
        admission.end_all();
        assert!(query.check().is_err());
    }
}
