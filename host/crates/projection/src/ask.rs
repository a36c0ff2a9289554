//! Questions about versions: admission to them, statuses, queries, comparisons, traces of rows, verifications,
//! reproductions, stops, upcastings.

pub(crate) mod admission;
pub(crate) mod compare;
pub(crate) mod query;
pub(crate) mod reproduction;
pub(crate) mod row_trace;
pub(crate) mod statuses;
pub(crate) mod stops;
pub(crate) mod upcasting;
pub(crate) mod verify;
