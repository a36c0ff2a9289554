//! A client of a host: addresses, requests, and what comes back, as an answer or as an error.
//!
//! It neither retries nor prints: what a failure means is for the command to say.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// How long to wait for a connection. A host is near; an address that swallows packets should not hold a script up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a host that refuses or fails says about it, after RFC 9457. All fields may be missing: a proxy may have spoken.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    pub hint: Option<String>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Problem {
    /// The last part of the type, which is what people call the problem.
    pub fn slug(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }

    fn read(status: StatusCode, body: &str) -> Self {
        match serde_json::from_str::<Self>(body) {
            Ok(problem) if !problem.detail.is_empty() => problem,
            _ => Self {
                title: status.canonical_reason().unwrap_or("unknown status").to_lowercase(),
                status: status.as_u16(),
                detail: format!("the answer was {status}: {}", shortened(body.trim())),
                ..Self::default()
            },
        }
    }
}

fn shortened(body: &str) -> String {
    body.chars().take(400).collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.detail.is_empty() { &self.title } else { &self.detail })?;
        if !self.slug().is_empty() {
            write!(formatter, "\n  problem: {}", self.slug())?;
        }
        let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        for (name, value) in self.extra.iter().filter(|(_, value)| !empty(value)) {
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
        "lost the host at {url} before its answer was complete\n  detail: {detail}\n  hint: see whether it still runs, and ask again"
    )]
    Lost { url: Url, detail: String },
    #[error(
        "the answer from {url} is not what was expected: {cause}\n  hint: are the host and this client of the same version?"
    )]
    Unreadable { url: Url, cause: serde_json::Error },
    /// URLs give these a meaning of their own, encoded or not.
    #[error("the name `{0}` cannot stand in a URL\n  hint: names are not empty, not `.` and not `..`")]
    Name(String),
}

impl Error {
    fn from_request(url: &Url, cause: &reqwest::Error) -> Self {
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
}

fn origin(url: &Url) -> Url {
    url.join("/").unwrap_or_else(|_| url.clone())
}

/// A successful answer, as text, so that a command can pass it on as it is.
pub struct Answer {
    url: Url,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    pub fn text(&self) -> &str {
        &self.body
    }

    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.body).map_err(|cause| Error::Unreadable { url: self.url.clone(), cause })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

pub struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    /// Proxies are never used: a host is spoken to directly, whatever the environment says. Who asks and why is sent
    /// along, for the history.
    pub fn new(base: Url, actor: Option<&str>, reason: Option<&str>) -> anyhow::Result<Self> {
        let agent = concat!("kinora/", env!("CARGO_PKG_VERSION"));
        let mut headers = HeaderMap::new();
        for (name, text) in [("kinora-actor", actor), ("kinora-reason", reason)] {
            if let Some(text) = text {
                let value = HeaderValue::from_bytes(text.as_bytes());
                headers.insert(name, value.map_err(|_| anyhow::anyhow!("{text:?} cannot stand in a header"))?);
            }
        }
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).user_agent(agent);
        let http = http.default_headers(headers).build()?;
        Ok(Self { http, base })
    }

    pub fn url(&self, segments: &[&str]) -> Result<Url, Error> {
        address(&self.base, segments)
    }

    pub async fn get(&self, url: Url) -> Result<Answer, Error> {
        self.answer(Method::GET, url, |request| request).await
    }

    pub async fn delete(&self, url: Url) -> Result<Answer, Error> {
        self.answer(Method::DELETE, url, |request| request).await
    }

    pub async fn post(&self, url: Url) -> Result<Answer, Error> {
        self.answer(Method::POST, url, |request| request).await
    }

    pub async fn patch_json(&self, url: Url, body: &Value) -> Result<Answer, Error> {
        self.answer(Method::PATCH, url, |request| request.json(body)).await
    }

    pub async fn post_json(&self, url: Url, body: &Value) -> Result<Answer, Error> {
        self.answer(Method::POST, url, |request| request.json(body)).await
    }

    pub async fn post_module(&self, url: Url, bytes: Vec<u8>) -> Result<Answer, Error> {
        self.answer(Method::POST, url, |request| request.header(CONTENT_TYPE, "application/wasm").body(bytes)).await
    }

    /// `precondition` is a header and its value.
    pub async fn post_events(
        &self,
        url: Url,
        body: String,
        precondition: Option<(&'static str, String)>,
    ) -> Result<Answer, Error> {
        let with = |request: RequestBuilder| {
            let request = request.header(CONTENT_TYPE, "application/json").body(body);
            match precondition {
                Some((name, value)) => request.header(name, value),
                None => request,
            }
        };
        self.answer(Method::POST, url, with).await
    }

    /// The next piece of such an answer.
    pub async fn piece(response: &mut Response) -> Result<Option<Vec<u8>>, Error> {
        let url = response.url().clone();
        let piece = response.chunk().await.map_err(|cause| Error::from_request(&url, &cause))?;
        Ok(piece.map(|piece| piece.to_vec()))
    }

    /// Opens a subscription after the event with this id, or where the URL says.
    pub async fn subscribe(&self, url: Url, last_event_id: Option<&str>) -> Result<Response, Error> {
        let mut request = self.http.get(url.clone()).header(ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.map_err(|cause| Error::from_request(&url, &cause))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Self::not_a_stream(url, response).await)
    }

    /// Opens an answer that is read piece by piece.
    pub async fn stream(&self, url: Url, accept: &'static str) -> Result<Response, Error> {
        let response = self.http.get(url.clone()).header(ACCEPT, accept).send().await;
        let response = response.map_err(|cause| Error::from_request(&url, &cause))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Self::not_a_stream(url, response).await)
    }

    async fn not_a_stream(url: Url, response: Response) -> Error {
        match Self::read(url, response).await {
            Ok(answer) => Error::Failed(Box::new(Problem::read(StatusCode::OK, &answer.body))),
            Err(error) => error,
        }
    }

    async fn answer(
        &self,
        method: Method,
        url: Url,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let response = with(self.http.request(method, url.clone())).send().await;
        let response = response.map_err(|cause| Error::from_request(&url, &cause))?;
        Self::read(url, response).await
    }

    async fn read(url: Url, response: Response) -> Result<Answer, Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.map_err(|cause| Error::from_request(&url, &cause))?;
        if status.is_success() {
            return Ok(Answer { url, headers, body });
        }
        let problem = Box::new(Problem::read(status, &body));
        Err(if status.is_client_error() { Error::Refused(problem) } else { Error::Failed(problem) })
    }
}

