//! Read models: the rows, indexes and checkpoint of one version of a projection, in a RocksDB of its own.
//!
//! [`Store`] is what the version's runner writes to, [`Snapshot`] what everybody else reads from. Rows and checkpoint
//! commit together, and a snapshot sees both or neither. This module knows nothing of guests, projections or HTTP.

mod diff;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod query;
mod rows;

pub use diff::first_difference::{RowDifference, first_difference};
pub use diff::tables::{Change, Diff, Difference, TableDiff, diff, differences, tables};
pub use error::Error;
pub use query::filter::{Condition, KEY, Operator, Test, condition};
pub use query::list::{Budget, Explanation, ListQuery, Order, Page, Row};
pub use query::select::{Selection, fields};
pub use query::statistics::{Figure, Group, Statistics, StatisticsQuery};
pub use rows::history::RowVersion;
pub use rows::range::KeyRange;
pub use rows::snapshot::Snapshot;
pub use rows::store::{Durability, Store};
pub use rows::writes::Writes;
