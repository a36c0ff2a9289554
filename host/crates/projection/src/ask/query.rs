//! Queries: each is answered by one version, from one snapshot.

use std::sync::Arc;
use std::time::Duration;

use kinora_readmodel::Snapshot;
use kinora_sandbox::QueryFailure;
use kinora_types::{Budget, Incarnation, Position};

use crate::ask::admission::{Admission, Line};
use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::record::fault::Fault;
use crate::record::settings::OnFault;
use crate::record::state::State;
use crate::record::status::last;
use crate::registry::Registry;
use crate::registry::version::Version;
use crate::replay::rows::SnapshotRows;
use crate::throttle::Throttle;

/// One version as it was at one moment: everything that one answer is made of.
pub struct Answer {
    pub version: Arc<Version>,
    pub snapshot: Arc<Snapshot>,
    /// The version stands still, and old rows were welcome.
    pub still: Option<Still>,
    /// The life of the log that it is of.
    pub incarnation: Incarnation,
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
    admission: Arc<Admission>,
}

impl Queries {
    /// Replays give way to queries by `throttle`.
    pub fn new(registry: Arc<Registry>, statuses: Statuses, throttle: Throttle, admission: Arc<Admission>) -> Self {
        Self { registry, statuses, throttle, admission }
    }

    /// What one query may use.
    pub fn budget(&self) -> Budget {
        self.admission.query()
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
            tokio::select! {
                biased;
                reached = version.reached(position, timeout) => reached?,
                poisoned = self.registry.log().never_has(position) => return Err(poisoned.into()),
            }
            // It may have stopped while the query waited.
            still = self.look(name, Some(version.number), stale_is_welcome)?.1;
        }
        let gone = || {
            let (name, version) = (name.to_owned(), version.number);
            let state = self.statuses.version(&name, version).map_or(State::Retired, |status| status.state);
            Error::WrongState { name, version, state, wanted: "queried" }
        };
        let snapshot = version.latest()?.ok_or_else(gone)?;
        Ok(Answer { version, snapshot, still, incarnation: self.registry.log().incarnation() })
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

    /// Lets the projector answer one of its named queries: JSON text.
    pub async fn named(
        &self,
        answer: &Answer,
        query: &str,
        arguments: String,
        budget: &Budget,
    ) -> Result<String, Error> {
        let module = answer.version.projector();
        let (name, version) = (answer.version.projection.clone(), answer.version.number);
        let Some(module) = module else {
            return Err(Error::WrongState { name, version, state: State::Retired, wanted: "queried" });
        };
        if answer.version.is_held() {
            return Err(Error::WrongState {
                name,
                version,
                state: State::Paused,
                wanted: "asked for more than its rows",
            });
        }
        let manifest = &module.manifest;
        if !manifest.queries.iter().any(|declared| declared.name == query) {
            let known = manifest.queries.iter().map(|declared| declared.name.clone()).collect();
            return Err(Error::UnknownQuery { name, query: query.to_owned(), known });
        }
        let schemas = answer.version.schemas();
        schemas.check_arguments(query, &arguments).map_err(Error::InvalidArguments)?;
        let turn = self.admission.turn(Line::Named, budget).await?;
        let (rows, query) = (SnapshotRows(Arc::clone(&answer.snapshot)), query.to_owned());
        let budget = budget.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            budget.check()?;
            let mut projector = module.pre.instantiate(Box::new(rows), &budget).map_err(Error::QueryStopped)?;
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
