//! Problems: errors as the client sees them. What becomes of a host's own errors is in [`crate::problems`].

use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kinora_api::Kind;
use kinora_types::{Exhausted, InvalidName};
use serde_json::{Map, Value, json};

use crate::serve::listen::TooSlow;

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Problem details after RFC 9457. `type` is stable; `hint` says what to do next.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    hint: Option<String>,
    more: Map<String, Value>,
    /// Few have one, and most are handed on as errors.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// What of its budget was used up, if that is why work ended.
    exhausted: Option<Exhausted>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None, more: Map::new(), header: None, exhausted: None }
    }

    /// That work ended because its budget was used up.
    pub fn of_budget(kind: Kind, why: Exhausted) -> Self {
        Self { exhausted: Some(why), ..Self::new(kind, why.to_string()) }
    }

    pub fn exhausted(&self) -> Option<Exhausted> {
        self.exhausted
    }

    /// Names the limit that was passed.
    pub fn with_limit(self, name: &str) -> Self {
        let detail = format!("{}: the limit is {name}", self.detail);
        self.with("name", json!(name)).saying(detail)
    }

    /// What is wrong, in a sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// With a header of the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
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
    fn into_response(mut self) -> Response {
        let header = self.header.take();
        let status = StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.into_text()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(header) = header {
            let (name, value) = *header;
            headers.insert(name, value);
        }
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

impl From<TooSlow> for Problem {
    fn from(slow: TooSlow) -> Self {
        Self::new(Kind::TooSlow, slow.to_string()).hint("limits: http.body_bytes in http.body_seconds")
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::new(Kind::TooLarge, rejection.body_text()).hint("all limits are at /v1/limits");
        }
        if let Some(slow) = TooSlow::in_causes_of(&rejection) {
            return (*slow).into();
        }
        Self::new(Kind::InvalidBody, "the body broke off, or is not what its headers say").hint("send it again")
    }
}
