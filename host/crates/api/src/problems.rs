//! Problems: what a host says when it refuses or fails, after RFC 9457, and every type that a problem can have.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// What the types of all problems begin with.
const BASE: &str = "https://kinora.dev/problems/";

/// Declares every kind of problem once: its name, its status, and when it is.
macro_rules! kinds {
    ($($kind:ident $slug:literal $status:literal $when:literal)*) => {
        /// The kinds of problems. Names and statuses are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $when] $kind,)*
        }

        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The last part of its type.
            pub fn slug(self) -> &'static str {
                match self {
                    $(Self::$kind => $slug,)*
                }
            }

            /// The status of an answer with this problem.
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$kind => $status,)*
                }
            }

            /// What has happened, in a few words.
            pub fn when(self) -> &'static str {
                match self {
                    $(Self::$kind => $when,)*
                }
            }
        }
    };
}

kinds! {
    InvalidEvent "invalid-event" 400 "the event is not as it has to be"
    InvalidJson "invalid-json" 400 "the body is no JSON, or not what is asked for"
    InvalidBody "invalid-body" 400 "the body cannot be read"
    UnknownEncoding "unknown-encoding" 415 "the body is packed in a way that is not known"
    InvalidCloudevent "invalid-cloudevent" 400 "the CloudEvent is not as it has to be"
    InvalidCondition "invalid-condition" 400 "the condition says nothing"
    InvalidName "invalid-name" 400 "the name of a stream, a type or a projection cannot be one"
    InvalidHeader "invalid-header" 400 "a header cannot be read"
    InvalidParameter "invalid-parameter" 400 "a parameter is not known, or has no such value"
    InvalidDigest "invalid-digest" 400 "this is not the digest of a module"
    InvalidVersion "invalid-version" 400 "this is not the number of a version"
    InvalidFilter "invalid-filter" 400 "the filter cannot be read"
    InvalidOrder "invalid-order" 400 "the order cannot be read"
    InvalidSelect "invalid-select" 400 "the selection of fields cannot be read"
    InvalidAggregate "invalid-aggregate" 400 "the figures cannot be read"
    InvalidCursor "invalid-cursor" 400 "the cursor is not one of this list"
    UnknownField "unknown-field" 400 "rows of the table have no such field"
    UnknownKeyPart "unknown-key-part" 400 "the key of the table has no such part"
    InvalidCommand "invalid-command" 400 "the data is not what the command takes"
    InvalidArguments "invalid-arguments" 400 "the arguments are not those of the query"
    BeyondBudget "beyond-budget" 400 "the query would read more than it may"
    TooManyGroups "too-many-groups" 400 "the figures are of more groups than there may be"
    TooManyRows "too-many-rows" 400 "the query has more rows than can be followed"
    NoHistory "no-history" 400 "the table keeps no past"
    NotWasm "not-wasm" 400 "the bytes are no module"
    NoReason "no-reason" 400 "a skip has no reason"
    StartBeyondEnd "start-beyond-end" 400 "a version would start at an event that is not there"
    TooSlow "too-slow" 408 "the body came too slowly"
    Unauthenticated "unauthenticated" 401 "the host does not know who asks"
    Forbidden "forbidden" 403 "whoever asks may not do this"
    ForeignOrigin "foreign-origin" 403 "it comes from a page of another site, or calls the host by a foreign name"
    OwnedStream "owned-stream" 403 "only a decider appends to this stream"
    UnknownContentType "unknown-content-type" 415 "the body does not say what it is"
    ReservedName "reserved-name" 403 "the name begins with $kinora"
    UnknownRoute "unknown-route" 404 "there is nothing at this address"
    UnknownStream "unknown-stream" 404 "there is no such stream"
    UnknownModule "unknown-module" 404 "there is no such module"
    UnknownProjection "unknown-projection" 404 "there is no such projection"
    UnknownDecider "unknown-decider" 404 "there is no such decider"
    UnknownCommand "unknown-command" 404 "the decider takes no such command"
    UnknownVersion "unknown-version" 404 "there is no such version"
    UnknownTable "unknown-table" 404 "there is no such table"
    UnknownRow "unknown-row" 404 "there is no such row"
    UnknownQuery "unknown-query" 404 "there is no such query"
    NotClaimed "not-claimed" 404 "nobody holds this claim"
    WrongMethod "wrong-method" 405 "the route does not take this method"
    IdReused "id-reused" 409 "the id has other content"
    PartlyKnown "partly-known" 409 "some of the events are there already"
    ClaimFailed "claim-failed" 409 "the claim is held by another, or not by its owner"
    DecidesOtherwise "decides-otherwise" 409 "the version decides recorded commands otherwise"
    WouldStop "would-stop" 409 "live projections would stop at what the version emits"
    OneWay "one-way" 409 "the version does not fold what has been decided since it was live"
    DecisionConflict "decision-conflict" 409 "others changed the same while this was decided"
    WrongState "wrong-state" 409 "the version is in another state than this needs"
    OtherLive "other-live" 409 "another version is live than was expected"
    GatesClosed "gates-closed" 409 "a gate of the version is closed"
    NothingLive "nothing-live" 409 "no version of the projection is live"
    NothingToRollBackTo "nothing-to-roll-back-to" 409 "no version was live before"
    NotComparable "not-comparable" 409 "the versions cannot be taken at one position"
    ModuleCompiling "module-compiling" 409 "the module is still being compiled"
    ModuleInUse "module-in-use" 409 "a version uses the module"
    Held "held" 409 "it is not run before somebody asks for it: it may have ended the host, or that has no guests"
    LimitReached "limit-reached" 409 "there are as many of these as there may be"
    NotStoppedThere "not-stopped-there" 409 "the version did not stop at this event"
    NothingToReproduce "nothing-to-reproduce" 409 "the version has no fault of one event"
    BeyondPosition "beyond-position" 409 "the version is past this position"
    NoBackups "no-backups" 409 "the host has no folder for backups"
    OtherIncarnation "other-incarnation" 410 "the log was restored or repaired, and what this stands for is gone"
    BeyondHistory "beyond-history" 410 "the table does not keep so much of the past"
    WrongExpectedRevision "wrong-expected-revision" 412 "the stream has moved on: read again, decide anew"
    ConditionFailed "condition-failed" 412 "the log has moved on: read again, decide anew"
    TooLarge "too-large" 413 "a limit is passed; with the limit, and its name or the actual figure"
    IdempotencyKeyReused "idempotency-key-reused" 422 "the key was sent with another request"
    CommandRejected "command-rejected" 422 "the rules say no; with the code of the rejection"
    ForeignImports "foreign-imports" 422 "the module imports what is not the engine's"
    MissingExports "missing-exports" 422 "the module exports no world of the engine"
    Contract "contract" 422 "the module is of another contract"
    CompileFailed "compile-failed" 422 "the module could not be compiled"
    DescribeFailed "describe-failed" 422 "the module could not describe itself"
    InvalidManifest "invalid-manifest" 422 "what the module says of itself is wrong"
    WrongKind "wrong-kind" 422 "an upcaster stands where a projector has to, or the other way round"
    Gaps "gaps" 422 "there are events that nobody would handle"
    Chain "chain" 422 "the upcasters do not lead to a handled type"
    TooManyRequests "too-many-requests" 429 "this client has too many requests waiting"
    DeciderFailed "decider-failed" 500 "the decider failed, or hit a limit"
    QueryFailed "query-failed" 500 "the projector's named query failed"
    QueryStopped "query-stopped" 500 "the projector's named query hit a limit"
    LogFailed "log-failed" 500 "the log could not be read or written"
    ReadModelFailed "read-model-failed" 500 "the read model could not be read"
    ModuleStoreFailed "module-store-failed" 500 "the modules could not be read or written"
    ProjectionsFailed "projections-failed" 500 "the projections could not be changed"
    BackupFailed "backup-failed" 500 "the backup could not be made"
    NoSample "no-sample" 500 "there is no sample for a forecast"
    NotVerified "not-verified" 500 "a replay does not get as far as the version did"
    Internal "internal" 500 "the host has trouble; its output names the cause"
    Busy "busy" 503 "the host has too much to do: try again"
    TimedOut "timed-out" 503 "it took longer than it may; with the limit and its name"
    Starting "starting" 503 "the version is starting: try again"
    NotThereYet "not-there-yet" 503 "the position was not reached in time"
    VersionFaulted "version-faulted" 503 "the version stopped at a fault"
    VersionPaused "version-paused" 503 "the version is paused"
    OutcomeUnknown "outcome-unknown" 503 "a write failed: ask again with the same ids once the host is restarted"
    LogPoisoned "log-poisoned" 503 "the log takes no appends until the host is restarted"
    NoSpace "no-space" 507 "the disk is as good as full; appends go on once there is space"
}

