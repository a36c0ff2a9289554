//! Read models: the rows, indexes and checkpoint of one version of a projection, in a RocksDB of its own.
//!
//! [`Store`] is what the version's runner writes to, [`Snapshot`] what everybody else reads from. Rows and checkpoint
//! commit together, and a snapshot sees both or neither. This module knows nothing of guests, projections or HTTP.

mod changes;
mod diff;
mod error;
mod fields;
mod filter;
mod first_difference;
#[doc(hidden)]
pub mod fuzz;
mod history;
mod idle;
mod index;
mod ingest;
mod keys;
mod list;
mod order;
mod pick;
mod plan;
mod reader;
mod recent;
mod select;
mod snapshot;
mod spans;
mod statistics;
mod store;
mod unique;
mod view;
mod walk;
mod writes;

pub use diff::{Change, Diff, Difference, TableDiff, diff, differences, tables};
pub use error::Error;
pub use filter::{Condition, KEY, Operator, Test, condition};
pub use first_difference::{RowDifference, first_difference};
pub use history::RowVersion;
pub use index::Column;
pub use list::{Budget, Explanation, ListQuery, Order, Page, Row};
pub use select::{Selection, fields};
pub use snapshot::Snapshot;
pub use statistics::{Figure, Group, Statistics, StatisticsQuery};
pub use store::{Durability, Store};
pub use writes::Writes;

/// A table of a read model, as the projector's manifest declares it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableSpec {
    pub name: String,
    /// What the key stands for. The parts of a composite key are separated by slashes, here and in the keys.
    pub key: String,
    pub indexes: Vec<IndexSpec>,
    /// How many of the last events can be asked for as they were; none if there is no history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<u64>,
}

/// A secondary index: rows ordered by the values at `paths` (see [`Column`]), then by key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IndexSpec {
    pub name: String,
    pub paths: Vec<String>,
    /// No two rows may have the same values here, unless one of them is null.
    #[serde(default)]
    pub unique: bool,
}

impl TableSpec {
    /// The names of the parts of a composite key; none for a simple one.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.key.split('/').filter(|_| self.key.contains('/'))
    }
}

/// Which keys to scan, in byte order: from `start` (included) up to `end` (not included).
#[derive(Clone, Debug, Default)]
pub struct KeyRange {
    pub start: Option<String>,
    pub end: Option<String>,
    pub reverse: bool,
}
