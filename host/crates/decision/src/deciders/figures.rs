//! Figures of a decider: what became of its commands since the host began.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::lane::{Answer, Outcome};

/// What a command may come to, in the words of metrics.
const OUTCOMES: [&str; 8] = ["accepted", "duplicate", "unchanged", "rejected", "conflict", "busy", "failed", "refused"];

/// How often each came.
#[derive(Debug, Default)]
pub struct Outcomes([AtomicU64; OUTCOMES.len()]);

/// The figures of one decider.
#[derive(Clone, Debug)]
pub struct Figures {
    pub decider: String,
    /// How many commands came to what.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Commands that wait.
    pub waiting: usize,
}

impl Outcomes {
    /// Counts commands that were sent together.
    pub fn note(&self, answers: &Result<Vec<Answer>, Error>, commands: usize) {
        match answers {
            Ok(answers) => answers.iter().for_each(|answer| self.count(of_answer(answer), 1)),
            Err(error) => self.count(of_error(error), commands as u64),
        }
    }

    fn count(&self, outcome: &str, commands: u64) {
        let known = OUTCOMES.iter().position(|known| *known == outcome);
        if let Some(count) = known.and_then(|at| self.0.get(at)) {
            count.fetch_add(commands, Ordering::Relaxed);
        }
    }

    pub fn all(&self) -> Vec<(&'static str, u64)> {
        OUTCOMES.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }
}

fn of_answer(answer: &Answer) -> &'static str {
    match &answer.outcome {
        Outcome::Accepted { duplicate: true, .. } => "duplicate",
        Outcome::Accepted { .. } => "accepted",
        Outcome::Unchanged => "unchanged",
        Outcome::Rejected(_) => "rejected",
    }
}

fn of_error(error: &Error) -> &'static str {
    match error {
        Error::RejectedTogether { .. } => "rejected",
        Error::Conflict { .. } | Error::Superseded | Error::WrongRevision { .. } => "conflict",
        Error::Busy { .. } => "busy",
        Error::Faulted(_) | Error::Lost | Error::Log(_) | Error::Append(_) | Error::Ends => "failed",
        _ => "refused",
    }
}
