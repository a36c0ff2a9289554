//! A report: what came of folding all of history, and of deciding recorded commands again.

use serde::{Deserialize, Serialize};

use crate::record::command::CommandId;

/// Differences that are told.
pub const SAMPLES: usize = 10;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Of its scopes, up to where the log went.
    pub events: u64,
    /// Of a decider on tags at most a million.
    pub aggregates: u64,
    /// Commands that the log has, decided again on the state just before.
    pub commands: u64,
    pub same: u64,
    /// Accepted again, with other events.
    pub different: u64,
    pub rejected: u64,
    pub unchanged: u64,
    /// Nobody takes the command any more.
    pub unknown: u64,
    /// Commands that were rejected lately, decided again.
    #[serde(default)]
    pub rejections: RejectionReport,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Difference>,
}

/// What became of commands that were rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionReport {
    pub commands: u64,
    /// With the same code.
    pub same: u64,
    /// Rejected with another code.
    pub otherwise: u64,
    /// Accepted, or found to change nothing.
    pub accepted: u64,
    /// Nobody takes the command any more.
    pub unknown: u64,
}

/// A command that would be decided in another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub command: CommandId,
    pub name: String,
    pub aggregate: String,
    /// Of its first event; of one that was rejected, where that would have been.
    pub position: u64,
    /// The code with which it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_rejected: Option<String>,
    /// What it would come to: `accepted`, `rejected: CODE`, `unchanged`, or how its events differ.
    pub now: String,
}

impl Report {
    pub fn differences(&self) -> u64 {
        let of_rejections = self.rejections.commands - self.rejections.same;
        self.different + self.rejected + self.unchanged + self.unknown + of_rejections
    }

    pub fn note(&mut self, difference: Difference) {
        if self.samples.len() < SAMPLES {
            self.samples.push(difference);
        }
    }
}
