//! Work of a request: what it may use, and where it runs. It ends when whoever waits for it leaves.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::Uri;
use axum::http::request::Parts;
use kinora_api::Kind;
use kinora_projection::{Admission, FollowerPlace, Line, Projections, QueryTurn};
use kinora_types::{Budget, CancelOnDrop};

use crate::edge::problem::Problem;

/// Bytes of an address in the host's output.
const ASKED_BYTES: usize = 1_000;

/// The work of a request, within a budget: that of the request, or else one as the limits have it for a query. As long
/// as somebody has it, somebody waits.
pub struct Work(pub Budget, Context);

/// The same for what goes through all rows or all events.
pub struct LongWork(pub Work);

/// What work begins with that mostly is not needed.
pub struct RareWork {
    admission: Arc<Admission>,
    budget: Option<Budget>,
    asked: Uri,
}

struct Context {
    admission: Arc<Admission>,
    asked: Uri,
    _waiting: CancelOnDrop,
    _place: Option<FollowerPlace>,
}

impl<S> FromRequestParts<S> for Work
where
    S: Send + Sync,
    Arc<Projections>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts, state))
    }
}

impl<S> FromRequestParts<S> for LongWork
where
    S: Send + Sync,
    Arc<Projections>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(RareWork::of(parts, state).within(Admission::long)))
    }
}

impl<S> FromRequestParts<S> for RareWork
where
    S: Send + Sync,
    Arc<Projections>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts, state))
    }
}

impl RareWork {
    pub fn of<S>(parts: &Parts, state: &S) -> Self
    where
        Arc<Projections>: FromRef<S>,
    {
        let admission = Arc::clone(Arc::<Projections>::from_ref(state).admission());
        Self { admission, budget: parts.extensions.get::<Budget>().cloned(), asked: parts.uri.clone() }
    }

    pub fn begin(self) -> Work {
        self.within(Admission::query)
    }

    fn within(self, otherwise: impl FnOnce(&Admission) -> Budget) -> Work {
        let Self { admission, budget, asked } = self;
        let budget = budget.unwrap_or_else(|| otherwise(&admission));
        Work::new(admission, asked, budget, None)
    }
}

impl Work {
    pub fn of<S>(parts: &Parts, state: &S) -> Self
    where
        Arc<Projections>: FromRef<S>,
    {
        RareWork::of(parts, state).begin()
    }

    fn new(admission: Arc<Admission>, asked: Uri, budget: Budget, place: Option<FollowerPlace>) -> Self {
        let waiting = budget.cancelled_on_drop();
        Self(budget, Context { admission, asked, _waiting: waiting, _place: place })
    }

    pub fn admission(&self) -> &Admission {
        &self.1.admission
    }

    /// Work that goes on until its client leaves, if there is a place for one more.
    pub fn following(&self) -> Result<Self, Problem> {
        let place = self.1.admission.follower()?;
        let budget = self.1.admission.following();
        Ok(Self::new(Arc::clone(&self.1.admission), self.1.asked.clone(), budget, Some(place)))
    }

    /// What of it is done at once.
    pub fn round(&self) -> Self {
        let budget = self.1.admission.round(&self.0);
        Self::new(Arc::clone(&self.1.admission), self.1.asked.clone(), budget, None)
    }

    /// Runs what may wait for a disk or a thread where that holds up nobody.
    pub async fn run<T: Send + 'static, E: Into<Problem> + Send + 'static>(
        &self,
        work: impl FnOnce(&Budget) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem> {
        self.run_with(None, work).await
    }

    /// The same in turn with others.
    pub async fn run_in<T: Send + 'static, E: Into<Problem> + Send + 'static>(
        &self,
        line: Line,
        work: impl FnOnce(&Budget) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.1.admission.turn(line, &self.0).await;
        let turn = turn.map_err(|error| self.ended(Problem::from(error)))?;
        self.run_with(Some(turn), work).await
    }

    async fn run_with<T: Send + 'static, E: Into<Problem> + Send + 'static>(
        &self,
        turn: Option<QueryTurn>,
        work: impl FnOnce(&Budget) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem> {
        let (budget, admission, asked) = (self.0.clone(), Arc::clone(&self.1.admission), self.1.asked.clone());
        // What is counted is counted here, since nobody may be left who waits for the answer.
        let running = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let begun = Instant::now();
            let done = budget.check().map_err(Problem::from).and_then(|()| work(&budget).map_err(Into::into));
            tell_if_slow(&admission, &asked, begun.elapsed(), &budget);
            done.map_err(|problem| ended(&admission, &budget, problem))
        });
        match running.await {
            Ok(done) => done,
            Err(cause) => Err(Problem::new(Kind::Internal, format!("the work did not end: {cause}"))),
        }
    }

