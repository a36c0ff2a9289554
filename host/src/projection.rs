//! Projections: versions of them that replay, catch up, serve, stand by and retire, each with a read model of its own.
//!
//! [`Projections`] is the catalog and its rules; a [`Version`] has one thread ([`runner`]) that owns its guest and its
//! rows. This module knows nothing of HTTP.

mod catalog;
mod compare;
mod error;
mod gauges;
mod query;
mod rollout;
mod routes;
mod rows;
mod runner;
mod schemas;
mod status;
mod upcasting;
mod version;
mod window;

pub use catalog::Promote;
pub use compare::Comparison;
pub use error::Error;
pub use query::{Answer, QueryLimits};
pub use rollout::{Deploy, Projections};
pub use status::{Fault, ProjectionStatus, State, VersionStatus};
pub use version::Version;
