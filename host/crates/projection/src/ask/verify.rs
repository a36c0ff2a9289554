//! Verification: a version's rows are checked against history when somebody asks. A digest of them, and a replay of all
//! of its events that has to give the same rows.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use kinora_log::Log;
use kinora_readmodel::{Snapshot, first_difference};
use kinora_sandbox::Failure;
use kinora_types::{Budget, Digest, Exhausted, Position, Progress};

use crate::ask::admission::{Admission, Line};
use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::record::pace::FixedPace;
use crate::registry::Registry;
use crate::registry::version::Held;
use crate::trial::cast::Cast;
use crate::trial::casts::Casts;
use crate::trial::events::Events;
use crate::trial::proof::{Divergence, difference};
use crate::trial::rehearsal::{Interrupted, Rehearsal};

/// Unlike what a runner does: other batches, and many restarts.
fn verifying(events: u64) -> FixedPace {
    let commit = usize::try_from(events / 64).unwrap_or(usize::MAX).clamp(1, 20_000);
    FixedPace { batch: 331, commit, fresh: true, shares: 1 }
}

/// Much as a runner does it: the second opinion, when the first one differs from a version's rows.
const AS_RUN: FixedPace = FixedPace { batch: 2_048, commit: 200_000, fresh: false, shares: 1 };

/// A digest of all rows of a version, as they were after an event.
#[derive(Clone, Debug)]
pub struct RowsDigest {
    pub projection: String,
    pub version: u32,
    /// What the version is made of: module, upcasters, skipped events, contract and engine settings. Versions with the
    /// same identity have the same rows at the same position, on any host.
    pub identity: Digest,
    /// The last event that these rows stand for.
    pub position: Option<u64>,
    pub rows_digest: Digest,
}

/// What a replay of all events of a version has shown.
#[derive(Clone, Debug)]
pub struct Verified {
    pub rows: RowsDigest,
    /// Whether the replay gave the same rows.
    pub agrees: bool,
    /// Events that were replayed.
    pub events: u64,
    /// Where the replay differs, if it does.
    pub difference: Option<Divergence>,
    pub took_ms: u64,
}

/// How far a verification is: events that have been replayed.
#[derive(Clone, Default)]
pub struct Replayed(Arc<AtomicU64>);

impl Replayed {
    pub fn events(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Checks the rows of versions against history.
pub struct Verification {
    registry: Arc<Registry>,
    statuses: Statuses,
    log: Log,
    casts: Casts,
    admission: Arc<Admission>,
    /// It costs a core: one at a time.
    turn: Arc<Semaphore>,
}

impl Verification {
    pub fn new(registry: Arc<Registry>, statuses: Statuses, log: Log, casts: Casts, admission: Arc<Admission>) -> Self {
        Self { registry, statuses, log, casts, admission, turn: Arc::new(Semaphore::new(1)) }
    }

    /// A digest of a version's rows: as they are, or exactly after an event, which the version then waits at for a
    /// moment.
    pub async fn rows_digest(
        &self,
        name: &str,
        number: u32,
        at: Option<Position>,
        budget: &Budget,
    ) -> Result<RowsDigest, Error> {
        let snapshot = match at {
            None => self.rows_of(name, number)?,
            Some(position) => self.rows_at(name, number, position).await?,
        };
        self.digest_of(name, number, Arc::new(snapshot), budget).await
    }

    fn rows_of(&self, name: &str, number: u32) -> Result<Snapshot, Error> {
        let version = self.registry.version(name, Some(number))?;
        let snapshot = version.snapshot()?;
        snapshot.ok_or_else(|| Error::NotComparable(format!("version {number} has no rows")))
    }

    async fn rows_at(&self, name: &str, number: u32, position: Position) -> Result<Snapshot, Error> {
        let wanted = Progress::through(position);
        let current = self.rows_of(name, number)?;
        if current.checkpoint() == wanted {
            return Ok(current);
        }
        let beyond = |reached: Progress| Error::BeyondPosition { wanted: position, reached };
        let behind = |reached: Progress| Error::NotThereYet {
            wanted: position.0,
            reached: reached.last().map(|position| position.0),
        };
        if current.checkpoint() > wanted {
            return Err(beyond(current.checkpoint()));
        }
        let reached = current.checkpoint();
        drop(current);
        let held = self.registry.version(name, Some(number))?.hold();
        let Some(Held { at, until, snapshot }) = held.filter(|_| self.log.progress() >= wanted) else {
            return Err(behind(reached));
        };
        let at = patiently(at).await.ok_or_else(|| behind(reached))?;
        if at > wanted {
            return Err(beyond(at));
        }
        // A version that stops meanwhile says why in its status.
        let _ = until.send(wanted);
        patiently(snapshot).await.ok_or_else(|| behind(at))
    }

    async fn digest_of(
        &self,
        name: &str,
        number: u32,
        snapshot: Arc<Snapshot>,
        budget: &Budget,
    ) -> Result<RowsDigest, Error> {
        let identity = self.statuses.version(name, number)?.identity;
        let position = snapshot.checkpoint().last().map(|position| position.0);
        let (turn, budget) = (self.admission.turn(Line::Comparisons, budget).await?, budget.clone());
        let digest = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            snapshot.digest(&budget)
        });
        let digest = digest.await;
        let rows_digest = Digest::from(digest.map_err(|cause| Error::Thread(cause.to_string()))??);
        Ok(RowsDigest { projection: name.to_owned(), version: number, identity, position, rows_digest })
    }

