//! Paces: how many events cross into a guest at once, and when what it left is committed, and how. A projector's rows
//! must depend on none of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kinora_sandbox::Usage;
use kinora_types::Progress;

use crate::record::pace::FixedPace;
use crate::replay::gauges::{Gauges, Phase};
use crate::replay::sink::Commit;
use crate::throttle::Throttle;

/// Events that cross into the guest at once.
pub const WINDOW_EVENTS: usize = 2_048;

/// The same where the guest reads many rows that it does not hold: the more it asks for at once, the less each costs.
const LARGE_WINDOW_EVENTS: usize = 32_768;

/// Windows whose events several instances gather at most, once a window is large: the same where rows are small.
const GATHERED_WINDOWS: usize = 8;

/// Bytes of rows that guests may read for what crosses at once.
const READ_BYTES: u64 = 32 << 20;

/// Windows grow where more than one event in so many has a row read, and shrink again where far fewer have.
const READS_FROM_ONE_IN: u64 = 16;

/// Events of one commit of a replay: hot rows are encoded and written once for all of them.
const REPLAY_COMMIT_EVENTS: u64 = 500_000;

/// Longest time between two commits of a replay: what a crash costs, and how old a progress bar's checkpoint is.
const REPLAY_COMMIT_TIME: Duration = Duration::from_secs(2);

/// Longest time between two commits once a version has caught up: how old an answer can be while events pour in.
const LIVE_COMMIT_TIME: Duration = Duration::from_millis(50);

/// How often the rate is measured.
const RATE_TIME: Duration = Duration::from_millis(500);

/// What has been applied since the last commit.
#[derive(Clone, Copy)]
pub struct Uncommitted {
    /// Events that guests were given.
    pub events: usize,
    /// Events of the log, those that were passed over among them.
    pub log_events: u64,
}

/// How a stepper goes. It is asked before and after each window and told what has become of it.
pub trait Pace {
    /// Events of the next window, at most.
    fn window(&self, uncommitted: Uncommitted) -> usize;

    /// Whether a commit is due. One is made in any case at the end, and before memory or space run out.
    fn is_due(&self, uncommitted: Uncommitted) -> bool;

    /// How commits are made.
    fn commit(&self) -> Commit<'_>;

    /// Whether each commit is followed by fresh instances.
    fn is_fresh(&self) -> bool {
        false
    }

    /// Windows that instances side by side gather before they apply them. May change at any time.
    fn gather(&self) -> Arc<AtomicUsize> {
        Arc::new(AtomicUsize::new(1))
    }

    /// What stretches of work wait for.
    fn throttle(&self) -> Option<&Throttle> {
        None
    }

    /// A window has been applied; `reads` says how many rows guests have read since it was asked last, and their bytes.
    fn applied(&mut self, _progress: Progress, _reads: impl FnOnce() -> (u64, u64)) {}

    /// Guests have handed over what is to be committed.
    fn flushed(&mut self, _usage: Usage) {}

    /// A commit has been made; guests have that much memory.
    fn committed(&mut self, _memory_bytes: usize) {}

    /// What was applied after the last commit is to be applied again.
    fn rewound(&mut self, _to: Progress) {}

    /// What several windows gathered has failed.
    fn be_wary(&mut self) {}
}

impl Pace for FixedPace {
    fn window(&self, uncommitted: Uncommitted) -> usize {
        self.batch.min(self.commit.saturating_sub(uncommitted.events)).max(1)
    }

    fn is_due(&self, uncommitted: Uncommitted) -> bool {
        uncommitted.events >= self.commit
    }

    fn commit(&self) -> Commit<'_> {
        Commit::UntilFlushed
    }

    fn is_fresh(&self) -> bool {
        self.fresh
    }
}

/// The pace of a version's own thread: through history as fast as it goes, and then close to the head.
pub struct OwnPace {
    gauges: Arc<Gauges>,
    /// Whether each event is committed alone.
    is_stepwise: bool,
    window_events: Arc<AtomicUsize>,
    gather: Arc<AtomicUsize>,
    /// Where the size of windows was looked at last.
    sized_at: Progress,
    /// Whether large windows have failed.
    is_wary: bool,
    last_commit: Instant,
    rate: (Instant, Progress),
    /// What a replay works under.
    pub throttle: Option<Throttle>,
}

impl OwnPace {
    pub fn new(gauges: Arc<Gauges>, from: Progress, is_stepwise: bool) -> Self {
        gauges.set_applied(from);
        let now = Instant::now();
        Self {
            gauges,
            is_stepwise,
            window_events: Arc::new(AtomicUsize::new(WINDOW_EVENTS)),
            gather: Arc::new(AtomicUsize::new(1)),
            sized_at: from,
            is_wary: false,
            last_commit: now,
            rate: (now, from),
            throttle: None,
        }
    }

