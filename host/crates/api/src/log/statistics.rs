//! The log: what it is and holds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::appends::Durability;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Log {
    /// Bytes of the log's folder: tables, journal and all.
    pub bytes_on_disk: u64,
    pub durability: Durability,
    pub events: u64,
    pub id: Uuid,
    /// The lives that the log has had, the present one last: it begins another one when it is restored from a backup,
    /// or repaired.
    pub incarnations: Vec<Incarnation>,
    /// Why the log takes no appends until the host is restarted, if it does not.
    #[schema(required)]
    pub poisoned: Option<String>,
    /// About how many streams there are.
    pub streams_estimated: u64,
    pub types: Vec<TypeCount>,
}

/// One life of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Incarnation {
    pub id: Uuid,
    /// How many events it began with. Those that other lives had behind them are gone.
    pub since: u64,
}

/// How often a type occurs, with one schema, and where first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TypeCount {
    pub events: u64,
    pub first_position: u64,
    pub schema: u32,
    #[serde(rename = "type")]
    pub kind: String,
}
