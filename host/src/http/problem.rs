//! Errors as the client sees them. The one place that maps them to status codes.

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::event::InvalidName;
use crate::log::{self, AppendError, Rejection};

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Problem details after RFC 9457. `type` is stable; `hint` says what to do next.
#[derive(Debug)]
pub struct Problem {
    status: u16,
    slug: &'static str,
    detail: String,
    hint: Option<String>,
    more: Map<String, Value>,
}

impl Problem {
    pub fn new(status: u16, slug: &'static str, detail: impl Into<String>) -> Self {
        Self { status, slug, detail: detail.into(), hint: None, more: Map::new() }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = self.more;
        body.insert("type".into(), json!(format!("https://kinora.dev/problems/{}", self.slug)));
        body.insert("title".into(), json!(self.slug.replace('-', " ")));
        body.insert("status".into(), json!(self.status));
        body.insert("detail".into(), json!(self.detail));
        if let Some(hint) = self.hint {
            body.insert("hint".into(), json!(hint));
        }
        let mut response = (status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.status, 429 | 503) {
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
            AppendError::Empty => Self::new(400, "invalid-event", detail).hint("send at least one event"),
            AppendError::TooLarge { limit, actual, .. } => Self::new(413, "too-large", detail)
                .hint("send less at a time; all limits are at /v1/limits")
                .with("limit", json!(limit))
                .with("actual", json!(actual)),
            AppendError::Busy { .. } => Self::new(503, "busy", detail).hint("try again a little later"),
            AppendError::Poisoned => {
                Self::new(503, "log-poisoned", detail).hint("restart the host; look at its output for the cause")
            }
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
    let (status, slug, hint) = if rejection.reused_ids.is_empty() {
        (412, "wrong-expected-revision", "read the stream again, decide anew, and append with its current revision")
    } else {
        (409, "id-reused", "give each new event an id of its own; retry a request with the same ids and content only")
    };
    Problem::new(status, slug, detail)
        .hint(hint)
        .with("failures", json!(wrong.collect::<Vec<_>>()))
        .with("reused_ids", json!(reused.collect::<Vec<_>>()))
}

impl From<log::Error> for Problem {
    /// The cause goes to the host's output; the client is told where it is, not what the disk said.
    fn from(error: log::Error) -> Self {
        tracing::error!(%error, "the log failed");
        Self::new(500, "log-failed", "the log could not be read or written")
            .hint("nothing acknowledged is lost; the host's output names the cause")
    }
}

impl From<InvalidName> for Problem {
    fn from(error: InvalidName) -> Self {
        Self::new(400, "invalid-name", error.to_string()).hint("names have no control characters, and a limited length")
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let status = rejection.status().as_u16();
        let slug = if status == 413 { "too-large" } else { "invalid-body" };
        Self::new(status, slug, rejection.body_text()).hint("all limits are at /v1/limits")
    }
}
