//! Errors of a read model: of its storage, or of what is asked of it.

use std::path::PathBuf;

use kinora_storage::NoSpace;
use kinora_types::Exhausted;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the read model at {} cannot be opened: {cause}; if it is damaged, retire the version and deploy it anew: \
         everything is in the log",
        dir.display()
    )]
    Open { dir: PathBuf, cause: rocksdb::Error },
    #[error("a read model cannot be copied to {}: {cause}", dir.display())]
    Copy { dir: PathBuf, cause: std::io::Error },
    #[error("the read model at {} is not what its version says: {what}", dir.display())]
    Foreign { dir: PathBuf, what: String },
    #[error("the read model is damaged: {0}")]
    Corrupt(String),
    #[error("{0}; free some space, then resume the version")]
    NoSpace(#[from] NoSpace),
    #[error("the read model's storage failed: {0}")]
    Storage(rocksdb::Error),
    #[error("a file of the read model cannot be replaced: {0}")]
    File(std::io::Error),
    #[error("there is no table {table:?}; the tables are {}", known.join(", "))]
    UnknownTable { table: String, known: Vec<String> },
    #[error(
        "rows of table {table:?} have no field {field:?}{}",
        if nearest.is_empty() { String::new() } else { format!("; nearest are {}", nearest.join(", ")) }
    )]
    UnknownField { table: String, field: String, nearest: Vec<String> },
    #[error("the keys of table {table:?} have no part {part:?}; {}", parts(known))]
    UnknownPart { table: String, part: String, known: Vec<String> },
    #[error(
        "{what} of table {table:?} would read more than {entries} entries{}",
        helpful.as_ref().map(|paths| format!("; an index on [{}] would serve it", paths.join(", "))).unwrap_or_default()
    )]
    BeyondBudget {
        table: String,
        what: String,
        entries: usize,
        /// The paths of an index that would serve it.
        helpful: Option<Vec<String>>,
    },
    /// What it was given for this is used up, or nobody waits for it any more.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    #[error("a scan would look at more than {limit} entries, deleted ones among them")]
    TooManyEntries { limit: u64 },
    #[error(
        "row {key:?} of table {table:?} has the same values as row {other:?} in the index {index:?}, which is unique"
    )]
    NotUnique { table: String, index: String, key: String, other: String },
    /// What the grammar of queries refuses first, if the query comes through it.
    #[error("the query is not valid: {0}")]
    InvalidQuery(String),
    #[error("{fields} has more than {limit} values, which is more than a summary has")]
    TooManyGroups { fields: String, limit: usize },
    #[error("the query has more than {limit} rows, which is more than can be followed")]
    TooManyRows { limit: usize },
    #[error("table {table:?} has no history")]
    NoHistory { table: String },
    #[error("the history of table {table:?} goes back to position {oldest}, not to {wanted}")]
    BeyondHistory { table: String, wanted: u64, oldest: u64 },
    #[error("the cursor is not one of this query: {0}")]
    InvalidCursor(&'static str),
}

impl From<rocksdb::Error> for Error {
    fn from(cause: rocksdb::Error) -> Self {
        NoSpace::of_write(&cause).map_or(Self::Storage(cause), Self::NoSpace)
    }
}

impl Error {
    /// Whether a read that was only to look into memory gave up.
    pub fn is_beyond_memory(&self) -> bool {
        matches!(self, Self::Storage(cause) if cause.kind() == rocksdb::ErrorKind::Incomplete)
    }
}

fn parts(known: &[String]) -> String {
    if known.is_empty() { "they are not composite".to_owned() } else { format!("their parts are {}", known.join(", ")) }
}
