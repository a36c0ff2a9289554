//! What can go wrong with a read model: its storage, or what somebody asks of it.

use std::path::PathBuf;

use crate::storage::NoSpace;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(
        "the read model at {} cannot be opened: {cause}; if it is damaged, retire the version and deploy it anew: \
         everything is in the log",
        dir.display()
    )]
    Open { dir: PathBuf, cause: rocksdb::Error },
    #[error("the read model at {} is not what its version says: {what}", dir.display())]
    Foreign { dir: PathBuf, what: String },
    #[error("the read model is damaged: {0}")]
    Corrupt(String),
    #[error("{0}; free some space, then resume the version")]
    NoSpace(#[from] NoSpace),
    #[error("the read model's storage failed: {0}")]
    Storage(#[from] rocksdb::Error),
    #[error("there is no table {table:?}; the tables are {}", known.join(", "))]
    UnknownTable { table: String, known: Vec<String> },
    #[error("{what} cannot be served by one index of table {table:?}")]
    NoIndex {
        table: String,
        what: String,
        /// Each as `name(path, path)`.
        available: Vec<String>,
    },
    #[error("the filter {filter:?} is not valid: {why}")]
    InvalidFilter { filter: String, why: String },
    #[error("the order {order:?} is not valid: {why}")]
    InvalidOrder { order: String, why: String },
    #[error("the cursor is not one of this query: {0}")]
    InvalidCursor(&'static str),
}
