//! Why something cannot be done with a projection. Faults of versions are not errors: see [`super::Fault`].

use crate::event::InvalidName;
use crate::readmodel;
use crate::sandbox::{self, Digest, Failure};

use super::status::State;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("there is no projection {name}")]
    UnknownProjection { name: String },
    #[error("projection {name} has no version {version}; it has {}", numbers(known))]
    UnknownVersion { name: String, version: u32, known: Vec<u32> },
    #[error("projection {name} has no live version")]
    NothingLive { name: String },
    #[error("projection {name} has no version to go back to")]
    NothingToRollBackTo { name: String },
    #[error("version {version} of projection {name} is {}, so it cannot be {wanted}", state.as_str())]
    WrongState { name: String, version: u32, state: State, wanted: &'static str },
    #[error("version {} is live, not version {expected}", live.map_or("none".into(), |live| live.to_string()))]
    OtherLive { expected: u32, live: Option<u32> },
    #[error("the versions cannot be compared: {0}")]
    NotComparable(String),
    #[error("the modules do not fit together: {0}")]
    Chain(String),
    #[error("module {digest} is used by version {version} of projection {name}")]
    ModuleInUse { digest: Digest, name: String, version: u32 },
    #[error("projection {name} has no query {query:?}; it has {}", names(known))]
    UnknownQuery { name: String, query: String, known: Vec<String> },
    #[error("the query's arguments are not valid: {0}")]
    InvalidArguments(String),
    #[error("the query failed: {0}")]
    QueryFailed(String),
    #[error("the query was stopped: {0}")]
    QueryStopped(Failure),
    #[error("too many queries are running ({limit})")]
    TooManyQueries { limit: usize },
    #[error("position {wanted} was not reached in time; the answer would be from position {}", reached.map_or("none".into(), |position| position.to_string()))]
    NotThereYet { wanted: u64, reached: Option<u64> },
    #[error(transparent)]
    Module(#[from] sandbox::Error),
    #[error(transparent)]
    ReadModel(#[from] readmodel::Error),
    #[error(
        "the catalog of projections at {path} failed: {cause}; if it is damaged, restore it from a backup, or move it away and deploy anew"
    )]
    Catalog { path: String, cause: String },
    #[error("a thread could not be run: {0}")]
    Thread(String),
}

fn numbers(versions: &[u32]) -> String {
    names(&versions.iter().map(u32::to_string).collect::<Vec<_>>())
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
