//! Deciders: commands become events, by rules that are sandboxed, versioned and compared before they go live.
//!
//! [`Deciders`] finds the version that is live; its lanes (`lane`) have commands decided and append what was accepted.
//! The log is the judge: each append names everything that it was decided on, and is refused if that is not so any
//! more. `record` is plain data, `rules` what a version is made of, `trial` decides recorded commands again. This crate
//! knows nothing of HTTP.

mod deciders;
mod error;
mod lane;
mod limits;
mod owners;
mod record;
mod rejections;
mod reproduction;
mod rules;
mod scope;
mod snapshots;
mod trial;

pub use deciders::gates::{Gate, Gates};
pub use deciders::versions::{Accepted, Deploy, Use};
pub use deciders::{Deciders, Figures, Opening, Request, Status};
pub use error::Error;
pub use lane::{Answer, DecidedEvent, Outcome, State};
pub use limits::Limits;
pub use record::command::{Command, CommandId, IN_METADATA, says_of_a_command};
pub use record::control::{Catalog, State as VersionState, Version, stream as control_stream};
pub use record::report::{Difference, RejectionReport, Report};
pub use rejections::Rejected;
pub use reproduction::{Bundle, CommandRecord, Decision, Made, Undecided, rerun};
pub use scope::{Baseline, Scope};
pub use snapshots::{Counts as SnapshotCounts, SnapshotStore};
