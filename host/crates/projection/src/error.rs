//! Errors: why something cannot be done with a projection. Faults of versions are not errors: see [`super::Fault`].

use kinora_log as log;
use kinora_readmodel as readmodel;
use kinora_sandbox as sandbox;
use kinora_sandbox::Failure;
use kinora_types::{Digest, Exhausted, InvalidName, Position, Progress, likeness};

use crate::record::fault::Fault;
use crate::record::gap::Gap;
use crate::record::gates::Gate;
use crate::record::state::State;
use crate::record::status::last;

#[derive(Debug, thiserror::Error)]
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
    #[error("{} is live, not {}", one(*live), one(*expected))]
    OtherLive { expected: Option<u32>, live: Option<u32> },
    #[error("the idempotency key {key:?} belongs to another request")]
    KeyReused { key: String },
    #[error("version {version} of projection {name} has not passed its gates: {}", closed(gates))]
    GatesClosed { name: String, version: u32, gates: Vec<Gate> },
    #[error("the log has events that this version would neither handle nor ignore: {}", listed(.0))]
    Gaps(Vec<Gap>),
    #[error("the version cannot start at position {position}: the log has {events} events")]
    StartBeyondEnd { position: u64, events: u64 },
    #[error("a sample could not be taken: {0}")]
    Sample(String),
    #[error("a folder in {path} cannot be made: {cause}")]
    Scratch { path: String, cause: String },
    #[error(
        "version {version} of projection {name} stopped at a fault{}, so its rows do not follow the log: {}",
        at(fault),
        fault.message
    )]
    Stopped { name: String, version: u32, position: Option<u64>, fault: Box<Fault> },
    #[error("version {version} of projection {name} is paused, so its rows do not follow the log")]
    Paused { name: String, version: u32, position: Option<u64> },
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error("the versions cannot be compared: {0}")]
    NotComparable(String),
    #[error("the modules do not fit together: {0}")]
    Chain(String),
    #[error("module {digest} is used by version {version} of projection {name}")]
    ModuleInUse { digest: Digest, name: String, version: u32 },
    #[error("projection {name} has no query {query:?}; it has {}", names(known))]
    UnknownQuery { name: String, query: String, known: Vec<String> },
    #[error("neither this version nor the live one has {}; they have {}", tables(unknown), nearest(unknown, known))]
    UnknownTables { unknown: Vec<String>, known: Vec<String> },
    #[error("the query's arguments are not valid: {0}")]
    InvalidArguments(String),
    #[error("the query failed: {0}")]
    QueryFailed(String),
    #[error("the query was stopped: {0}")]
    QueryStopped(Failure),
    #[error("too many queries are running already, and {limit} = {waiting} wait")]
    TooManyQueries { limit: &'static str, waiting: usize },
    #[error("as many follow what changes as may: the limit queries.followers is {limit}")]
    TooManyFollowers { limit: usize },
    /// What it was given for this is used up, or nobody waits for it any more.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    #[error("position {wanted} was not reached in time; the answer would be from position {}", or_none(*reached))]
    NotThereYet { wanted: u64, reached: Option<u64> },
    #[error("position {wanted} has been passed: the rows stand for all events up to {}", or_none(last(*reached)))]
    BeyondPosition { wanted: Position, reached: Progress },
    #[error("another verification is running")]
    AlreadyVerifying,
    #[error("the replay that the rows were to be compared with stopped: {0}")]
    NotVerified(Failure),
    #[error(
        "version {version} of projection {name} did not stop at event {position}, so it cannot be skipped; {}",
        stopped.map_or("it has not stopped at any".into(), |at| format!("it stopped at {at}"))
    )]
    NotStoppedThere { name: String, version: u32, position: u64, stopped: Option<u64> },
    #[error("an event is skipped for a reason, which takes 1 to {limit} bytes")]
    NoReason { limit: usize },
    #[error("version {version} of projection {name} has no fault that one event reproduces")]
    NothingToReproduce { name: String, version: u32 },
    #[error("there is no room for another one: the limit {limit} is {value}")]
    TooMany { limit: &'static str, value: usize },
    #[error(transparent)]
    Module(#[from] sandbox::Error),
    #[error(transparent)]
    ReadModel(#[from] readmodel::Error),
    #[error(
        "the catalog of projections at {path} failed: {cause}; if it is damaged, restore it from a backup, or move it \
         away and deploy anew"
    )]
    Catalog { path: String, cause: String },
    #[error("a thread could not be run: {0}")]
    Thread(String),
}

fn one(version: Option<u32>) -> String {
    version.map_or_else(|| "no version".into(), |version| format!("version {version}"))
}

fn or_none(position: Option<u64>) -> String {
    position.map_or_else(|| "none".into(), |position| position.to_string())
}

fn at(fault: &Fault) -> String {
    fault.position.map_or_else(String::new, |position| format!(" at position {position}"))
}

fn closed(gates: &[Gate]) -> String {
    let closed = gates.iter().filter(|gate| !gate.passed).map(|gate| format!("{} ({})", gate.gate, gate.reason));
    closed.collect::<Vec<_>>().join(", ")
}

fn listed(gaps: &[Gap]) -> String {
    let gaps = gaps.iter().map(|gap| {
        let events = if gap.count == 1 { "event" } else { "events" };
        format!(
            "{} schema {} ({} {events}, the first at position {})",
            gap.kind, gap.schema, gap.count, gap.first_position
        )
    });
    gaps.collect::<Vec<_>>().join(", ")
}

fn tables(unknown: &[String]) -> String {
    unknown.iter().map(|table| format!("a table {table:?}")).collect::<Vec<_>>().join(" and ")
}

/// The names that are known, those first that are most like an unknown one.
fn nearest(unknown: &[String], known: &[String]) -> String {
    let alike = |name: &String| unknown.iter().map(|unknown| likeness(unknown, name)).fold(0.0, f64::max);
    let mut known = known.to_vec();
    known.sort_by(|one, other| alike(other).total_cmp(&alike(one)));
    names(&known)
}

fn numbers(versions: &[u32]) -> String {
    names(&versions.iter().map(u32::to_string).collect::<Vec<_>>())
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
