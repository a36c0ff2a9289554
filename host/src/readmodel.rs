//! Read models: the rows, indexes and checkpoint of one version of a projection, in a RocksDB of its own.
//!
//! [`Store`] is what the version's runner writes to, [`Snapshot`] what everybody else reads from. Rows and checkpoint
//! commit together, and a snapshot sees both or neither. This module knows nothing of guests, projections or HTTP.

mod diff;
mod error;
mod filter;
mod keys;
mod order;
mod plan;
mod snapshot;
mod store;
mod view;
mod writes;

pub use diff::{Change, Diff, Sample, TableDiff, diff};
pub use error::Error;
pub use filter::{Filter, Operator};
pub use plan::{ListQuery, Order};
pub use snapshot::{Page, Row, Snapshot};
pub use store::{Durability, Store};
pub use writes::Writes;

/// A table of a read model, as the projector's manifest declares it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableSpec {
    pub name: String,
    /// What the key stands for; for people.
    pub key: String,
    pub indexes: Vec<IndexSpec>,
}

/// A secondary index: rows ordered by the values at `paths` (nested fields with dots), then by key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IndexSpec {
    pub name: String,
    pub paths: Vec<String>,
}

/// Which keys to scan, in byte order: from `start` (included) up to `end` (not included).
#[derive(Clone, Debug, Default)]
pub struct KeyRange {
    pub start: Option<String>,
    pub end: Option<String>,
    pub reverse: bool,
}
