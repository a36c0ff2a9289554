//! Errors: why there is no answer.

use std::error::Error as _;

use kinora_api::Problem;
use reqwest::{StatusCode, Url};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request was wrong, or not possible now: look at the problem.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The host could not do it; the same request may work later.
    #[error("{0}")]
    Failed(Box<Problem>),
    #[error(
        "no host at {url}: start one with `kinora serve --data ./data`, or name another with --url\n  detail: {detail}"
    )]
    Unreachable { url: Url, detail: String },
    /// Whether the request was carried out is not known.
    #[error(
        "lost the host at {url} before its answer was complete\n  detail: {detail}\n  hint: see whether it still runs, \
         and ask again"
    )]
    Lost { url: Url, detail: String },
    #[error(
        "the answer from {url} is not what was expected: {cause}\n  hint: are the host and this client of the same \
         version?"
    )]
    Unreadable { url: Url, cause: serde_json::Error },
    /// URLs give these a meaning of their own, encoded or not.
    #[error("the name `{0}` cannot stand in a URL\n  hint: names are not empty, not `.` and not `..`")]
    Name(String),
    #[error("{0:?} cannot stand in a header")]
    Header(String),
    #[error("the parameters cannot stand in a URL: {0}")]
    Parameters(String),
    #[error("the request cannot be written as JSON: {0}")]
    Request(serde_json::Error),
    #[error("the client cannot be set up: {0}")]
    Setup(reqwest::Error),
}

impl Error {
    pub(crate) fn from_request(url: &Url, cause: &reqwest::Error) -> Self {
        // The innermost cause is the one that says something: "connection refused", not "error sending request".
        let mut detail = cause.to_string();
        let mut source = cause.source();
        while let Some(inner) = source {
            detail = inner.to_string();
            source = inner.source();
        }
        if cause.is_connect() {
            return Self::Unreachable { url: origin(url), detail };
        }
        Self::Lost { url: origin(url), detail }
    }

    /// An answer that is no success.
    pub(crate) fn from_answer(status: StatusCode, body: &str) -> Self {
        let problem = Box::new(problem(status, body));
        if status.is_client_error() { Self::Refused(problem) } else { Self::Failed(problem) }
    }
}

fn origin(url: &Url) -> Url {
    url.join("/").unwrap_or_else(|_| url.clone())
}

/// The problem of an answer, or its text where a proxy has spoken.
fn problem(status: StatusCode, body: &str) -> Problem {
    match serde_json::from_str::<Problem>(body) {
        Ok(problem) if !problem.detail.is_empty() => problem,
        _ => Problem {
            title: status.canonical_reason().unwrap_or("unknown status").to_lowercase(),
            status: status.as_u16(),
            detail: format!("the answer was {status}: {}", shortened(body.trim())),
            ..Problem::default()
        },
    }
}

fn shortened(body: &str) -> String {
    body.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_problem_is_shown_as_it_is() {
        let problem = problem(StatusCode::BAD_GATEWAY, "upstream down");
        assert_eq!(problem.to_string(), "the answer was 502 Bad Gateway: upstream down");
    }
}
