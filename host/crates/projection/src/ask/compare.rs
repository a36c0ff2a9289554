//! Comparisons of two versions at one position.
//!
//! Versions that are near each other both hold between two commits, the one behind goes exactly to where the other is,
//! both give a snapshot, and go on while the snapshots are compared. Of versions that are far apart the one ahead gives
//! its snapshot at once and goes on; the one behind gives its own when it comes by that position.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use uuid::Uuid;

use kinora_readmodel::{Diff, Snapshot, diff};
use kinora_types::{Budget, Progress};

use crate::ask::admission::Admission;
use crate::error::Error;
use crate::registry::Registry;
use crate::registry::version::{Held, Version};

/// How long a version may take to hold, and to go to the other's position when it is near.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at whether a version goes on.
const PAUSE: Duration = Duration::from_millis(5);

/// How far apart two versions may be for both to hold: beyond it, the one ahead would hold too long.
const NEAR_EVENTS: u64 = 200_000;

/// How long a comparison waits for a version that is far behind, unless the client says otherwise.
pub const FAR_PATIENCE: Duration = Duration::from_secs(30);

/// How long the snapshots of a comparison are kept for its next page. They keep old rows on disk.
const KEPT_FOR: Duration = Duration::from_secs(120);

/// Comparisons that are kept at once; beyond it the one that was used longest ago goes.
const KEPT: usize = 4;

/// Two versions, both as they were after the same event.
pub struct Compared {
    /// Names it for as long as it is kept.
    pub id: Uuid,
    pub projection: String,
    pub from: u32,
    pub to: u32,
    pub progress: Progress,
    pub left: Arc<Snapshot>,
    pub right: Arc<Snapshot>,
}

/// What differs between two versions, both as they were after the same event.
#[derive(Debug)]
pub struct Comparison {
    pub id: Uuid,
    pub from: u32,
    pub to: u32,
    pub progress: Progress,
    pub diff: Diff,
}

/// The comparisons whose next page somebody may ask for.
#[derive(Default)]
struct KeptComparisons(Mutex<Vec<(Instant, Arc<Compared>)>>);

impl KeptComparisons {
    fn keep(&self, compared: &Arc<Compared>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((Instant::now(), Arc::clone(compared)));
    }

    fn find(&self, id: Uuid) -> Option<Arc<Compared>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = kept.iter().position(|(_, compared)| compared.id == id)?;
        let (_, compared) = kept.remove(index);
        kept.push((Instant::now(), Arc::clone(&compared)));
        Some(compared)
    }

    /// Lets go of what nobody has used for long. `true` if nothing is left.
    fn expire(&self) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(used, _)| used.elapsed() < KEPT_FOR);
        kept.is_empty()
    }

    fn forget(&self, projection: &str, number: u32) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, of)| of.projection != projection || (of.from != number && of.to != number));
    }
}

/// Compares versions, and keeps some comparisons for their next page.
pub struct Comparisons {
    registry: Arc<Registry>,
    admission: Arc<Admission>,
    kept: Arc<KeptComparisons>,
    /// Those of gates, one at a time: they do not wait for those of clients.
    of_gates: Semaphore,
}

impl Comparisons {
    pub fn new(registry: Arc<Registry>, admission: Arc<Admission>) -> Self {
        Self { registry, admission, kept: Arc::default(), of_gates: Semaphore::new(1) }
    }

    /// Lets go of what keeps the rows of a version on disk.
    pub fn forget(&self, projection: &str, number: u32) {
        self.kept.forget(projection, number);
    }

    /// Compares two versions for a gate. It ends when nobody waits for it any more.
    pub async fn compare(&self, name: &str, from: u32, to: u32) -> Result<Comparison, Error> {
        let turn = self.of_gates.acquire().await.map_err(|cause| Error::Thread(cause.to_string()))?;
        let budget = self.admission.long();
        let _waiting = budget.cancelled_on_drop();
        let compared = self.pair(name, from, to, FAR_PATIENCE).await?;
        let comparing = tokio::task::spawn_blocking(move || compared.compare(0, &budget)).await;
        drop(turn);
        comparing.map_err(|cause| Error::Thread(cause.to_string()))?
    }

    /// A comparison that is still kept, or a new one, which then is kept so that its rows can be gone through page by
    /// page.
    pub async fn compared(
        &self,
        name: &str,
        from: u32,
        to: u32,
        id: Option<Uuid>,
        patience: Duration,
    ) -> Result<Arc<Compared>, Error> {
        let kept = id.and_then(|id| self.kept.find(id));
        if let Some(kept) = kept.filter(|kept| (kept.projection.as_str(), kept.from, kept.to) == (name, from, to)) {
            return Ok(kept);
        }
        Ok(self.keep(self.pair(name, from, to, patience).await?))
    }

