//! `GET /v1/streams/{stream}/events` and `GET /v1/events`: pages of events, or a subscription.

use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;

use crate::event::{Direction, Position, Revision, StreamName};
use crate::log::{Log, Recorded};

use super::problem::Problem;
use super::subscribe;
use super::wire::{EventOut, PageOut};
use super::{blocking, wants_events};

/// Events of a page, unless the client says otherwise.
const DEFAULT_LIMIT: usize = 100;

/// Events of a page at most: some megabytes of usual events.
const MAX_LIMIT: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Where to start, included: a position or a revision.
    from: Option<u64>,
    /// Where to start, not included. Forwards only.
    after: Option<u64>,
    limit: Option<usize>,
    #[serde(default)]
    direction: DirectionIn,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum DirectionIn {
    #[default]
    Forwards,
    Backwards,
}

impl Parameters {
    fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(DEFAULT_LIMIT),
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            Some(limit) => Err(invalid(format!("limit {limit} is not from 1 to {MAX_LIMIT}"))),
        }
    }

    fn start(&self) -> Result<u64, Problem> {
        match (self.from, self.after, self.direction) {
            (Some(from), None, _) => Ok(from),
            (None, Some(after), DirectionIn::Forwards) => Ok(after.saturating_add(1)),
            (None, None, DirectionIn::Forwards) => Ok(0),
            (None, None, DirectionIn::Backwards) => Ok(u64::MAX),
            _ => Err(invalid("from and after do not go together, and after goes forwards".into())),
        }
    }

    fn direction(&self) -> Direction {
        match self.direction {
            DirectionIn::Forwards => Direction::Forwards,
            DirectionIn::Backwards => Direction::Backwards,
        }
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(400, "invalid-parameter", detail)
        .hint("parameters: from or after, limit, direction=forwards|backwards")
}

fn parameters(query: Result<Query<Parameters>, QueryRejection>) -> Result<Parameters, Problem> {
    query.map(|query| query.0).map_err(|rejection| invalid(rejection.body_text()))
}

pub async fn all(
    State(log): State<Log>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    query: Result<Query<Parameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let parameters = parameters(query)?;
    let (start, limit, direction) = (parameters.start()?, parameters.limit()?, parameters.direction());
    if wants_events(&headers) {
        return subscribe::subscribe(log, None, Position(start), &headers);
    }
    let head = log.progress().last().map(|position| position.0);
    let found = blocking(move || log.read(Position(start), direction, limit)).await?;
    let next = found.last().filter(|_| found.len() == limit).map(|event| event.position.0);
    page(found, head, uri.path(), next, direction, limit)
}

pub async fn stream(
    State(log): State<Log>,
    Path(stream): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    query: Result<Query<Parameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let stream: StreamName = stream.parse()?;
    let parameters = parameters(query)?;
    let (start, limit, direction) = (parameters.start()?, parameters.limit()?, parameters.direction());
    if wants_events(&headers) {
        return subscribe_stream(log, stream, Revision(start), &headers).await;
    }
    let read = blocking(move || {
        let head = log.stream_head(&stream)?;
        log.read_stream(&stream, Revision(start), direction, limit).map(|found| (stream, head, found))
    });
    let (stream, head, found) = read.await?;
    let Some(head) = head else {
        return Err(Problem::new(404, "unknown-stream", format!("there is no stream {stream}"))
            .hint("a stream begins with its first event"));
    };
    let next = found.last().filter(|_| found.len() == limit).map(|event| event.revision.0);
    page(found, Some(head.0), uri.path(), next, direction, limit)
}

/// Follows a stream from a revision on; what the log has before it is not looked at.
async fn subscribe_stream(
    log: Log,
    stream: StreamName,
    from: Revision,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (reader, name) = (log.clone(), stream.clone());
    let start = blocking(move || {
        // Taken first: an event that comes after it has a position that is not below it.
        let head = reader.progress().next();
        let first = reader.read_stream(&name, from, Direction::Forwards, 1)?;
        Ok::<_, crate::log::Error>(first.first().map_or(head, |event| event.position))
    });
    subscribe::subscribe(log, Some((stream, from)), start.await?, headers)
}

fn page(
    found: Vec<Recorded>,
    head: Option<u64>,
    path: &str,
    last: Option<u64>,
    direction: Direction,
    limit: usize,
) -> Result<Response, Problem> {
    let next = match direction {
        Direction::Forwards => last.filter(|last| head.is_some_and(|head| *last < head)).map(|last| last + 1),
        Direction::Backwards => last.and_then(|last| last.checked_sub(1)),
    };
    let way = match direction {
        Direction::Forwards => "",
        Direction::Backwards => "&direction=backwards",
    };
    let next = next.map(|next| format!("{path}?from={next}&limit={limit}{way}"));
    let events = found.into_iter().map(EventOut::try_from).collect::<Result<_, _>>()?;
    Ok(Json(PageOut { events, head, next }).into_response())
}
