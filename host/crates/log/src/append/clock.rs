//! The clock of a log: the times that its events get. They never go back, whatever the clock of the machine does.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kinora_types::Micros;

/// How far the machine's clock may be behind the last event, or jump ahead, without a word.
const UNTOLD: Duration = Duration::from_secs(1);
const UNTOLD_JUMP: Duration = Duration::from_secs(60);

/// How often it is said.
const TOLD_EVERY: Duration = Duration::from_secs(60);

pub struct Clock {
    /// The time of the last event.
    last: Micros,
    /// When the machine's clock was looked at last, by a clock that nobody sets, and what it was.
    looked: Option<(Instant, Micros)>,
    told: Option<Instant>,
}

/// A microsecond after the last event where the machine's clock is behind: so times tell commits apart, and run ahead
/// no further than they must.
fn next(machine: Micros, last: Micros) -> Micros {
    if machine > last { machine } else { Micros(last.0.saturating_add(1)) }
}

fn machine() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Clock {
    pub fn new(last: Micros) -> Self {
        Self { last, looked: None, told: None }
    }

    /// The time of the last event.
    pub fn last(&self) -> Micros {
        self.last
    }

    /// The time of an event that is appended now.
    pub fn now(&mut self) -> Micros {
        let (machine, here) = (machine(), Instant::now());
        if let Some((before, was)) = self.looked {
            let jump = machine.0.saturating_sub(was.0).saturating_sub(micros(here - before));
            if jump > micros(UNTOLD_JUMP) {
                let seconds = jump / 1_000_000;
                tracing::warn!(seconds, "the clock jumped ahead; the times of events stay there if it goes back");
            }
        }
        self.looked = Some((here, machine));
        let behind = self.last.0.saturating_sub(machine.0);
        if behind > micros(UNTOLD) && self.told.is_none_or(|told| here - told > TOLD_EVERY) {
            self.told = Some(here);
            let seconds = behind / 1_000_000;
            tracing::error!(
                seconds,
                "the clock is behind the last event; until it comes after it, events are a microsecond apart"
            );
        }
        next(machine, self.last)
    }

    /// Events of this time are in the log.
    pub fn passed(&mut self, time: Micros) {
        self.last = time;
    }
}

/// How far a time is ahead of the machine's clock, in microseconds.
pub fn ahead(time: Micros) -> u64 {
    time.0.saturating_sub(machine().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_by_the_least_where_the_clock_is_behind() {
        assert_eq!(next(Micros(9), Micros(5)), Micros(9));
        assert_eq!(next(Micros(5), Micros(5)), Micros(6));
        assert_eq!(next(Micros(1), Micros(5)), Micros(6));
        assert_eq!(next(Micros(1), Micros(u64::MAX)), Micros(u64::MAX));
        let far = Micros(machine().0 + 3_600_000_000);
        let mut clock = Clock::new(far);
        let now = clock.now();
        clock.passed(now);
        assert_eq!((now, clock.now()), (Micros(far.0 + 1), Micros(far.0 + 2)));
        assert!(ahead(far) > 3_500_000_000);
    }
}
