//! Problems: errors as the client sees them. What becomes of a host's own errors is in [`crate::problems`].

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kinora_api::Kind;
use kinora_types::InvalidName;
use serde_json::{Map, Value, json};

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

    /// The same in other words.
    pub fn saying(mut self, detail: String) -> Self {
        self.detail = detail;
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.into_text()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if Kind::asks_for_patience(status.as_u16()) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<InvalidName> for Problem {
    fn from(error: InvalidName) -> Self {
        Self::new(Kind::InvalidName, error.to_string()).hint("names have no control characters, and a limited length")
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::new(Kind::TooLarge, rejection.body_text()).hint("all limits are at /v1/limits");
        }
        Self::new(Kind::InvalidBody, "the body broke off, or is not what its headers say").hint("send it again")
    }
}
