//! `GET /v1/streams/{stream}/events` and `GET /v1/events`: pages of events, or a subscription.

use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use kinora_api::events as api;
use kinora_api::events::{Event, EventPage, LogMessage, ReadLog, ReadStream};
use kinora_api::grammar::List;
use kinora_api::{Kind, headers};
use kinora_log as log;
use kinora_log::{Filter, Item, Log, SearchRange, Selection, Streams};
use kinora_types::{Direction, Micros, Position, Revision, StreamName};
use uuid::Uuid;

use crate::edge::budget::Work;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::host::wants_events;
use crate::problems::operations;
use crate::read::page::Page;
use crate::read::{ndjson, page, subscribe};

/// What is asked for, as far as it takes more than to be read.
struct Parameters(ReadLog);

impl Parameters {
    fn limit(&self) -> Result<usize, Problem> {
        page::limit(self.0.limit.unwrap_or(page::DEFAULT_LIMIT)).map_err(invalid)
    }

    fn start(&self) -> Result<u64, Problem> {
        match (self.0.from, self.0.after, self.0.direction) {
            (Some(from), None, _) => Ok(from),
            (None, Some(after), api::Direction::Forwards) => Ok(after.saturating_add(1)),
            (None, None, api::Direction::Forwards) => Ok(0),
            (None, None, api::Direction::Backwards) => Ok(u64::MAX),
            _ => Err(invalid("from and after do not go together, and after goes forwards".into())),
        }
    }

    fn filter(&self) -> Result<Filter, Problem> {
        let named = |name: &str, list: &Option<String>| match list {
            None => Ok(Vec::new()),
            Some(list) => list.parse().map(List::into_inner).map_err(|cause| invalid(format!("{name}: {cause}"))),
        };
        let (types, tags) = (named("types", &self.0.types)?, named("tags", &self.0.tags)?);
        let prefix = self.0.stream_prefix.clone().filter(|prefix| !prefix.is_empty());
        let streams = prefix.map_or(Streams::All, Streams::Prefix);
        if types.is_empty() && tags.is_empty() {
            return Ok(Filter { streams, selection: None });
        }
        let item = Item::new(types.iter().map(String::as_str), tags.iter().map(String::as_str))?;
        Ok(Filter { streams, selection: Some(Selection { items: vec![item] }) })
    }

    fn time(&self) -> Result<Option<Micros>, Problem> {
        let begins = [self.0.from.is_some(), self.0.after.is_some(), self.0.from_id.is_some()];
        if self.0.from_time.is_some() && begins.contains(&true) {
            return Err(invalid("from_time does not go together with from, after or from_id".into()));
        }
        Ok(self.0.from_time.map(|time| Micros::not_before(time).unwrap_or(Micros(0))))
    }

    /// The event to start with, if it is named.
    fn id(&self) -> Result<Option<Uuid>, Problem> {
        if self.0.from_id.is_some() && (self.0.from.is_some() || self.0.after.is_some()) {
            return Err(invalid("from_id does not go together with from or after".into()));
        }
        Ok(self.0.from_id)
    }

    /// The parameters of a link to the page that begins at `from`.
    fn following(&self, from: u64, limit: usize) -> String {
        let mut link = form_urlencoded::Serializer::new(String::new());
        link.append_pair("from", &from.to_string()).append_pair("limit", &limit.to_string());
        for (name, value) in
            [("types", &self.0.types), ("tags", &self.0.tags), ("stream_prefix", &self.0.stream_prefix)]
        {
            if let Some(value) = value {
                link.append_pair(name, value);
            }
        }
        if matches!(self.0.direction, api::Direction::Backwards) {
            link.append_pair("direction", "backwards");
        }
        link.finish()
    }

