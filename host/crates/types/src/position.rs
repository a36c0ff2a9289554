//! Positions in the log and in a stream, times, and how far something has come.

use std::fmt;

use jiff::Timestamp;

/// Where an event stands in the log: global, gapless, from 0, in commit order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// Where an event stands in its stream, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Microseconds since the Unix epoch, by the clock of the host that appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// The first one that is not before a time: what lies within a microsecond has passed its beginning. `None`
    /// before 1970.
    pub fn not_before(time: Timestamp) -> Option<Self> {
        let begun = u64::from(time.subsec_nanosecond() % 1000 != 0);
        Some(Self(u64::try_from(time.as_microsecond()).ok()? + begun))
    }
}

/// How many events, from the first on, have been applied or made durable: the position of the next one.
///
/// `Progress(0)` is "nothing yet"; the last event that counts is `last()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Progress(pub u64);

impl Progress {
    /// The last position that is included, or `None` before the first event.
    pub fn last(self) -> Option<Position> {
        self.0.checked_sub(1).map(Position)
    }

    /// The position of the next event.
    pub fn next(self) -> Position {
        Position(self.0)
    }

    /// Progress that includes `position`.
    pub fn through(position: Position) -> Self {
        Self(position.0.saturating_add(1))
    }

    pub fn includes(self, position: Position) -> bool {
        position.0 < self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// From the oldest on, or from the newest back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forwards,
    Backwards,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_within_a_microsecond_is_after_what_happened_in_it() {
        let micros = |text: &str| Micros::not_before(text.parse().unwrap());
        assert_eq!(micros("1970-01-01T00:00:01.000002Z"), Some(Micros(1_000_002)));
        assert_eq!(micros("1970-01-01T00:00:01.000002001Z"), Some(Micros(1_000_003)));
        assert_eq!(micros("1969-12-31T00:00:00Z"), None);
    }

    #[test]
    fn progress_counts_events_and_positions_count_from_zero() {
        assert_eq!(Progress::default().last(), None);
        let progress = Progress::through(Position(0));
        assert_eq!((progress.last(), progress.next()), (Some(Position(0)), Position(1)));
        assert!(progress.includes(Position(0)) && !progress.includes(Position(1)));
    }
}
