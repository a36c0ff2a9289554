//! Common parts of all queries: parameters, the version that answers, and where an answer comes from.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use kinora_api::{Kind, headers};
use kinora_log::Log;
use kinora_projection::{Answer, Projections, Still};
use kinora_types::{Micros, Position, Progress};

use crate::edge::problem::Problem;
use crate::edge::session;
use crate::edge::session::{Asked, SESSION, Seen};
use crate::host::{blocking, written};
use crate::query::row_format::Format;

pub const VERSION: HeaderName = HeaderName::from_static(headers::VERSION);
pub const POSITION: HeaderName = HeaderName::from_static(headers::POSITION);

/// Of an answer, with those that the server adds.
pub const HEADERS: usize = 10;

/// The log's life, version and position in digits, and what stands around them.
pub const ENTITY_TAG_BYTES: usize = 50;

/// How long a query waits for `min_position`, unless the client says otherwise, and at most.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The parameters that every query can have.
const COMMON: [&str; 6] = ["version", "min_position", "at_position", "at_time", "timeout", "stale"];

/// What every query can say, apart from its own parameters.
#[derive(Default)]
pub struct Common {
    pub version: Option<u32>,
    pub min_position: Option<u64>,
    /// What the reader has seen: a session never sees less.
    pub seen: Option<Seen>,
    pub timeout: Option<Duration>,
    /// Whether the rows of a version that stands still are welcome.
    pub stale: bool,
    /// A moment of the past, for tables with a history.
    pub past: Option<Past>,
}

#[derive(Clone, Copy)]
pub enum Past {
    Position(u64),
    Time(Timestamp),
}

impl Common {
    /// Takes the common parameters out of all of them.
    pub fn take(pairs: Asked) -> Result<(Self, Vec<(String, String)>), Problem> {
        let Asked { pairs, seen } = pairs;
        let mut common = Self { seen: seen?, ..Self::default() };
        let (mut rest, mut given) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            if let Some(known) = COMMON.into_iter().find(|known| *known == name) {
                if given.contains(&known) {
                    return Err(invalid(format!("{name} is there twice, and only one of them could count")));
                }
                given.push(known);
            }
            match name.as_str() {
                "version" => common.version = Some(number(&name, &value)?),
                "min_position" => common.min_position = Some(number(&name, &value)?),
                "at_position" => common.past = Some(Past::Position(number(&name, &value)?)),
                "at_time" => {
                    let time =
                        value.parse().map_err(|cause| invalid(format!("at_time={value} is no time: {cause}")))?;
                    common.past = Some(Past::Time(time));
                }
                "timeout" => {
                    let seconds: f64 = number(&name, &value)?;
                    let timeout = Duration::try_from_secs_f64(seconds).ok().filter(|timeout| *timeout <= MAX_TIMEOUT);
                    let most = MAX_TIMEOUT.as_secs();
                    common.timeout = Some(
                        timeout.ok_or_else(|| invalid(format!("timeout {value} is not from 0 to {most} seconds")))?,
                    );
                }
                "stale" => common.stale = number(&name, &value)?,
                _ => rest.push((name, value)),
            }
        }
        if given.contains(&"at_position") && given.contains(&"at_time") {
            return Err(invalid("at_position and at_time are two moments: ask for one".into()));
        }
        Ok((common, rest))
    }

    pub async fn answer(&self, projections: &Projections, name: &str) -> Result<Answer, Problem> {
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let seen = self.seen.map(|seen| seen.position(projections.log().lineage())).transpose()?;
        let least = self.min_position.max(seen);
        let asked_for = match self.past {
            Some(Past::Position(position)) => least.max(Some(position)),
            _ => least,
        };
        let at_least = asked_for.map(|position| (Position(position), timeout));
        match self.stale {
            true => Ok(projections.queries().answer_even_stale(name, self.version, at_least).await?),
            false => Ok(projections.queries().answer(name, self.version, at_least).await?),
        }
    }

    /// How many events had been applied at the moment of the past that is asked for.
    pub async fn past(&self, log: &Log, answer: &Answer) -> Result<Option<Progress>, Problem> {
        match self.past {
            None => Ok(None),
            Some(Past::Position(position)) => Ok(Some(Progress(position.saturating_add(1)))),
            Some(Past::Time(time)) => {
                // Events of that very microsecond had been appended by then.
                let micros = Micros(u64::try_from(time.as_microsecond()).unwrap_or(0).saturating_add(1));
                let log = log.clone();
                let next = blocking(move || log.position_at(micros)).await?;
                Ok(Some(Progress(next.0).min(answer.snapshot.checkpoint())))
            }
        }
    }

    /// For what has no past.
    pub fn only_now(&self) -> Result<(), Problem> {
        match self.past {
            None => Ok(()),
            Some(_) => Err(invalid("at_position and at_time go with rows and lists".into())),
        }
    }
}