impl Kind {
    /// The `type` of a problem of this kind.
    pub fn uri(self) -> String {
        format!("{BASE}{}", self.slug())
    }

    /// Whether an answer with this status says when to try again.
    pub fn asks_for_patience(status: u16) -> bool {
        matches!(status, 429 | 503)
    }

    /// The kind of this name.
    pub fn named(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }
}

/// What is wrong, and what to do. All members may be missing where a proxy has spoken.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Stable: an address that ends with the name of the problem.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What is wrong.
    pub detail: String,
    /// What to do next.
    pub hint: Option<String>,
    /// What depends on the type.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind: kind.uri(),
            title: kind.slug().replace('-', " "),
            status: kind.status(),
            detail: detail.into(),
            hint: None,
            more: Map::new(),
        }
    }

    /// The last part of the type, which is what people call the problem.
    pub fn slug(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }
}

impl Serialize for Problem {
    /// All members in one order, those that depend on the type among the others.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = self.more.clone();
        members.insert("type".into(), json!(self.kind));
        members.insert("title".into(), json!(self.title));
        members.insert("status".into(), json!(self.status));
        members.insert("detail".into(), json!(self.detail));
        if let Some(hint) = &self.hint {
            members.insert("hint".into(), json!(hint));
        }
        members.serialize(serializer)
    }
}

