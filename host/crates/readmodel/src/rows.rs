//! Rows of one version: commits, snapshots, what rows were.

pub(crate) mod cached_rows;
pub(crate) mod changes;
pub(crate) mod idle;
pub(crate) mod ingest;
pub(crate) mod range;
pub(crate) mod replay_clock;
pub(crate) mod row_versions;
pub(crate) mod scan;
pub(crate) mod snapshot;
pub(crate) mod store;
pub(crate) mod unique;
pub(crate) mod view;
pub(crate) mod writes;
