//! Queries: each is answered by one version, from one snapshot.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use kinora_readmodel::Snapshot;
use kinora_sandbox::QueryFailure;
use kinora_types::Position;

use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::limits::QueryLimits;
use crate::record::fault::Fault;
use crate::record::settings::OnFault;
use crate::record::state::State;
use crate::record::status::last;
use crate::registry::Registry;
use crate::registry::version::Version;
use crate::replay::rows::SnapshotRows;
use crate::throttle::Throttle;

/// A line in which expensive queries wait: `n` run at once, `m` wait, and others are refused.
struct Line {
    /// The name and the value of the limit that those who find no place are told.
    limit: (&'static str, usize),
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// A turn, until it is dropped: when the work is done, not when the client goes away.
pub struct QueryTurn {
    _admitted: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

impl Line {
    fn new(at_once: NonZeroUsize, waiting: usize, limit: &'static str) -> Self {
        Self {
            limit: (limit, waiting),
            admitted: Arc::new(Semaphore::new(at_once.get().saturating_add(waiting))),
            running: Arc::new(Semaphore::new(at_once.get())),
        }
    }

    async fn turn(&self) -> Result<QueryTurn, Error> {
        let (limit, waiting) = self.limit;
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| Error::TooManyQueries { limit, waiting })?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|cause| Error::Thread(cause.to_string()))?;
        Ok(QueryTurn { _admitted: admitted, _running: running })
    }
}

/// One version as it was at one moment: everything that one answer is made of.
pub struct Answer {
    pub version: Arc<Version>,
    pub snapshot: Arc<Snapshot>,
    /// The version stands still, and old rows were welcome.
    pub still: Option<Still>,
}

/// Why a version stands still: its rows no longer follow the log.
#[derive(Clone, Debug)]
pub enum Still {
    Faulted(Fault),
    Paused,
}

/// Answers queries, the expensive ones in lines.
pub struct Queries {
    registry: Arc<Registry>,
    statuses: Statuses,
    throttle: Throttle,
    named: Line,
    scans: Line,
}

impl Queries {
    /// Replays give way to queries by `throttle`.
    pub fn new(registry: Arc<Registry>, statuses: Statuses, throttle: Throttle, limits: QueryLimits) -> Self {
        let QueryLimits { named_at_once, named_waiting, scans_at_once, scans_waiting } = limits;
        Self {
            registry,
            statuses,
            throttle,
            named: Line::new(named_at_once, named_waiting, "queries.named_waiting"),
            scans: Line::new(scans_at_once, scans_waiting, "queries.scans_waiting"),
        }
    }

    /// The version that answers a query, and its rows. With `at_least`, waits until they stand for that position.
    ///
    /// A version that stands still answers only where its projection allows that.
    pub async fn answer(
        &self,
        name: &str,
        number: Option<u32>,
        at_least: Option<(Position, Duration)>,
    ) -> Result<Answer, Error> {
        self.answer_or(name, number, at_least, false).await
    }

    /// The same for whoever welcomes the old rows of a version that stands still.
    pub async fn answer_even_stale(
        &self,
        name: &str,
        number: Option<u32>,
        at_least: Option<(Position, Duration)>,
    ) -> Result<Answer, Error> {
        self.answer_or(name, number, at_least, true).await
    }

    async fn answer_or(
        &self,
        name: &str,
        number: Option<u32>,
        at_least: Option<(Position, Duration)>,
        stale_is_welcome: bool,
    ) -> Result<Answer, Error> {
        self.throttle.serve();
        let (version, mut still) = self.look(name, number, stale_is_welcome)?;
        if let Some((position, timeout)) = at_least {
            version.reached(position, timeout).await?;
            // It may have stopped while the query waited.
            still = self.look(name, Some(version.number), stale_is_welcome)?.1;
        }
        let gone = || {
            let (name, version) = (name.to_owned(), version.number);
            let state = self.statuses.version(&name, version).map_or(State::Retired, |status| status.state);
            Error::WrongState { name, version, state, wanted: "queried" }
        };
        let snapshot = version.latest()?.ok_or_else(gone)?;
        Ok(Answer { version, snapshot, still })
    }

    /// The version that answers, and why it stands still if it does: refused, unless old rows are welcome.
    fn look(&self, name: &str, number: Option<u32>, welcome: bool) -> Result<(Arc<Version>, Option<Still>), Error> {
        let serving = self.registry.serving(name, number)?;
        let welcome = welcome || serving.on_fault == OnFault::Stale;
        let (version, name) = (serving.version, name.to_owned());
        let (number, position) = (version.number, last(version.checkpoint()));
        match version.fault() {
            Some(fault) if welcome => Ok((version, Some(Still::Faulted(fault)))),
            Some(fault) => Err(Error::Stopped { name, version: number, position, fault: Box::new(fault) }),
            None if !serving.paused => Ok((version, None)),
            None if welcome => Ok((version, Some(Still::Paused))),
            None => Err(Error::Paused { name, version: number, position }),
        }
    }

    /// A turn for a query that goes through more rows than a page has.
    pub async fn scan_turn(&self) -> Result<QueryTurn, Error> {
        self.scans.turn().await
    }

    /// Lets the projector answer one of its named queries: JSON text.
    pub async fn named(&self, answer: &Answer, query: &str, arguments: String) -> Result<String, Error> {
        let module = answer.version.projector();
        let (name, version) = (answer.version.projection.clone(), answer.version.number);
        let Some(module) = module else {
            return Err(Error::WrongState { name, version, state: State::Retired, wanted: "queried" });
        };
        let manifest = &module.manifest;
        if !manifest.queries.iter().any(|declared| declared.name == query) {
            let known = manifest.queries.iter().map(|declared| declared.name.clone()).collect();
            return Err(Error::UnknownQuery { name, query: query.to_owned(), known });
        }
        let schemas = answer.version.schemas();
        schemas.check_arguments(query, &arguments).map_err(Error::InvalidArguments)?;
        let turn = self.named.turn().await?;
        let (rows, query) = (SnapshotRows(Arc::clone(&answer.snapshot)), query.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut projector = module.pre.instantiate(Box::new(rows)).map_err(Error::QueryStopped)?;
            let answer = projector.query(&query, &arguments).map_err(|failure| match failure {
                QueryFailure::InvalidArguments(why) => Error::InvalidArguments(why),
                QueryFailure::Failed(why) => Error::QueryFailed(why),
                QueryFailure::TooLarge { actual, limit } => Error::QueryFailed(format!(
                    "its answer has {actual} bytes, the limit sandbox.query_answer_bytes is {limit}"
                )),
                QueryFailure::Guest(failure) => Error::QueryStopped(failure),
            })?;
            let unfit = |why| Error::QueryFailed(format!("its answer is not what it declares: {why}"));
            schemas.check_answer(&query, &answer).map_err(unfit)?;
            Ok(answer)
        });
        asked.await.map_err(|cause| Error::Thread(cause.to_string()))?
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_run_so_many_wait_and_others_are_told_which_limit() {
        let line = Arc::new(Line::new(NonZeroUsize::MIN, 1, "queries.scans_waiting"));
        let running = line.turn().await.unwrap();
        let waiting = tokio::spawn({
            let line = Arc::clone(&line);
            async move { line.turn().await.map(drop) }
        });
        tokio::task::yield_now().await;
        let refused = line.turn().await.err().unwrap().to_string();
        assert_eq!(refused, "too many queries are running already, and queries.scans_waiting = 1 wait");
        assert!(!waiting.is_finished());
        drop(running);
        waiting.await.unwrap().unwrap();
        line.turn().await.unwrap();
    }
}