/// For people: what, its name, what depends on it, and what to do.
impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.detail.is_empty() { &self.title } else { &self.detail })?;
        if !self.slug().is_empty() {
            write!(formatter, "\n  problem: {}", self.slug())?;
        }
        let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        for (name, value) in self.more.iter().filter(|(_, value)| !empty(value)) {
            match value {
                Value::String(text) => write!(formatter, "\n  {name}: {text}")?,
                other => write!(formatter, "\n  {name}: {other}")?,
            }
        }
        match &self.hint {
            Some(hint) => write!(formatter, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        let meanings = Kind::ALL.iter().map(|kind| format!("- `{}` ({}): {}", kind.slug(), kind.status(), kind.when()));
        let meanings = meanings.collect::<Vec<_>>().join("\n");
        let kind = text(&format!("Stable; it ends with the name of the problem:\n{meanings}"))
            .format(Some(SchemaFormat::Custom("uri".into())))
            .enum_values(Some(Kind::ALL.iter().map(|kind| kind.uri())));
        let status = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599));
        let example = Self {
            hint: Some("a stream begins with its first event".into()),
            ..Self::new(Kind::UnknownStream, "there is no stream order-7")
        };
        ObjectBuilder::new()
            .description(Some("What is wrong, and what to do (RFC 9457). More members depend on the type."))
            .property("type", kind)
            .required("type")
            .property("title", text("The name of the problem in words."))
            .required("title")
            .property("status", status.description(Some("The status of the answer.")))
            .required("status")
            .property("detail", text("What is wrong."))
            .required("detail")
            .property("hint", text("What to do next."))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .examples([json!(example)])
            .into()
    }
}

impl ToSchema for Problem {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_and_why_and_what_next() {
        let body = r#"{"type":"https://kinora.dev/problems/not-ready","title":"not ready","status":409,
            "detail":"version 2 is replaying","hint":"wait","lag":7,"failures":[]}"#;
        let problem: Problem = serde_json::from_str(body).unwrap();
        assert_eq!(problem.to_string(), "version 2 is replaying\n  problem: not-ready\n  lag: 7\n  hint: wait");
        assert_eq!(serde_json::to_value(&problem).unwrap(), serde_json::from_str::<Value>(body).unwrap());
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_is_in_the_guide() {
        let guide = include_str!("../../../docs/http.md");
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.slug()), Some(*kind));
            let rows = guide.lines().filter(|line| line.contains(&format!("`{}`", kind.slug())));
            let status = format!("| {} |", kind.status());
            assert!(rows.into_iter().any(|row| row.starts_with(&status)), "{kind:?}");
        }
        let table = guide.split("\n## Problems\n").nth(1).unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5"));
        let names = rows.flat_map(|row| row.split('|').nth(2).unwrap().split('`').skip(1).step_by(2));
        let unknown: Vec<&str> = names.filter(|name| Kind::named(name).is_none()).collect();
        assert!(unknown.is_empty(), "the guide lists {unknown:?}");
    }
}
