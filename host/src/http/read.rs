//! `GET /v1/streams/{stream}/events` and `GET /v1/events`: pages of events, or a subscription.

use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use jiff::Timestamp;
use serde::Deserialize;

use crate::event::{Direction, Micros, Position, Revision, StreamName};
use crate::log::{Filter, Item, Log, Recorded, Selection};

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
    /// Where to start: with the first event that was appended then or later.
    from_time: Option<Timestamp>,
    /// Separated by commas: events of any of them.
    types: Option<String>,
    /// Separated by commas: events that have all of them.
    tags: Option<String>,
    /// How the names of the streams begin.
    stream_prefix: Option<String>,
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

    fn filter(&self) -> Result<Option<Filter>, Problem> {
        let named = |list: &'_ Option<String>| {
            list.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect::<Vec<_>>()
        };
        let (types, tags) = (named(&self.types), named(&self.tags));
        let stream_prefix = self.stream_prefix.clone().filter(|prefix| !prefix.is_empty());
        if types.is_empty() && tags.is_empty() {
            return Ok(stream_prefix.map(|prefix| Filter { selection: None, stream_prefix: Some(prefix) }));
        }
        let item = Item::new(types.iter().map(String::as_str), tags.iter().map(String::as_str))?;
        Ok(Some(Filter { selection: Some(Selection { items: vec![item] }), stream_prefix }))
    }

    /// The parameters of a link to the page that begins at `from`.
    fn following(&self, from: u64, limit: usize) -> String {
        let mut link = form_urlencoded::Serializer::new(String::new());
        link.append_pair("from", &from.to_string()).append_pair("limit", &limit.to_string());
        for (name, value) in [("types", &self.types), ("tags", &self.tags), ("stream_prefix", &self.stream_prefix)] {
            if let Some(value) = value {
                link.append_pair(name, value);
            }
        }
        if matches!(self.direction, DirectionIn::Backwards) {
            link.append_pair("direction", "backwards");
        }
        link.finish()
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
        .hint("parameters: from, after or from_time, limit, direction=forwards|backwards, types, tags, stream_prefix")
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
    let filter = parameters.filter()?;
    let start = match (parameters.from_time, parameters.from, parameters.after) {
        (None, ..) => start,
        (Some(time), None, None) => {
            let micros = Micros(u64::try_from(time.as_microsecond()).unwrap_or(0));
            let reader = log.clone();
            blocking(move || reader.position_at(micros)).await?.0
        }
        _ => return Err(invalid("from_time does not go together with from or after".into())),
    };
    if wants_events(&headers) {
        return subscribe::subscribe(
            log,
            subscribe::Selected::Filtered(filter.unwrap_or_default()),
            Position(start),
            &headers,
        );
    }
    if let Some(filter) = filter {
        let durable = log.progress();
        let found = blocking(move || log.select(&filter, Position(start), durable, direction, limit)).await?;
        let next = found.next.map(|next| format!("{}?{}", uri.path(), parameters.following(next.0, limit)));
        let events = found.events.into_iter().map(EventOut::try_from).collect::<Result<_, _>>()?;
        let head = durable.last().map(|position| position.0);
        return Ok(Json(PageOut { events, head, next }).into_response());
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
    if parameters.filter()?.is_some() || parameters.from_time.is_some() {
        return Err(invalid("a stream is read by revision, without from_time, types, tags or stream_prefix".into()));
    }
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
    subscribe::subscribe(log, subscribe::Selected::Stream(stream, from), start.await?, headers)
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
