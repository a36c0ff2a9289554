//! Comparing two versions at one position: both threads hold between two commits, the one behind goes exactly to where
//! the other is, both give a snapshot, and go on while the snapshots are compared.

use std::time::Duration;

use crate::event::Progress;
use crate::readmodel::{Diff, Snapshot, diff};

use super::error::Error;
use super::rollout::Projections;
use super::version::Held;

/// How long a version may take to hold, and to go to the other's position.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far apart two versions may be: beyond it, the one ahead would hold too long.
const MAX_DISTANCE: u64 = 200_000;

/// What differs between two versions, both as they were after the same event.
#[derive(Debug)]
pub struct Comparison {
    pub from: u32,
    pub to: u32,
    pub progress: Progress,
    pub diff: Diff,
}

impl Projections {
    /// Compares two versions, with some of the differing rows as examples.
    pub async fn compare(&self, name: &str, from: u32, to: u32, samples: usize) -> Result<Comparison, Error> {
        let (left, right) = (self.version(name, Some(from))?, self.version(name, Some(to))?);
        for version in [&left, &right] {
            if !version.is_open() {
                return Err(Error::NotComparable(format!("version {} has no rows", version.number)));
            }
        }
        let distance = left.checkpoint().0.abs_diff(right.checkpoint().0);
        if distance > MAX_DISTANCE {
            return Err(Error::NotComparable(format!(
                "version {from} has applied {} events, version {to} {}; wait until both have caught up",
                left.checkpoint().0,
                right.checkpoint().0
            )));
        }
        let (left, right) = if from == to {
            let version = snapshot(&left)?;
            (version, snapshot(&right)?)
        } else {
            let (held_left, held_right) = (Side::hold(&left).await?, Side::hold(&right).await?);
            let target = held_left.at().max(held_right.at());
            let left = held_left.go_to(target);
            let right = held_right.go_to(target);
            tokio::try_join!(left, right)?
        };
        if left.checkpoint() != right.checkpoint() {
            return Err(Error::NotComparable(format!(
                "version {from} stands at {} events and version {to} at {}, and one of them does not move; resume it",
                left.checkpoint().0,
                right.checkpoint().0
            )));
        }
        let progress = left.checkpoint();
        let compared = tokio::task::spawn_blocking(move || diff(&left, &right, samples)).await;
        let diff = compared.map_err(|cause| Error::Thread(cause.to_string()))??;
        Ok(Comparison { from, to, progress, diff })
    }
}

fn snapshot(version: &super::Version) -> Result<Snapshot, Error> {
    version.snapshot()?.ok_or_else(|| Error::NotComparable(format!("version {} has no rows", version.number)))
}

enum Side {
    /// Its thread holds at this progress.
    Holding { number: u32, at: Progress, held: Held },
    /// It has no thread: paused, or stopped at a fault.
    Still(Box<Snapshot>),
}

impl Side {
    async fn hold(version: &super::Version) -> Result<Self, Error> {
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
