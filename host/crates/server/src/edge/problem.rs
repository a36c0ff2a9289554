//! Errors as the client sees them. The one place that maps them to status codes.

use std::collections::BTreeMap;

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use kinora_api::Kind;
use kinora_engine::backup;
use kinora_log as log;
use kinora_log::{AppendError, Rejection};
use kinora_projection as projection;
use kinora_readmodel as readmodel;
use kinora_sandbox as sandbox;
use kinora_types::{InvalidName, StreamName};
use utoipa::IntoResponses;
use utoipa::openapi;
use utoipa::openapi::{Content, RefOr, ResponseBuilder};

use crate::wire::{rollouts, versions};

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Problem details after RFC 9457. `type` is stable; `hint` says what to do next.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    hint: Option<String>,
    more: Map<String, Value>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None, more: Map::new() }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// The body of the answer.
    pub fn into_text(self) -> String {
        json!(kinora_api::Problem::from(self)).to_string()
    }
}

impl From<Problem> for kinora_api::Problem {
    fn from(problem: Problem) -> Self {
        Self { hint: problem.hint, more: problem.more, ..Self::new(problem.kind, problem.detail) }
    }
}

/// What every operation can answer besides.
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let content = Content::new(Some(openapi::Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description("A problem that says what is wrong and what to do")
            .content("application/problem+json", content);
        BTreeMap::from([("default".to_owned(), response.build().into())])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.into_text()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(status.as_u16(), 429 | 503) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let detail = error.to_string();
        match error {
            AppendError::Rejected(rejection) => rejected(&rejection, detail),
            AppendError::Empty => Self::new(Kind::InvalidEvent, detail).hint("send at least one event"),
            AppendError::TooLarge { limit, actual, .. } => Self::new(Kind::TooLarge, detail)
                .hint("send less at a time; all limits are at /v1/limits")
                .with("limit", json!(limit))
                .with("actual", json!(actual)),
            AppendError::Busy { .. } => Self::new(Kind::Busy, detail).hint("try again a little later"),
            AppendError::ClientBusy { .. } => Self::new(Kind::TooManyRequests, detail)
                .hint("wait for answers before sending more; a client is an address, and the name in the header Kinora-Client if it sends one"),
            AppendError::Poisoned => {
                Self::new(Kind::LogPoisoned, detail).hint("restart the host; look at its output for the cause")
            }
            AppendError::NoSpace(_) => Self::new(Kind::NoSpace, detail)
                .hint("free some space; nothing acknowledged is lost, and appends go on by themselves"),
            AppendError::Failed(error) => error.into(),
        }
    }
}

fn rejected(rejection: &Rejection, detail: String) -> Problem {
    let wrong = rejection.wrong_revisions.iter().map(|wrong| {
        json!({
            "stream": wrong.stream.as_str(),
            "expected": wrong.expected.to_string(),
            "current": wrong.current.map(|revision| revision.0),
        })
    });
    let reused = rejection
        .reused_ids
        .iter()
        .map(|reused| json!({ "id": reused.id, "position": reused.position.map(|position| position.0) }));
    let claims = rejection.claims.iter().map(|failed| {
        json!({
            "scope": failed.claim.key.scope,
            "value": failed.claim.key.value,
            "owner": failed.claim.owner.as_str(),
            "wanted": if failed.take { "take" } else { "release" },
            "holder": failed.holder.as_ref().map(StreamName::as_str),
        })
    });
    let (kind, hint) = if rejection.key_reused.is_some() {
        (
            Kind::IdempotencyKeyReused,
            "give each new request a key of its own; retry a request with the same key and content only",
        )
    } else if !rejection.reused_ids.is_empty() {
        (Kind::IdReused, "give each new event an id of its own; retry a request with the same ids and content only")
    } else if !rejection.wrong_revisions.is_empty() {
        (Kind::WrongExpectedRevision, "read the stream again, decide anew, and append with its current revision")
    } else if rejection.matched.is_some() {
        (Kind::ConditionFailed, "read what the condition selects again, decide anew, and append with its last position")
    } else {
        (Kind::ClaimFailed, "GET /v1/claims/{scope}/{value} shows who holds a claim; its owner can release it")
    };
    Problem::new(kind, detail)
        .hint(hint)
        .with("failures", json!(wrong.collect::<Vec<_>>()))
        .with("reused_ids", json!(reused.collect::<Vec<_>>()))
        .with("matched_position", json!(rejection.matched.map(|position| position.0)))
        .with("claims", json!(claims.collect::<Vec<_>>()))
        .with("key_reused_position", json!(rejection.key_reused.map(|position| position.0)))
}