    /// Events of a window, as it changes.
    pub fn window_events(&self) -> &Arc<AtomicUsize> {
        &self.window_events
    }

    /// The rate is that of what comes from here on.
    pub fn begin(&mut self) {
        self.rate = (Instant::now(), self.gauges.figures().applied);
    }

    fn is_replaying(&self) -> bool {
        self.gauges.phase() == Phase::Replaying
    }

    fn measure(&mut self, applied: Progress) {
        self.gauges.set_applied(applied);
        let (since, from) = self.rate;
        let elapsed = since.elapsed();
        if elapsed >= RATE_TIME {
            self.gauges.set_rate((applied.0 - from.0) as f64 / elapsed.as_secs_f64());
            self.rate = (Instant::now(), applied);
        }
    }

    /// Makes what crosses at once as large as it pays.
    fn size_windows(&mut self, applied: Progress, reads: impl FnOnce() -> (u64, u64)) {
        let (window, gather) = (self.window_events.load(Ordering::Relaxed), self.gather.load(Ordering::Relaxed));
        let events = applied.0.saturating_sub(self.sized_at.0);
        // Instances read rows when they have gathered enough.
        if events < (window * gather) as u64 {
            return;
        }
        self.sized_at = applied;
        let (rows, bytes) = reads();
        let at_once = bytes / events.div_ceil((window * gather) as u64).max(1);
        if rows * READS_FROM_ONE_IN > events && at_once * 2 <= READ_BYTES && !self.is_wary {
            if window < LARGE_WINDOW_EVENTS {
                self.window_events.store(window * 2, Ordering::Relaxed);
            } else {
                self.gather.store((gather * 2).min(GATHERED_WINDOWS), Ordering::Relaxed);
            }
        } else if rows * READS_FROM_ONE_IN * 4 < events || at_once > READ_BYTES {
            if gather > 1 {
                self.gather.store(gather / 2, Ordering::Relaxed);
            } else {
                self.window_events.store((window / 2).max(WINDOW_EVENTS), Ordering::Relaxed);
            }
        }
    }
}

impl Pace for OwnPace {
    fn window(&self, _: Uncommitted) -> usize {
        self.window_events.load(Ordering::Relaxed)
    }

    fn is_due(&self, uncommitted: Uncommitted) -> bool {
        let time = if self.is_replaying() { REPLAY_COMMIT_TIME } else { LIVE_COMMIT_TIME };
        self.last_commit.elapsed() >= time || uncommitted.log_events >= REPLAY_COMMIT_EVENTS
    }

    fn commit(&self) -> Commit<'_> {
        match self.is_replaying() {
            true if self.is_stepwise => Commit::UntilFlushed,
            true => Commit::Beside { throttle: self.throttle.as_ref() },
            false => Commit::Logged,
        }
    }

    fn gather(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.gather)
    }

    fn throttle(&self) -> Option<&Throttle> {
        self.throttle.as_ref()
    }

    fn applied(&mut self, progress: Progress, reads: impl FnOnce() -> (u64, u64)) {
        self.measure(progress);
        self.size_windows(progress, reads);
    }

    fn flushed(&mut self, usage: Usage) {
        self.gauges.note_usage(usage);
    }

    fn committed(&mut self, memory_bytes: usize) {
        self.last_commit = Instant::now();
        self.gauges.set_memory(memory_bytes as u64);
    }

    fn rewound(&mut self, to: Progress) {
        self.rate = (Instant::now(), to);
        self.gauges.set_applied(to);
    }

    /// From now on, what crosses at once is small.
    fn be_wary(&mut self) {
        tracing::debug!("what several windows gathered has failed: from here on they are small");
        self.is_wary = true;
        self.gather.store(1, Ordering::Relaxed);
        self.window_events.store(WINDOW_EVENTS, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_a_replay_and_not_of_what_came_before_it() {
        let gauges = Arc::<Gauges>::default();
        let mut pace = OwnPace::new(Arc::clone(&gauges), Progress(0), false);
        let long_ago = |pace: &mut OwnPace, time| {
            if let Some(before) = pace.rate.0.checked_sub(time) {
                pace.rate.0 = before;
            }
        };
        // As if it had been validated for so long.
        long_ago(&mut pace, Duration::from_secs(100));
        pace.begin();
        long_ago(&mut pace, Duration::from_secs(1));
        pace.applied(Progress(1_000), || (0, 0));
        let rate = gauges.figures().rate;
        assert!((500.0..=1_000.0).contains(&rate), "{rate} events a second");
    }
}