    fn keep(&self, compared: Compared) -> Arc<Compared> {
        let compared = Arc::new(compared);
        self.kept.keep(&compared);
        let kept = Arc::downgrade(&self.kept);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(KEPT_FOR / 2).await;
                if kept.upgrade().is_none_or(|kept| kept.expire()) {
                    return;
                }
            }
        });
        compared
    }

    /// One that was told to go on does so a moment later.
    async fn until_it_moves(&self, version: &Version) {
        let goes_on = || {
            let record = self.registry.record(&version.projection, version.number);
            record.is_ok_and(|record| !record.paused && record.fault.is_none())
        };
        let moves = async {
            while !version.is_running() && goes_on() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        // If it does not, the comparison says so.
        let _ = tokio::time::timeout(PATIENCE, moves).await;
    }

    async fn pair(&self, name: &str, from: u32, to: u32, patience: Duration) -> Result<Compared, Error> {
        let (left, right) = (self.registry.version(name, Some(from))?, self.registry.version(name, Some(to))?);
        for version in [&left, &right] {
            if !version.is_open() {
                return Err(Error::NotComparable(format!("version {} has no rows", version.number)));
            }
            self.until_it_moves(version).await;
        }
        let (left, right) = if from == to {
            let version = snapshot(&left)?;
            (version, snapshot(&right)?)
        } else if left.checkpoint().0.abs_diff(right.checkpoint().0) <= NEAR_EVENTS {
            let (held_left, held_right) = (Side::hold(&left).await?, Side::hold(&right).await?);
            let target = held_left.at().max(held_right.at());
            tokio::try_join!(held_left.go_to(target), held_right.go_to(target))?
        } else if left.checkpoint() < right.checkpoint() {
            let right = snapshot(&right)?;
            (snapshot_at(&left, right.checkpoint(), patience).await?, right)
        } else {
            let left = snapshot(&left)?;
            let target = left.checkpoint();
            (left, snapshot_at(&right, target, patience).await?)
        };
        if left.checkpoint() != right.checkpoint() {
            return Err(Error::NotComparable(format!(
                "version {from} stands at {} events and version {to} at {}, and one of them does not move; resume it",
                left.checkpoint().0,
                right.checkpoint().0
            )));
        }
        Ok(Compared {
            id: Uuid::new_v4(),
            projection: name.to_owned(),
            from,
            to,
            progress: left.checkpoint(),
            left: Arc::new(left),
            right: Arc::new(right),
        })
    }
}

impl Compared {
    /// What differs, with some of the differing rows as examples. Blocks.
    pub fn compare(&self, samples: usize, budget: &Budget) -> Result<Comparison, Error> {
        let Self { id, from, to, progress, .. } = *self;
        let diff = diff(&self.left, &self.right, samples, budget)?;
        Ok(Comparison { id, from, to, progress, diff })
    }
}

fn snapshot(version: &Version) -> Result<Snapshot, Error> {
    version.snapshot()?.ok_or_else(|| Error::NotComparable(format!("version {} has no rows", version.number)))
}

/// The rows of a version that is far behind, as they are when it comes to a position.
async fn snapshot_at(version: &Version, target: Progress, patience: Duration) -> Result<Snapshot, Error> {
    let number = version.number;
    // It has no thread, so it never gets there: the caller says so.
    let Some(taken) = version.snapshot_at(target) else { return snapshot(version) };
    match tokio::time::timeout(patience, taken).await {
        Ok(Ok(snapshot)) => Ok(snapshot),
        Ok(Err(_)) => Err(Error::NotComparable(format!("version {number} did not get there; look at its status"))),
        Err(_) => Err(Error::NotComparable(format!(
            "version {number} has applied {} events and is on its way to {}; ask again, or with a longer timeout",
            version.checkpoint().0,
            target.0
        ))),
    }
}

enum Side {
    /// Its thread holds at this progress.
    Holding { number: u32, at: Progress, held: Held },
    /// It has no thread: paused, or stopped at a fault.
    Still(Box<Snapshot>),
}

impl Side {
    async fn hold(version: &Version) -> Result<Self, Error> {
        let number = version.number;
        let Some(mut held) = version.hold() else { return snapshot(version).map(Box::new).map(Self::Still) };
        match tokio::time::timeout(PATIENCE, &mut held.at).await {
            Ok(Ok(at)) => Ok(Self::Holding { number, at, held }),
            // It stopped meanwhile.
            Ok(Err(_)) => snapshot(version).map(Box::new).map(Self::Still),
            Err(_) => Err(Error::NotComparable(format!("version {number} is too busy to hold"))),
        }
    }

    fn at(&self) -> Progress {
        match self {
            Self::Holding { at, .. } => *at,
            Self::Still(snapshot) => snapshot.checkpoint(),
        }
    }

    async fn go_to(self, target: Progress) -> Result<Snapshot, Error> {
        match self {
            Self::Still(snapshot) => Ok(*snapshot),
            Self::Holding { number, held, .. } => {
                let stopped =
                    || Error::NotComparable(format!("version {number} did not get there; look at its status"));
                held.until.send(target).map_err(|_| stopped())?;
                let taken = tokio::time::timeout(PATIENCE, held.snapshot).await;
                taken.ok().and_then(Result::ok).ok_or_else(stopped)
            }
        }
    }
}
