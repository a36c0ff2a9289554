//! Projections: versions of them that replay, catch up, serve, stand by and retire, each with a read model of its own.
//!
//! [`Projections`] is the catalog and its rules; a [`Version`] has one thread ([`runner`]) that owns its guest and its
//! rows. This module knows nothing of HTTP.

mod ask;
mod error;
mod feed;
mod limits;
mod projections;
mod record;
mod registry;
mod replay;
mod rollout;
mod supervisor;
mod throttle;
mod trial;

pub use ask::compare::{Compared, Comparison, FAR_PATIENCE};
pub use ask::explain::{Explanation, Question};
pub use ask::query::{Answer, QueryLimits, QueryTurn};
pub use ask::reproduction::{Bundle, Rerun, rerun};
pub use ask::verify::{Replayed, RowsDigest, Verified};
pub use error::Error;
pub use limits::Limits;
pub use projections::Projections;
pub use record::status::{Fault, ProjectionStatus, State, VersionStatus};
pub use registry::catalog::{OnFault, Promote, Skipped};
pub use registry::history::{By, stream as history_stream};
pub use rollout::deploy::{Deploy, Start};
pub use rollout::gates::{Bounds, Check, Checklist, Gate, Gates};
pub use rollout::lifecycle::SettingsChange;
pub use rollout::preflight::{Gap, Preflight};
pub use rollout::promotion::Promotion;
pub use rollout::upcasters::{DryRun, Followed, Use};
pub use supervisor::version::Version;
pub use trial::continuation::Continued;
pub use trial::proof::Proof;
