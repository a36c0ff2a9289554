//! Errors: why a command was not decided, or a version not changed.

use kinora_log as log;
use kinora_log::AppendError;
use kinora_projection::{Fault, Stop};
use kinora_sandbox as sandbox;
use kinora_types::{Digest, ExpectedRevision, InvalidName, Revision};

use crate::record::control::State;

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("there is no decider {0}")]
    Unknown(String),
    #[error("{0:?} is no name for a decider: 1 to 64 letters, digits, `_` and `-`")]
    InvalidName(String),
    #[error("decider {0} has no version that decides")]
    NothingLive(String),
    #[error("decider {decider} has no version {version}")]
    UnknownVersion { decider: String, version: u32 },
    #[error("version {version} of decider {decider} is {state}")]
    WrongState { decider: String, version: u32, state: State },
    #[error("version {live:?} is live, not version {expected}")]
    OtherLive { live: Option<u32>, expected: u32 },
    /// It would decide otherwise than was decided.
    #[error("version {version} decides {differences} of the recorded commands otherwise")]
    Differs { version: u32, differences: u64 },
    /// Live versions of projections would fault at what it emits.
    #[error("version {version} emits what live projections would stop at: {}", stopped(stops))]
    WouldStop { version: u32, stops: Vec<Stop> },
    /// Events have come of commands that it does not fold.
    #[error("version {version} does not fold what has been decided since: {}", kinds.join(", "))]
    OneWay { version: u32, kinds: Vec<String> },
    #[error("there is no version to go back to")]
    NothingBefore,
    #[error("decider {decider} takes no command {command}; it takes {}", known.join(", "))]
    UnknownCommand { decider: String, command: String, known: Vec<String> },
    #[error("the data of {command} is not what it takes: {why}")]
    InvalidData { command: String, why: String },
    #[error(transparent)]
    Invalid(#[from] InvalidName),
    #[error(
        "the aggregate was expected at {expected}, but {}",
        current.map_or("it has no events".to_owned(), |at| format!("it is at revision {at}"))
    )]
    WrongRevision { expected: ExpectedRevision, current: Option<Revision> },
    /// Nothing of what was sent together stands.
    #[error("command {index} was rejected: {}", rejection.message)]
    RejectedTogether { index: usize, rejection: sandbox::Rejection },
    /// Another version decides now.
    #[error("another version decides now: ask again")]
    Superseded,
    #[error("this id belongs to another command")]
    KeyReused,
    #[error("others changed the same {attempts} times while this was decided")]
    Conflict { attempts: u32 },
    #[error("{waiting} commands wait already: try again")]
    Busy { waiting: usize },
    /// The decider itself is at fault.
    #[error("the decider failed: {}", .0.message)]
    Faulted(Box<Fault>),
    #[error("a decider on tags has no streams of its own: it cannot own them")]
    OwnsNoCategory,
    #[error(transparent)]
    Module(#[from] sandbox::Error),
    #[error("the projections cannot be looked at: {0}")]
    Projections(String),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Log(#[from] log::Error),
    /// Nobody knows what became of it.
    #[error("the host failed while this was decided, so it may stand or not: ask again under the same key")]
    Lost,
    #[error("version {version} of decider {decider} is live, and not loaded yet")]
    Loading { decider: String, version: u32 },
    #[error("streams {category}-ID are owned by decider {owner}")]
    OwnedByAnother { category: String, owner: String },
    #[error("the module {module} is part of version {version} of decider {decider}")]
    ModuleInUse { module: Digest, decider: String, version: u32 },
    /// What the log says of it cannot be read.
    #[error("what the log says of decider {decider} cannot be read: {why}")]
    Unreadable { decider: String, why: String },
    /// It goes into no bundle.
    #[error("what the command is decided on has more than {bytes} bytes")]
    TooLong { bytes: usize },
    #[error("the host ends")]
    Ends,
}

fn stopped(stops: &[Stop]) -> String {
    let one = |stop: &Stop| format!("{} version {} at {}", stop.projection, stop.version, stop.kind);
    stops.iter().map(one).collect::<Vec<_>>().join(", ")
}
