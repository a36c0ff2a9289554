//! Health: whether a host is there, and ready.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::versions::State;

/// The host is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
}

/// Whether the log takes appends, and every live version runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `not ready`.
    pub status: String,
    /// Why the log takes no appends until the host is restarted, if it does not.
    #[schema(required)]
    pub log_poisoned: Option<String>,
    /// Those that do not run.
    pub waiting: Vec<Waiting>,
}

/// A live version that does not run, or is stalled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    pub projection: String,
    #[schema(required)]
    pub stalled_seconds: Option<u64>,
    pub state: State,
    pub version: u32,
}
