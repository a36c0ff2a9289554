//! Incarnations: lives of a log. A log that is restored from a backup, or that a repair cut off, goes on as another
//! one, so that what was handed out before is never taken for what it says now.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::position::{Position, Progress};

/// Hexadecimal digits of a mark.
const MARK_DIGITS: usize = 8;

/// One life of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(pub Uuid);

/// The beginning of an incarnation's id: enough to tell those of one log apart, short enough for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark(u32);

/// The lives of a log, oldest first, each with the position from which on its events are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    first: Incarnation,
    later: Vec<(Incarnation, Progress)>,
}

impl Incarnation {
    pub fn mark(self) -> Mark {
        let [first, second, third, fourth, ..] = *self.0.as_bytes();
        Mark(u32::from_be_bytes([first, second, third, fourth]))
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0MARK_DIGITS$x}", self.0)
    }
}

/// Not a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMark;

impl FromStr for Mark {
    type Err = InvalidMark;

    fn from_str(text: &str) -> Result<Self, InvalidMark> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != MARK_DIGITS || !text.bytes().all(is_digit) {
            return Err(InvalidMark);
        }
        u32::from_str_radix(text, 16).map(Self).map_err(|_| InvalidMark)
    }
}

impl Lineage {
    /// Of a log in its first life.
    pub fn new(first: Incarnation) -> Self {
        Self { first, later: Vec::new() }
    }

    /// The same after another life has begun behind the events that are kept.
    #[must_use]
    pub fn parted(mut self, next: Incarnation, kept: Progress) -> Self {
        self.later.push((next, kept));
        self
    }

    pub fn first(&self) -> Incarnation {
        self.first
    }

    pub fn current(&self) -> Incarnation {
        self.later.last().map_or(self.first, |(incarnation, _)| *incarnation)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Incarnation, Progress)> {
        std::iter::once((self.first, Progress(0))).chain(self.later.iter().copied())
    }

    /// How many events the log still has of what it had in that life; `None`: it never had that life.
    pub fn shares(&self, other: Incarnation) -> Option<Progress> {
        self.shared(|known| known == other)
    }

    /// The same for what only a mark is known of.
    pub fn shares_marked(&self, other: Mark) -> Option<Progress> {
        self.shared(|known| known.mark() == other)
    }

    /// Whether an event that stood at a position in that life is still there. Without a mark, it was the first one.
    pub fn has(&self, position: Position, mark: Option<Mark>) -> bool {
        let mark = mark.unwrap_or_else(|| self.first.mark());
        self.shares_marked(mark).is_some_and(|shared| shared.includes(position))
    }

    /// A life ends where the next one begins; and whatever comes later may have kept less than that.
    fn shared(&self, is: impl Fn(Incarnation) -> bool) -> Option<Progress> {
        let all: Vec<_> = self.iter().collect();
        let at = all.iter().rposition(|(known, _)| is(*known))?;
        let kept = all.iter().skip(at + 1).map(|(_, kept)| *kept).min();
        Some(kept.unwrap_or(Progress(u64::MAX)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn incarnation(number: u128) -> Incarnation {
        Incarnation(Uuid::from_u128(number << 96))
    }

    #[test]
    fn what_a_life_has_in_common_with_the_last_one_is_what_none_of_those_between_gave_up() {
        let lineage = Lineage::new(incarnation(1))
            .parted(incarnation(2), Progress(100))
            .parted(incarnation(3), Progress(40))
            .parted(incarnation(4), Progress(70));
        let shared: Vec<_> = (1..6).map(|number| lineage.shares(incarnation(number)).map(|shared| shared.0)).collect();
        assert_eq!(shared, [Some(40), Some(40), Some(70), Some(u64::MAX), None]);
        assert_eq!(lineage.current(), incarnation(4));
        assert!(lineage.has(Position(69), Some(incarnation(3).mark())));
        assert!(!lineage.has(Position(70), Some(incarnation(3).mark())));
        assert!(lineage.has(Position(39), None) && !lineage.has(Position(40), None));
        assert!(!lineage.has(Position(0), Some(incarnation(9).mark())));
    }

    #[test]
    fn a_mark_is_eight_digits_and_nothing_else() {
        let mark = incarnation(0xabc).mark();
        assert_eq!(mark.to_string(), "00000abc");
        assert_eq!("00000abc".parse(), Ok(mark));
        for text in ["", "abc", "00000ABC", "+0000abc", "00000abc0"] {
            assert_eq!(text.parse::<Mark>(), Err(InvalidMark), "{text}");
        }
    }
}
