//! Projections: versions of them that replay, catch up, serve, stand by and retire, each with a read model of its own.
//!
//! [`Projections`] hands out the features. Below it, in this order: the supervisor, which starts and stops the threads
//! of versions; the features, in `rollout` and `ask`; the registry, which is the catalog and the versions in memory;
//! what runs guests over the log, in `trial`, `replay` and `feed`; and plain data, in `record`. This crate knows
//! nothing of HTTP.

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

pub use ask::admission::{Admission, Busy, FollowerPlace, Line, QueryTurn};
pub use ask::compare::{Compared, Comparison, Comparisons, FAR_PATIENCE};
pub use ask::query::{Answer, Queries, Still};
pub use ask::reproduction::{Bundle, EventRecord, Reproductions, Rerun, Wasm, Workshop, rerun};
pub use ask::row_trace::{RowQuestion, RowTrace, RowTraces};
pub use ask::stops::{Stop, Stops};
pub use ask::upcasting::{Arrival, Payload, UpcasterCall, Upcasting, Upcastings};
pub use ask::verify::{Replayed, RowsDigest, Verification, Verified};
pub use error::Error;
pub use feed::routes::{Route, Routes};
pub use feed::source::push as push_event;
pub use feed::upcasting::Chain;
pub use limits::{Limits, QueryLimits};
pub use projections::{Opening, Projections};
pub use record::continuation::Continued;
pub use record::fault::Fault;
pub use record::gap::Gap;
pub use record::gates::{Bounds, Check, Checklist, Gate, Gates};
pub use record::history::{By, stream as history_stream};
pub use record::proof::{Proof, Validation};
pub use record::request::{Request, RequestKey};
pub use record::settings::{OnFault, SettingsChange};
pub use record::state::State;
pub use record::status::{ProjectionStatus, VersionStatus};
pub use record::version::{Promote, Skipped};
pub use registry::version::Version;
pub use rollout::deploy::{Deploy, Deployments, Start, check_name};
pub use rollout::gates::Checklists;
pub use rollout::lifecycle::Lifecycle;
pub use rollout::preflight::Preflight;
pub use rollout::promotion::{Promotion, Promotions};
pub use rollout::skipping::Skipping;
pub use rollout::upcasters::{DryRun, FollowOutcome, Upcasters, Use};