    /// Replays all that a version has applied, and compares the rows, as far as the budget lets it.
    pub async fn verify(
        &self,
        name: &str,
        number: u32,
        replayed: Replayed,
        budget: &Budget,
    ) -> Result<Verified, Error> {
        let turn = Arc::clone(&self.turn).try_acquire_owned();
        let turn = turn.map_err(|_| Error::AlreadyVerifying)?;
        let started = Instant::now();
        let snapshot = Arc::new(self.rows_of(name, number)?);
        let cast = self.casts.of(name, number, budget)?;
        let rows = self.digest_of(name, number, Arc::clone(&snapshot), budget).await?;
        let events = snapshot.checkpoint().0.saturating_sub(cast.from.0);
        let within = budget.clone();
        let comparing = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut watch = |progress: Progress| {
                replayed.0.store(progress.0, Ordering::Relaxed);
                if within.check().is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            compare(&cast, &snapshot, &within, &mut watch)
        });
        let difference = match comparing.await.map_err(|cause| Error::Thread(cause.to_string()))? {
            Ok(difference) => difference,
            Err(interrupted) => {
                // What is not through because the budget is used up has not failed.
                budget.check()?;
                return Err(match interrupted {
                    Interrupted::Failed(failure) => Error::NotVerified(failure),
                    Interrupted::Cancelled => Exhausted::Cancelled.into(),
                });
            }
        };
        if difference.is_some() {
            tracing::error!(projection = name, version = number, ?difference, "the rows are not those of a replay");
        }
        Ok(Verified {
            rows,
            agrees: difference.is_none(),
            events,
            difference,
            took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// How long a version may take to hold, and to get to a position.
const PATIENCE: Duration = Duration::from_secs(10);

async fn patiently<T>(answer: oneshot::Receiver<T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()
}

fn compare(
    cast: &Cast,
    rows: &Snapshot,
    budget: &Budget,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Option<Divergence>, Interrupted> {
    let events = Events::All { from: cast.from, upto: rows.checkpoint() };
    let verifying = verifying(events.count());
    let mut replay = Rehearsal::new(cast, verifying)?;
    replay.run(&events, events.end(), watch)?;
    let storage = |cause| Interrupted::Failed(Failure::storage(cause));
    let found = first_difference(rows, &replay.snapshot()?, budget).map_err(storage)?;
    let Some(row) = found else { return Ok(None) };
    let mut second = Rehearsal::new(cast, AS_RUN)?;
    second.run(&events, events.end(), watch)?;
    let agree = first_difference(&second.snapshot()?, &replay.snapshot()?, budget).map_err(storage)?.is_none();
    drop((replay, second));
    if !agree {
        return difference(cast, &events, [AS_RUN, verifying], watch).map(Some);
    }
    // Two replays agree, so no event is to blame: the rows have been damaged, or were made by something else.
    Ok(Some(Divergence {
        position: None,
        event_type: None,
        schema: None,
        row: Some(row),
        ways: ["as the version has it".into(), verifying.to_string()],
        fault: None,
    }))
}