/// A base URL as people write it on the command line.
pub fn base_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|cause| format!("{cause}; a URL looks like http://127.0.0.1:7070"))?;
    if url.scheme() != "http" || url.cannot_be_a_base() {
        return Err("a URL looks like http://127.0.0.1:7070; only http is spoken".to_owned());
    }
    Ok(url)
}

fn address(base: &Url, segments: &[&str]) -> Result<Url, Error> {
    if let Some(bad) = segments.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
        return Err(Error::Name((*bad).to_owned()));
    }
    let mut url = base.clone();
    url.set_query(None);
    match url.path_segments_mut() {
        Ok(mut path) => {
            path.pop_if_empty().extend(segments);
        }
        // base_url lets no such URL in.
        Err(()) => return Err(Error::Name(base.to_string())),
    }
    Ok(url)
}

/// Adds parameters. Spaces become %20, which every decoder reads; a plus does not.
pub fn with_parameters<'a>(mut url: Url, parameters: impl IntoIterator<Item = (&'a str, String)>) -> Url {
    for (name, value) in parameters {
        url.query_pairs_mut().append_pair(name, &value);
    }
    let query = url.query().map(|query| query.replace('+', "%20"));
    url.set_query(query.as_deref());
    url
}

/// The URL of the next page, of which only the parameters are taken: the host need not know the way to itself.
pub fn next_page(current: &Url, next: &str) -> Url {
    let mut url = current.clone();
    url.set_query(next.split_once('?').map(|(_, query)| query));
    url
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn base() -> Url {
        base_url("http://127.0.0.1:7070").unwrap()
    }

    #[test]
    fn names_are_encoded_as_one_segment_each() {
        let url = address(&base(), &["v1", "streams", "a/b c%?#é", "events"]).unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:7070/v1/streams/a%2Fb%20c%25%3F%23%C3%A9/events");
    }

    #[test]
    fn a_name_that_would_change_the_path_is_refused() {
        for name in ["", ".", ".."] {
            assert!(address(&base(), &["v1", name]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_base_may_have_a_path() {
        let base = base_url("http://example.org/kinora/").unwrap();
        assert_eq!(address(&base, &["v1", "x"]).unwrap().as_str(), "http://example.org/kinora/v1/x");
    }

    #[test]
    fn a_base_without_http_is_refused() {
        assert!(base_url("localhost:7070").is_err());
        assert!(base_url("https://example.org").is_err());
        assert!(base_url("7070").is_err());
    }

    #[test]
    fn parameters_are_encoded_with_percent_signs_only() {
        let url = with_parameters(base(), [("carrier", "eq.a b+c".to_owned()), ("order", "x.desc".to_owned())]);
        assert_eq!(url.query(), Some("carrier=eq.a%20b%2Bc&order=x.desc"));
        assert_eq!(with_parameters(base(), []).query(), None);
    }

    #[test]
    fn the_next_page_is_asked_for_where_the_first_was() {
        let current = base_url("http://example.org/kinora/v1/events?limit=2").unwrap();
        let next = next_page(&current, "/v1/events?from=2&limit=2");
        assert_eq!(next.as_str(), "http://example.org/kinora/v1/events?from=2&limit=2");
    }

    #[test]
    fn a_problem_says_what_and_why_and_what_next() {
        let body = r#"{"type":"https://kinora.dev/problems/not-ready","title":"not ready","status":409,
            "detail":"version 2 is replaying","hint":"wait","lag":7,"failures":[]}"#;
        let problem = Problem::read(StatusCode::CONFLICT, body);
        assert_eq!(problem.to_string(), "version 2 is replaying\n  problem: not-ready\n  lag: 7\n  hint: wait");
    }

    #[test]
    fn an_answer_that_is_no_problem_is_shown_as_it_is() {
        let problem = Problem::read(StatusCode::BAD_GATEWAY, "upstream down");
        assert_eq!(problem.to_string(), "the answer was 502 Bad Gateway: upstream down");
    }
}
