//! Rows of one version: their layouts, commits, snapshots and indexes.

pub(crate) mod changes;
pub(crate) mod history;
pub(crate) mod idle;
pub(crate) mod index;
pub(crate) mod ingest;
pub(crate) mod keys;
pub(crate) mod order;
pub(crate) mod pick;
pub(crate) mod range;
pub(crate) mod recent;
pub(crate) mod snapshot;
pub(crate) mod store;
pub(crate) mod unique;
pub(crate) mod view;
pub(crate) mod writes;
