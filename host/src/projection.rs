//! Projections: versions of them that replay, catch up, serve, stand by and retire, each with a read model of its own.
//!
//! [`Projections`] is the catalog and its rules; a [`Version`] has one thread ([`runner`]) that owns its guest and its
//! rows. This module knows nothing of HTTP.

mod ahead;
mod catalog;
mod chains;
mod committer;
mod compare;
mod continuation;
mod deploy;
mod error;
mod explain;
mod forecast;
mod gates;
mod gauges;
mod guests;
mod history;
mod lifecycle;
mod limits;
mod partitions;
mod preflight;
mod promotion;
mod proof;
mod query;
mod rehearsal;
mod reproduction;
mod rollout;
mod routes;
mod rows;
mod runner;
mod sample;
mod skipping;
mod source;
mod stall;
mod status;
mod throttle;
mod turns;
mod upcasting;
mod verify;
mod version;

pub use catalog::{OnFault, Promote, Skipped};
pub use chains::{DryRun, Followed, Use};
pub use compare::{Compared, Comparison, FAR_PATIENCE};
pub use continuation::Continued;
pub use deploy::{Deploy, Start};
pub use error::Error;
pub use explain::{Explanation, Question};
pub use gates::{Bounds, Check, Checklist, Gate, Gates};
pub use history::{By, stream as history_stream};
pub use lifecycle::SettingsChange;
pub use limits::Limits;
pub use preflight::{Gap, Preflight};
pub use promotion::Promotion;
pub use proof::Proof;
pub use query::{Answer, QueryLimits, QueryTurn};
pub use reproduction::{Bundle, Rerun, rerun};
pub use rollout::Projections;
pub use status::{Fault, ProjectionStatus, State, VersionStatus};
pub use verify::{Replayed, RowsDigest, Verified};
pub use version::Version;
