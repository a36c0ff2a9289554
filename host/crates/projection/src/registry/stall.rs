//! A stall: a version that has events to apply makes no progress, whatever the reason: an event that takes for ever, a
//! disk that hangs, a fault that nobody has looked at.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kinora_types::Progress;

/// What was seen of one version.
#[derive(Default)]
pub struct Stall(Mutex<Option<Seen>>);

#[derive(Clone, Copy)]
struct Seen {
    committed: Progress,
    /// Since when there has been something to do, and no progress.
    since: Instant,
    /// Whether that has been long enough to be told.
    told: bool,
}

/// What a look has shown.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    AsBefore,
    Stalled,
    GoesOn,
}

impl Stall {
    /// Looks at a version that has `committed` of `head`.
    pub fn look(&self, committed: Progress, head: Progress, now: Instant, patience: Duration) -> Look {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = seen.is_some_and(|seen| seen.told);
        let same = seen.filter(|seen| seen.committed == committed && committed < head);
        let Some(mut still) = same else {
            *seen = (committed < head).then_some(Seen { committed, since: now, told: false });
            return if told { Look::GoesOn } else { Look::AsBefore };
        };
        if told || now.duration_since(still.since) < patience {
            return Look::AsBefore;
        }
        still.told = true;
        *seen = Some(still);
        Look::Stalled
    }

    /// How long there has been no progress, if that is too long.
    pub fn stalled_for(&self) -> Option<Duration> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|seen| seen.told).map(|seen| seen.since.elapsed())
    }

    /// Begins anew: nobody expects progress of this version.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lag_without_progress_for_long_enough_is_a_stall_and_it_ends_with_progress() {
        let (stall, start, patience) = (Stall::default(), Instant::now(), Duration::from_secs(30));
        let look = |committed, head, seconds| {
            stall.look(Progress(committed), Progress(head), start + Duration::from_secs(seconds), patience)
        };
        // Nothing to do, for as long as you like.
        assert_eq!((look(5, 5, 0), look(5, 5, 1_000)), (Look::AsBefore, Look::AsBefore));
        // The clock starts with the lag, not with the last progress.
        assert_eq!((look(5, 9, 1_001), look(5, 10, 1_030)), (Look::AsBefore, Look::AsBefore));
        assert_eq!((look(6, 10, 1_031), look(6, 10, 1_060)), (Look::AsBefore, Look::AsBefore));
        assert_eq!((stall.stalled_for(), look(6, 11, 1_061)), (None, Look::Stalled));
        assert_eq!((look(6, 11, 1_062), stall.stalled_for().is_some()), (Look::AsBefore, true));
        assert_eq!((look(7, 11, 1_063), stall.stalled_for()), (Look::GoesOn, None));
        assert_eq!((look(7, 11, 1_094), look(11, 11, 1_095)), (Look::Stalled, Look::GoesOn));
    }
}