    /// Says by which limit work ended that was not run by this, if it did.
    pub fn ended(&self, problem: Problem) -> Problem {
        ended(&self.1.admission, &self.0, problem)
    }

    /// Names work that was slow, and not run by this.
    pub fn took(&self, time: Duration) {
        tell_if_slow(&self.1.admission, &self.1.asked, time, &self.0);
    }

    /// Resolves once the host is told to stop.
    pub async fn host_ends(&self) {
        self.1.admission.ended().await;
    }
}

/// Counts work that ended because its budget was used up, and says by which limit.
fn ended(admission: &Admission, budget: &Budget, problem: Problem) -> Problem {
    let Some(why) = problem.exhausted() else { return problem };
    admission.note_end(why);
    match budget.limit(why) {
        Some(name) => problem.with_limit(name),
        None => problem,
    }
}

fn tell_if_slow(admission: &Admission, asked: &Uri, time: Duration, budget: &Budget) {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    if milliseconds < admission.limits().slow_milliseconds {
        return;
    }
    let asked = asked.to_string();
    let asked = asked.get(..asked.floor_char_boundary(ASKED_BYTES)).unwrap_or_default();
    tracing::warn!(target: "slow", asked, milliseconds, looked_at = budget.looked_at(), "a read was slow");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::num::NonZeroUsize;

    use kinora_projection::QueryLimits;
    use kinora_types::Exhausted;
    use tokio::sync::oneshot;

    use super::*;

    fn work(limits: QueryLimits) -> (Arc<Admission>, Work) {
        let admission = Arc::new(Admission::new(limits));
        let budget = admission.query();
        (Arc::clone(&admission), Work::new(admission, Uri::from_static("/v1/log"), budget, None))
    }

    /// Works until it is told to stop.
    fn endless(begun: oneshot::Sender<()>) -> impl FnOnce(&Budget) -> Result<(), Exhausted> {
        move |budget| {
            let _ = begun.send(());
            loop {
                budget.look(1)?;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[tokio::test]
    async fn work_ends_when_whoever_waits_for_it_leaves() {
        let (admission, work) = work(QueryLimits { scans_at_once: NonZeroUsize::MIN, ..QueryLimits::default() });
        let (begun, has_begun) = oneshot::channel();
        let waiting = tokio::spawn(async move { work.run_in(Line::Scans, endless(begun)).await.is_ok() });
        has_begun.await.unwrap();
        let free = || admission.busy().iter().find(|busy| busy.limit == "queries.scans_waiting").unwrap().free;
        assert_eq!(free(), 0);
        waiting.abort();
        while free() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(admission.ends().first(), Some(&("cancelled", 1)));
    }

    #[tokio::test]
    async fn work_that_goes_on_for_long_ends_with_the_host() {
        let (admission, work) = work(QueryLimits::default());
        let following = work.following().unwrap();
        let (begun, has_begun) = oneshot::channel();
        let waiting = tokio::spawn(async move { following.run(endless(begun)).await.unwrap_err().exhausted() });
        has_begun.await.unwrap();
        admission.end();
        assert_eq!(waiting.await.unwrap(), Some(Exhausted::Cancelled));
        assert!(work.0.check().is_ok(), "a query may still be answered");
    }

    #[tokio::test]
    async fn work_that_takes_too_long_says_by_which_limit() {
        let (admission, work) = work(QueryLimits { seconds: 0, ..QueryLimits::default() });
        let (begun, _) = oneshot::channel();
        let problem = work.run(endless(begun)).await.unwrap_err().into_text();
        assert!(problem.contains("timed-out") && problem.contains("queries.seconds"), "{problem}");
        assert_eq!(admission.ends().get(1), Some(&("time", 1)));
    }
}
