//! Headers that a request can have, and those that say where an answer comes from.

use utoipa::IntoParams;

/// Who asks, such as `ada@example.org` or `ci/build-812`.
pub const ACTOR: &str = "kinora-actor";

/// Why, in a sentence.
pub const REASON: &str = "kinora-reason";

/// A name for the client: clients take turns.
pub const CLIENT: &str = "kinora-client";

/// Why somebody appends to a stream that a decider owns.
pub const OVERRIDE: &str = "kinora-override";

/// The version that gave an answer.
pub const VERSION: &str = "kinora-version";

/// The last event that an answer stands for.
pub const POSITION: &str = "kinora-position";

/// How much of the log the reader of an answer has seen.
pub const SESSION: &str = "kinora-session";

/// Fields that a query names, that are not declared, and that no row had which was looked at; percent-encoded.
pub const UNKNOWN_FIELDS: &str = "kinora-unknown-fields";

/// A name for a request.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What is said of a change, and of whoever wants it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct By {
    /// A name for this request: sent again with it, it is done once, and answered as the first time
    #[param(rename = "Idempotency-Key", nullable = false)]
    pub idempotency_key: Option<String>,
    /// Who does it, for the history
    #[param(rename = "Kinora-Actor", nullable = false)]
    pub actor: Option<String>,
    /// Why, for the history
    #[param(rename = "Kinora-Reason", nullable = false)]
    pub reason: Option<String>,
}

/// What is said of an append.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Append {
    /// A name for this request: sent again with it, it is answered as the first time
    #[param(rename = "Idempotency-Key", nullable = false)]
    pub idempotency_key: Option<String>,
    /// A name for the client: clients take turns
    #[param(rename = "Kinora-Client", nullable = false)]
    pub client: Option<String>,
}

/// What an operator says who appends where a decider does.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Override {
    /// Why a stream is appended to that a decider owns: it needs the role operator, and stands in the history
    #[param(rename = "Kinora-Override", nullable = false)]
    pub reason: Option<String>,
}

/// What a stream has to be at.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Expected {
    /// A revision in quotes, or * if the stream has to exist
    #[param(rename = "If-Match", nullable = false)]
    pub if_match: Option<String>,
    /// * if the stream must not exist
    #[param(rename = "If-None-Match", nullable = false)]
    pub if_none_match: Option<String>,
}

/// What a client has of a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Known {
    /// The ETag of an answer that the client has: 304 if it has not changed
    #[param(rename = "If-None-Match", nullable = false)]
    pub if_none_match: Option<String>,
}

/// Where a client that follows goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Resume {
    /// With Accept: text/event-stream, the id of the last event that was received
    #[param(rename = "Last-Event-ID", nullable = false)]
    pub last_event_id: Option<String>,
}

/// A reader who never goes back.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Session {
    /// The token of the answer before: this one shows at least as much
    #[param(rename = "Kinora-Session", nullable = false)]
    pub session: Option<String>,
}

/// What a reader would like.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Prefer {
    /// count=exact counts all rows
    #[param(rename = "Prefer", nullable = false)]
    pub prefer: Option<String>,
}