impl From<log::Error> for Problem {
    /// The cause goes to the host's output; the client is told where it is, not what the disk said.
    fn from(error: log::Error) -> Self {
        tracing::error!(%error, "the log failed");
        Self::new(Kind::LogFailed, "the log could not be read or written")
            .hint("nothing acknowledged is lost; the host's output names the cause")
    }
}

impl From<backup::Error> for Problem {
    fn from(error: backup::Error) -> Self {
        tracing::error!(%error, "a backup failed");
        Self::new(Kind::BackupFailed, error.to_string())
            .hint("see whether the folder for backups can be written and has space; the log is not affected")
    }
}

impl From<InvalidName> for Problem {
    fn from(error: InvalidName) -> Self {
        Self::new(Kind::InvalidName, error.to_string()).hint("names have no control characters, and a limited length")
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let kind = if too_large { Kind::TooLarge } else { Kind::InvalidBody };
        Self::new(kind, rejection.body_text()).hint("all limits are at /v1/limits")
    }
}

impl From<sandbox::Error> for Problem {
    fn from(error: sandbox::Error) -> Self {
        use sandbox::Error;
        let detail = error.to_string();
        let (kind, hint) = match &error {
            Error::NotWasm(_) => (Kind::NotWasm, "send the bytes of a core module or of a component"),
            Error::TooLarge { .. } => {
                (Kind::TooLarge, "build for size (opt-level, lto, strip); all limits are at /v1/limits")
            }
            Error::ForeignImports(_) => (
                Kind::ForeignImports,
                "a guest may import kinora:engine only: no clock, no files, no network, no randomness",
            ),
            Error::MissingExports(_) => {
                (Kind::MissingExports, "export a world of kinora:engine; the SDK's macros do that")
            }
            Error::Contract(_) => {
                (Kind::Contract, "build against the contract in wit/, or with the SDK of this host's version")
            }
            Error::Compile(_) => (Kind::CompileFailed, "see whether the limits for compiling at /v1/limits are enough"),
            Error::Describe(_) => (Kind::DescribeFailed, "describe() must answer at once, without touching rows"),
            Error::Manifest(_) => (Kind::InvalidManifest, "mend describe()"),
            Error::Unknown(_) => {
                (Kind::UnknownModule, "POST the module to /v1/modules; GET /v1/modules lists what is there")
            }
            Error::Compiling(_) => (Kind::ModuleCompiling, "GET /v1/modules/{digest} until its state is ready"),
            Error::Refused { why, .. } => {
                let mut problem = Self::from((**why).clone());
                problem.detail = detail;
                return problem;
            }
            Error::WrongKind { .. } => {
                (Kind::WrongKind, "a version takes one projector as its module, and upcasters as its upcasters")
            }
            Error::Engine(_) | Error::Store { .. } => {
                tracing::error!(%error, "the module store failed");
                (Kind::ModuleStoreFailed, "the host's output names the cause")
            }
        };
        Self::new(kind, detail).hint(hint)
    }
}

