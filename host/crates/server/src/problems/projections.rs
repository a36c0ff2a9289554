//! Problems of projections and their versions.

use kinora_api::Kind;
use kinora_projection as projection;
use kinora_projection::Error;
use kinora_projection::State::Validating;
use serde_json::json;

use crate::edge::problem::Problem;
use crate::wire::{rollouts, versions};

impl From<projection::Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let (kind, hint) = kind(&error, &detail);
        let problem = || Self::new(kind, detail).hint(hint);
        match error {
            Error::Name(error) => error.into(),
            Error::Module(error) => error.into(),
            Error::ReadModel(error) => error.into(),
            Error::Log(error) => error.into(),
            Error::Exhausted(why) => why.into(),
            Error::NotThereYet { reached, .. } => problem().with("position", json!(reached)),
            Error::WrongState { state, .. } if kind == Kind::WrongState => {
                problem().with("state", json!(versions::state(state)))
            }
            Error::OtherLive { live, .. } => problem().with("live", json!(live)),
            Error::BeyondPosition { reached, .. } => {
                problem().with("position", json!(reached.last().map(|position| position.0)))
            }
            Error::GatesClosed { gates, .. } => problem().with("gates", json!(rollouts::gates(gates))),
            Error::Gaps(gaps) => problem().with("gaps", json!(rollouts::gaps(gaps))),
            Error::Stopped { version, position, fault, .. } => problem()
                .with("state", json!("faulted"))
                .with("version", json!(version))
                .with("position", json!(position))
                .with("fault", json!(versions::fault(*fault))),
            Error::Paused { version, position, .. } => problem()
                .with("state", json!("paused"))
                .with("version", json!(version))
                .with("position", json!(position)),
            _ => problem(),
        }
    }
}

const BEYOND_POSITION: &str = "ask for a position that is still to come, or without one for the rows as they are; \
     `kinora verify` compares with all of history";
const CHAIN: &str = "each type and schema has to end at a type that the projector handles or ignores";
const GAPS: &str =
    "handle them, name them in `ignores`, or deploy with an upcaster that brings them to what is handled";
const GATES: &str = "GET .../gates shows all of them; {\"force\": true} passes them over, and the history says so";
const LIMIT: &str = "retire what nobody needs, or start the host with a higher limit: --limit NAME=VALUE";
const NOT_THERE_YET: &str = "try again, with a longer timeout, or without min_position for an older answer";
const NOT_VERIFIED: &str = "the version has gone through these events, but a replay does not: look at the limits, the \
     disk and the host's output";
const PAUSED: &str = "resume it, or take its rows as they are: ?stale=true; PATCH /v1/projections/{name} with \
     {\"on_fault\": \"stale\"} does for everybody";
const QUERY_STOPPED: &str = "the projector used up its limits or broke a rule; limits are at /v1/limits";
const REPRODUCE: &str =
    "GET /v1/projections/{name} shows the state of each version; `kinora verify` replays all of history";
const SKIP: &str = "say why it is right to pass over this event: it is shown for ever after";
const STALE: &str = "its rows are those before the fault: ?stale=true takes them; PATCH /v1/projections/{name} with \
     {\"on_fault\": \"stale\"} does for everybody";
const STATES: &str =
    "GET /v1/projections/{name} shows the state of each version; a version is promoted once it is ready";
const STOPPED: &str = "GET /v1/projections/{name} shows where a version stopped, and why";
const WHERE: &str = "GET /v1/projections/{name} shows where each version is";

/// The kind of an error, and what to do about it.
fn kind(error: &Error, detail: &str) -> (Kind, &'static str) {
    match error {
        // These say for themselves what they are.
        Error::Name(_) | Error::Module(_) | Error::ReadModel(_) | Error::Log(_) | Error::Exhausted(_) => {
            (Kind::Internal, "")
        }
        Error::AlreadyVerifying => (Kind::Busy, "it takes a core: try again when it is done"),
        Error::BeyondPosition { .. } => (Kind::BeyondPosition, BEYOND_POSITION),
        Error::Catalog { .. } | Error::Thread(_) => {
            tracing::error!(%detail, "the projections failed");
            (Kind::ProjectionsFailed, "nothing has changed; the host's output names the cause")
        }
        Error::Chain(_) => (Kind::Chain, CHAIN),
        Error::Gaps(_) => (Kind::Gaps, GAPS),
        Error::GatesClosed { .. } => (Kind::GatesClosed, GATES),
        Error::InvalidArguments(_) => (Kind::InvalidArguments, "GET /v1/read-models/{name} describes the queries"),
        Error::KeyReused { .. } => (Kind::IdempotencyKeyReused, "use a key that is new for each request"),
        Error::ModuleInUse { .. } => (Kind::ModuleInUse, "retire the version first"),
        Error::NoReason { .. } => (Kind::NoReason, SKIP),
        Error::NotComparable(_) => (Kind::NotComparable, WHERE),
        Error::NotStoppedThere { .. } => (Kind::NotStoppedThere, STOPPED),
        Error::NotThereYet { .. } => (Kind::NotThereYet, NOT_THERE_YET),
        Error::NotVerified(_) => (Kind::NotVerified, NOT_VERIFIED),
        Error::NothingLive { .. } => {
            (Kind::NothingLive, "promote a version that is ready, or ask for one with ?version=")
        }
        Error::NothingToReproduce { .. } => (Kind::NothingToReproduce, REPRODUCE),
        Error::NothingToRollBackTo { .. } => (Kind::NothingToRollBackTo, "promote a version instead"),
        Error::OtherLive { .. } => (Kind::OtherLive, "somebody else was faster: look at the projection again"),
        Error::Paused { .. } => (Kind::VersionPaused, PAUSED),
        Error::QueryFailed(_) => (Kind::QueryFailed, "the projector gave this answer; see its code"),
        Error::QueryStopped(_) => (Kind::QueryStopped, QUERY_STOPPED),
        Error::Sample(_) | Error::Scratch { .. } => {
            tracing::error!(%detail, "no sample");
            (
                Kind::NoSample,
                "the host's output names the cause; a deployment needs no forecast, and a comparison no events",
            )
        }
        Error::StartBeyondEnd { .. } => (Kind::StartBeyondEnd, "start at an event that is there, or at the beginning"),
        Error::Stopped { .. } => (Kind::VersionFaulted, STALE),
        Error::TooMany { .. } => (Kind::LimitReached, LIMIT),
        Error::TooManyQueries { .. } | Error::TooManyFollowers { .. } => (Kind::Busy, "try again a little later"),
        Error::UnknownProjection { .. } => {
            (Kind::UnknownProjection, "GET /v1/projections lists them; a deployment makes one")
        }
        Error::UnknownQuery { .. } => (Kind::UnknownQuery, "GET /v1/read-models/{name} describes them"),
        Error::UnknownTables { .. } => {
            (Kind::UnknownTable, "a bound is of one of these tables, or of `*` for all others")
        }
        Error::UnknownVersion { .. } => (Kind::UnknownVersion, "GET /v1/projections/{name} lists them"),
        Error::WrongState { state: Validating, wanted: "queried", .. } => (Kind::Starting, "try again in a moment"),
        Error::WrongState { .. } => (Kind::WrongState, STATES),
    }
}