    fn direction(&self) -> Direction {
        match self.0.direction {
            api::Direction::Forwards => Direction::Forwards,
            api::Direction::Backwards => Direction::Backwards,
        }
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(Kind::InvalidParameter, detail).hint(
        "parameters: from, after, from_time or from_id, limit, direction=forwards|backwards, types, tags, \
             stream_prefix",
    )
}

fn parameters(query: Result<Query<ReadLog>, QueryRejection>) -> Result<Parameters, Problem> {
    query.map(|query| Parameters(query.0)).map_err(|rejection| invalid(rejection.body_text()))
}

/// Read the log, or follow it
#[utoipa::path(
    get, path = "/v1/events", tag = "log", operation_id = "read_log",
    params(ReadLog, headers::Resume, headers::Known),
    responses(
        (
            status = 200,
            description = "Events; with Accept: text/event-stream, history, then `caught-up`, then live; \
                `fell-behind` tells a slow client, and `caught-up` again. As application/x-ndjson, all of them",
            content(
                (EventPage = "application/json"), (LogMessage = "text/event-stream"), (Event = "application/x-ndjson"),
            ),
        ),
        (status = 304, description = "The page has not changed; one with others after it never does"),
        operations::ReadLog,
    )
)]
pub async fn all(
    State(log): State<Log>,
    work: Work,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    query: Result<Query<ReadLog>, QueryRejection>,
) -> Result<Response, Problem> {
    let parameters = parameters(query)?;
    let (direction, filter) = (parameters.direction(), parameters.filter()?);
    let (time, id, reader) = (parameters.time()?, parameters.id()?, log.clone());
    let start = match (time, id) {
        (None, None) => Position(parameters.start()?),
        (Some(time), _) => work.run(move |_| reader.position_at(time)).await?,
        (None, Some(id)) => {
            let found = work.run(move |_| reader.position_of(id)).await?;
            found.ok_or_else(|| Problem::new(Kind::InvalidParameter, format!("there is no event with the id {id}")))?
        }
    };
    if wants_events(&headers) {
        return subscribe::subscribe(&work, log, subscribe::Subscribed::of(filter), start, &headers);
    }
    if ndjson::is_wanted(&headers) {
        let limit = parameters.0.limit.map(|limit| limit as u64);
        return ndjson::answer(&work, log, filter, start, direction, limit);
    }
    let (id, durable, limit) = (log.incarnation(), log.progress(), parameters.limit()?);
    let range = SearchRange { from: start, upto: durable, direction, limit };
    let page_bytes = work.admission().limits().page_bytes;
    let found = work.run(move |budget| {
        let mut page = Page::new(page_bytes);
        let next = log.visit(&filter, range, |position, record| page.add(position, &record))?;
        budget.look(page.count as u64)?;
        budget.take(page.bytes())?;
        Ok::<_, Problem>((page, next))
    });
    let (page, next) = found.await?;
    let next = next.map(|next| format!("{}?{}", uri.path(), parameters.following(next.0, limit)));
    let fixed = durable.includes(start);
    page.answer(id, &headers, durable.last().map(|position| position.0), next, direction, fixed)
}

/// Read a stream, or follow it
#[utoipa::path(
    get, path = "/v1/streams/{stream}/events", tag = "log", operation_id = "read_stream",
    params(("stream" = String, Path, description = "The stream"), ReadStream, headers::Resume, headers::Known),
    responses(
        (
            status = 200,
            description = "Events; with Accept: text/event-stream, history, then `caught-up`, then live; \
                `fell-behind` tells a slow client, and `caught-up` again",
            content((EventPage = "application/json"), (LogMessage = "text/event-stream")),
        ),
        (status = 304, description = "The page has not changed; one with others after it never does"),
        operations::ReadStream,
    )
)]
pub async fn stream(
    State(log): State<Log>,
    work: Work,
    Path(stream): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    query: Result<Query<ReadLog>, QueryRejection>,
) -> Result<Response, Problem> {
    let stream: StreamName = stream.parse()?;
    let parameters = parameters(query)?;
    let (limit, direction) = (parameters.limit()?, parameters.direction());
    if !parameters.filter()?.is_open() || parameters.id()?.is_some() {
        return Err(invalid("a stream is read whole, without types, tags, stream_prefix or from_id".into()));
    }
    let start = Revision(match parameters.time()? {
        None => parameters.start()?,
        Some(time) => {
            let (reader, name) = (log.clone(), stream.clone());
            work.run(move |_| reader.revision_at(&name, reader.position_at(time)?)).await?.0
        }
    });
    if wants_events(&headers) {
        return subscribe_stream(&work, log, stream, start, &headers).await;
    }
    let id = log.incarnation();
    let page_bytes = work.admission().limits().page_bytes;
    let read = work.run(move |budget| {
        let (head, mut page) = (log.stream_head(&stream)?, Page::new(page_bytes));
        log.visit_stream(&stream, start, direction, limit, |position, record| page.add(position, &record))?;
        budget.look(page.count as u64)?;
        budget.take(page.bytes())?;
        Ok::<_, Problem>((stream, head, page))
    });
    let (stream, head, page) = read.await?;
    let Some(head) = head else {
        return Err(Problem::new(Kind::UnknownStream, format!("there is no stream {stream}"))
            .hint("a stream begins with its first event"));
    };
    let next = (page.count == limit || page.is_full).then_some(page.last_revision).and_then(|last| match direction {
        Direction::Forwards => (last < head.0).then_some(last + 1),
        Direction::Backwards => last.checked_sub(1),
    });
    let next = next.map(|next| format!("{}?{}", uri.path(), parameters.following(next, limit)));
    page.answer(id, &headers, Some(head.0), next, direction, start <= head)
}

/// Follows a stream from a revision on; what the log has before it is not looked at.
async fn subscribe_stream(
    work: &Work,
    log: Log,
    stream: StreamName,
    from: Revision,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (reader, name) = (log.clone(), stream.clone());
    let start = work.run(move |_| {
        // Taken first: an event that comes after it has a position that is not below it.
        let head = reader.progress().next();
        let first = reader.read_stream(&name, from, Direction::Forwards, 1)?;
        Ok::<_, log::Error>(first.first().map_or(head, |event| event.position))
    });
    subscribe::subscribe(work, log, subscribe::Subscribed::of_stream(stream, from), start.await?, headers)
}