impl From<readmodel::Error> for Problem {
    fn from(error: readmodel::Error) -> Self {
        use readmodel::Error;
        let detail = error.to_string();
        match error {
            Error::UnknownTable { known, .. } => {
                Self::new(Kind::UnknownTable, detail).hint("GET /v1/read-models/{name} describes them").with("tables", json!(known))
            }
            Error::BeyondBudget { helpful, .. } => Self::new(Kind::BeyondBudget, detail)
                .hint("declare such an index in a new version, narrow the filter, or say scan=true if it is worth the time")
                .with("helpful_index", json!(helpful)),
            Error::UnknownPart { .. } => Self::new(Kind::UnknownKeyPart, detail)
                .hint("GET /v1/read-models/{name} says what the keys of each table stand for"),
            Error::InvalidFigure { .. } => Self::new(Kind::InvalidAggregate, detail).hint(
                "count, count(field), sum(field), avg(field), min(field), max(field), percentile(field,90), each with a name before it if you like: late:percentile(delay,90)",
            ),
            Error::TooManyGroups { .. } => Self::new(Kind::TooManyGroups, detail)
                .hint("narrow the filter, or group by fields with fewer values"),
            Error::NoHistory { .. } => Self::new(Kind::NoHistory, detail)
                .hint("declare one in a new version of the projector: .history(TABLE, events)"),
            Error::BeyondHistory { oldest, .. } => Self::new(Kind::BeyondHistory, detail)
                .hint("ask for a later position, or deploy a version that keeps more; the log has everything")
                .with("oldest_position", json!(oldest)),
            Error::TooManyRows { .. } => {
                Self::new(Kind::TooManyRows, detail).hint("narrow the filter, or follow the first rows of an order with limit")
            }
            Error::InvalidSelect { .. } => {
                Self::new(Kind::InvalidSelect, detail).hint("such as select=flights,delay.mean,worst:delay.max")
            }
            Error::InvalidFilter { .. } => {
                Self::new(Kind::InvalidFilter, detail).hint("such as flights=gte.100, origin=not.eq.EWR, key=like.EWR-*, or=(a.eq.1,b.is.null)")
            }
            Error::InvalidOrder { .. } => Self::new(Kind::InvalidOrder, detail).hint("such as order=flights.desc,origin"),
            Error::InvalidCursor(_) => {
                Self::new(Kind::InvalidCursor, detail).hint("follow `next` as it is, or begin again without a cursor")
            }
            _ => {
                tracing::error!(%detail, "a read model failed");
                Self::new(Kind::ReadModelFailed, "the read model could not be read")
                    .hint("the host's output names the cause; a version can be retired and deployed anew, the log is not touched")
            }
        }
    }
}