/// Says that an answer is of the past.
pub fn as_of(past: Option<Progress>, mut response: Response) -> Response {
    if let Some(position) = past.and_then(Progress::last) {
        response.headers_mut().insert(POSITION, HeaderValue::from(position.0));
    }
    response
}

pub fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|_| invalid(format!("{name}={value} is not a value that it can have")))
}

pub fn invalid(detail: String) -> Problem {
    Problem::new(Kind::InvalidParameter, detail).hint(
        "parameters: version, min_position, timeout, stale, at_position, at_time; for lists also field=operator.value, \
         and, or, select, order, limit, cursor, scan, explain, format, aggregate, group, facets",
    )
}

/// Says where an answer comes from.
pub fn from(answer: &Answer, response: Response) -> Response {
    from_in(Format::Json, answer, response)
}

/// The same of an answer that comes in several formats: each has a tag of its own.
pub fn from_in(format: Format, answer: &Answer, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(VERSION, HeaderValue::from(answer.version.number));
    if let Some(position) = answer.snapshot.checkpoint().last() {
        headers.insert(POSITION, HeaderValue::from(position.0));
        headers.insert(SESSION, session::token(position.0, answer.incarnation));
    }
    if let Some(still) = &answer.still {
        headers.insert(HeaderName::from_static("kinora-state"), state(still));
        headers.insert(header::WARNING, stale_warning(still));
    }
    if let Ok(tag) = HeaderValue::try_from(entity_tag(answer, format)) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn state(still: &Still) -> HeaderValue {
    HeaderValue::from_static(match still {
        Still::Faulted(_) => "faulted",
        Still::Paused => "paused",
    })
}

/// Old rows are never handed out without a word (code 110 is "response is stale").
pub fn stale_warning(still: &Still) -> HeaderValue {
    let why = match still {
        Still::Faulted(fault) => {
            let at = fault.position.map_or_else(String::new, |position| format!(" at position {position}"));
            format!("stopped at a fault ({}){at}", fault.category)
        }
        Still::Paused => "is paused".to_owned(),
    };
    let text = format!("110 kinora \"stale: the version {why}\"");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("110 kinora \"stale\""))
}

/// The same version at the same position of the same log gives the same answer in the same format, so these are what it
/// is known by.
fn entity_tag(answer: &Answer, format: Format) -> String {
    let form = match format {
        Format::Json => "",
        Format::Lines => "-ndjson",
        Format::Csv => "-csv",
    };
    let (version, position) = (answer.version.number, answer.snapshot.checkpoint().0);
    let mark = answer.incarnation.mark();
    written(ENTITY_TAG_BYTES, format_args!("W/\"{mark}-{version}-{position}{form}\""))
}

/// What a client has already. An extractor for all headers would copy them.
pub struct Known(pub Option<HeaderValue>);

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

impl Known {
    pub fn of(parts: &Parts) -> Self {
        Self(parts.headers.get(header::IF_NONE_MATCH).cloned())
    }
}

/// The answer to a client that has it already.
pub fn unchanged(format: Format, answer: &Answer, known: Option<&HeaderValue>) -> Option<Response> {
    let known = known?.to_str().ok()?;
    let tag = entity_tag(answer, format);
    let plain = tag.trim_start_matches("W/");
    let same =
        known.split(',').any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == plain);
    same.then(|| from_in(format, answer, StatusCode::NOT_MODIFIED.into_response()))
}

/// With room for all headers that it may get.
pub fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub fn json(body: impl Into<Body>) -> Response {
    typed("application/json", body)
}

pub fn only_common(rest: &[(String, String)]) -> Result<(), Problem> {
    match rest.first() {
        None => Ok(()),
        Some((name, _)) => Err(invalid(format!("{name} is not a parameter here"))),
    }
}
