//! Settings that a host was started with, and what says so.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The options of `kinora serve`, and all limits, as they were at the start of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    pub settings: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// That of the option, or of the limit: `listen`, `sandbox.event_fuel`.
    pub name: String,
    /// Null: it is not set, and there is no default.
    #[schema(required)]
    pub value: Option<String>,
    /// The option, the variable of the environment or the file that says so; `default` where none does.
    pub source: String,
}
