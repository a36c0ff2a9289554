//! Rejections: commands to which the rules have said no, the last ones. Nothing of them is in the log, so they are kept
//! in memory for a while: for whoever wonders, and to be decided again by versions that are tried.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kinora_sandbox::Rejection;
use kinora_types::Progress;

use crate::limits::Limits;
use crate::record::command::Recorded;

/// A command that was rejected.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Counts them, from 0 on.
    pub number: u64,
    pub command: Recorded,
    pub rejection: Rejection,
    /// Events that the log had.
    pub upto: Progress,
    pub at: Timestamp,
}

/// Those of one decider.
pub struct Rejections {
    limits: Limits,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    all: VecDeque<Arc<Rejected>>,
    next: u64,
    bytes: usize,
}

impl Rejections {
    pub fn new(limits: Limits) -> Self {
        Self { limits, kept: Mutex::default() }
    }

    pub fn note(&self, command: Recorded, rejection: Rejection, upto: Progress) {
        let mut kept = self.kept();
        let rejected = Rejected { number: kept.next, command, rejection, upto, at: Timestamp::now() };
        if rejected.bytes() > self.limits.rejected_bytes {
            // All others would have to go for it.
            return;
        }
        kept.next += 1;
        kept.bytes = kept.bytes.saturating_add(rejected.bytes());
        kept.all.push_back(Arc::new(rejected));
        while kept.all.len() > self.limits.rejected_commands || kept.bytes > self.limits.rejected_bytes {
            kept.forget_oldest();
        }
    }

    /// Those from this number on, the oldest first.
    pub fn since(&self, number: u64) -> Vec<Arc<Rejected>> {
        self.kept().all.iter().filter(|rejected| rejected.number >= number).cloned().collect()
    }

    /// The number of the next one.
    pub fn next(&self) -> u64 {
        self.kept().next
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now().as_second();
        let limit = i64::try_from(self.limits.rejected_seconds).unwrap_or(i64::MAX);
        while kept.all.front().is_some_and(|oldest| now.saturating_sub(oldest.at.as_second()) >= limit) {
            kept.forget_oldest();
        }
        kept
    }
}

impl Kept {
    fn forget_oldest(&mut self) {
        let bytes = self.all.pop_front().map_or(0, |oldest| oldest.bytes());
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Rejected {
    fn bytes(&self) -> usize {
        let Rejection { code, message, details } = &self.rejection;
        let said = code.len() + message.len() + details.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.command.bytes() + said
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::record::command::CommandId;

    fn rejections(rejected_commands: usize, rejected_bytes: usize, rejected_seconds: u64) -> Rejections {
        let limits = Limits { rejected_commands, rejected_bytes, rejected_seconds, ..Limits::default() };
        let rejections = Rejections::new(limits);
        for number in 0..5 {
            let command = Recorded {
                id: CommandId::of("bank", None),
                decider: "bank".into(),
                version: 1,
                aggregate: "a".into(),
                name: "Withdraw".into(),
                data: RawValue::from_string("{}".into()).unwrap(),
                time: 0,
                events: 0,
                reads: vec![],
                together: None,
            };
            let rejection = Rejection { code: "too_much".into(), message: String::new(), details: None };
            rejections.note(command, rejection, Progress(number));
        }
        rejections
    }

    #[test]
    fn the_last_ones_are_kept_as_many_and_as_long_as_the_limits_say() {
        let numbers = |of: &Rejections, since| of.since(since).iter().map(|it| it.number).collect::<Vec<_>>();
        let all = rejections(3, usize::MAX, 60);
        assert_eq!((numbers(&all, 0), numbers(&all, 4), all.next()), (vec![2, 3, 4], vec![4], 5));
        let one = all.since(4).first().unwrap().bytes();
        assert_eq!(numbers(&rejections(9, 2 * one, 60), 0), [3, 4]);
        assert!(numbers(&rejections(9, 1, 60), 0).is_empty());
        assert!(numbers(&rejections(9, usize::MAX, 0), 0).is_empty());
    }
}
