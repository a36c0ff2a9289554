//! The clock of a replay: how long it has taken, over all of its runs. It is written with each checkpoint, so that it
//! goes on from there whatever becomes of the process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Runs while somebody replays.
pub struct ReplayClock(Mutex<Reading>);

#[derive(Clone, Copy)]
struct Reading {
    /// What earlier runs took.
    before: Duration,
    /// When this run began.
    since: Option<Instant>,
}

impl ReplayClock {
    pub fn new(before: Duration) -> Self {
        Self(Mutex::new(Reading { before, since: None }))
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn start(&self) {
        self.reading().since.get_or_insert_with(Instant::now);
    }

    pub fn stop(&self) {
        let mut reading = self.reading();
        if let Some(since) = reading.since.take() {
            reading.before += since.elapsed();
        }
    }

    /// What all runs took so far.
    pub fn elapsed(&self) -> Duration {
        let Reading { before, since } = *self.reading();
        before + since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// As it is written.
    pub fn bytes(&self) -> [u8; 8] {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_while_it_runs_and_goes_on_from_what_was_before() {
        let clock = ReplayClock::new(Duration::from_secs(5));
        assert_eq!(clock.elapsed(), Duration::from_secs(5));
        clock.start();
        while clock.elapsed() == Duration::from_secs(5) {}
        clock.start();
        clock.stop();
        let stopped = clock.elapsed();
        assert!(stopped > Duration::from_secs(5));
        assert_eq!((clock.elapsed(), u64::from_be_bytes(clock.bytes())), (stopped, stopped.as_micros() as u64));
    }
}