impl From<projection::Error> for Problem {
    fn from(error: projection::Error) -> Self {
        use projection::Error;
        let detail = error.to_string();
        let (kind, hint) = match error {
            Error::Name(error) => return error.into(),
            Error::Module(error) => return error.into(),
            Error::ReadModel(error) => return error.into(),
            Error::NotThereYet { reached, .. } => {
                return Self::new(Kind::NotThereYet, detail)
                    .hint("try again, with a longer timeout, or without min_position for an older answer")
                    .with("position", json!(reached));
            }
            Error::WrongState { state: projection::State::Validating, wanted: "queried", .. } => {
                return Self::new(Kind::Starting, detail).hint("try again in a moment");
            }
            Error::WrongState { state, .. } => {
                return Self::new(Kind::WrongState, detail)
                    .hint("GET /v1/projections/{name} shows the state of each version; a version is promoted once it is ready")
                    .with("state", json!(versions::state(state)));
            }
            Error::OtherLive { live, .. } => {
                return Self::new(Kind::OtherLive, detail)
                    .hint("somebody else was faster: look at the projection again")
                    .with("live", json!(live));
            }
            Error::BeyondPosition { reached, .. } => {
                return Self::new(Kind::BeyondPosition, detail)
                    .hint("ask for a position that is still to come, or without one for the rows as they are; `kinora verify` compares with all of history")
                    .with("position", json!(reached.last().map(|position| position.0)));
            }
            Error::AlreadyVerifying => (Kind::Busy, "it takes a core: try again when it is done"),
            Error::NotVerified(_) => (
                Kind::NotVerified,
                "the version has gone through these events, but a replay does not: look at the limits, the disk and the host's output",
            ),
            Error::NotStoppedThere { .. } => {
                (Kind::NotStoppedThere, "GET /v1/projections/{name} shows where a version stopped, and why")
            }
            Error::NoReason { .. } => {
                (Kind::NoReason, "say why it is right to pass over this event: it is shown for ever after")
            }
            Error::NothingToReproduce { .. } => (
                Kind::NothingToReproduce,
                "GET /v1/projections/{name} shows the state of each version; `kinora verify` replays all of history",
            ),
            Error::GatesClosed { gates, .. } => {
                return Self::new(Kind::GatesClosed, detail)
                    .hint(
                        "GET .../gates shows all of them; {\"force\": true} passes them over, and the history says so",
                    )
                    .with("gates", json!(rollouts::gates(gates)));
            }
            Error::Gaps(gaps) => {
                return Self::new(Kind::Gaps, detail)
                    .hint("handle them, name them in `ignores`, or deploy with an upcaster that brings them to what is handled")
                    .with("gaps", json!(rollouts::gaps(gaps)));
            }
            Error::Stopped { version, position, fault, .. } => {
                return Self::new(Kind::VersionFaulted, detail)
                    .hint("its rows are those before the fault: ?stale=true takes them; PATCH /v1/projections/{name} with {\"on_fault\": \"stale\"} does for everybody")
                    .with("state", json!("faulted"))
                    .with("version", json!(version))
                    .with("position", json!(position))
                    .with("fault", json!(versions::fault(*fault)));
            }
            Error::Log(error) => return error.into(),
            Error::StartBeyondEnd { .. } => {
                (Kind::StartBeyondEnd, "start at an event that is there, or at the beginning")
            }
            Error::Sample(_) | Error::Scratch { .. } => {
                tracing::error!(%detail, "no sample");
                (Kind::NoSample, "the host's output names the cause; a deployment does not need the forecast")
            }
            Error::UnknownProjection { .. } => {
                (Kind::UnknownProjection, "GET /v1/projections lists them; a deployment makes one")
            }
            Error::UnknownVersion { .. } => (Kind::UnknownVersion, "GET /v1/projections/{name} lists them"),
            Error::NothingLive { .. } => {
                (Kind::NothingLive, "promote a version that is ready, or ask for one with ?version=")
            }
            Error::NothingToRollBackTo { .. } => (Kind::NothingToRollBackTo, "promote a version instead"),
            Error::NotComparable(_) => (Kind::NotComparable, "GET /v1/projections/{name} shows where each version is"),
            Error::Chain(_) => {
                (Kind::Chain, "each type and schema has to end at a type that the projector handles or ignores")
            }
            Error::ModuleInUse { .. } => (Kind::ModuleInUse, "retire the version first"),
            Error::UnknownQuery { .. } => (Kind::UnknownQuery, "GET /v1/read-models/{name} describes them"),
            Error::InvalidArguments(_) => (Kind::InvalidArguments, "GET /v1/read-models/{name} describes the queries"),
            Error::QueryFailed(_) => (Kind::QueryFailed, "the projector gave this answer; see its code"),
            Error::QueryStopped(_) => {
                (Kind::QueryStopped, "the projector used up its limits or broke a rule; limits are at /v1/limits")
            }
            Error::TooManyQueries { .. } => (Kind::Busy, "try again a little later"),
            Error::Catalog { .. } | Error::Thread(_) => {
                tracing::error!(%detail, "the projections failed");
                (Kind::ProjectionsFailed, "nothing has changed; the host's output names the cause")
            }
        };
        Self::new(kind, detail).hint(hint)
    }
}
