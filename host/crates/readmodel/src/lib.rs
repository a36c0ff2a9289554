//! Read models: the rows, indexes and checkpoint of one version of a projection, in a RocksDB of its own.
//!
//! [`Store`] is what the version's runner writes to, [`Snapshot`] what everybody else reads from. Rows and checkpoint
//! commit together, and a snapshot sees both or neither. This crate knows nothing of guests, projections or HTTP, and
//! nothing of the text that queries are written in: a [`RowFilter`], an [`Order`], [`SelectedFields`] and [`Figure`]s
//! are built by constructors, which refuse what makes no sense.
//!
//! Its rooms, each of which only uses those before it: `layout` (how rows and index entries stand in the database),
//! `rows` (commits and snapshots), and above these `query` and `diff`.

mod diff;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod layout;
mod query;
mod rows;

pub use diff::first_difference::{RowDifference, first_difference};
pub use diff::tables::{Change, Diff, Difference, Passed, TableDiff, diff, differences, tables};
pub use error::Error;
pub use layout::fields::fields;
pub use layout::shown::shown;
pub use query::fields::Fields;
pub use query::figures::{Figure, FigureKind};
pub use query::filter::pattern::Pattern;
pub use query::filter::{KEY, Operator, RowFilter, RowTest};
pub use query::list_query::{EntryLimits, Explanation, ListQuery, Order, Page, Row};
pub use query::select::SelectedFields;
pub use query::statistics::{Group, GroupOrder, GroupValue, Statistics, StatisticsQuery};
pub use rows::range::KeyRange;
pub use rows::row_versions::RowVersion;
pub use rows::scan::{Most, Scanned};
pub use rows::snapshot::Snapshot;
pub use rows::store::{CommitMode, Store};
pub use rows::writes::Writes;
