//! Following a query by Server-Sent Events: its rows as they are, then each that changes.
//!
//! Rows come in rounds. A round ends with `position`, whose id is the version and the position that the client then
//! stands at, so whoever comes back with it goes on from there. `reset` says that what the client has is void: it
//! begins, another version answers, or nobody remembers what has changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use kinora_api::Kind;
use kinora_api::queries::{Reached, Removed, Reset};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use kinora_projection::{Answer, Projections};
use kinora_readmodel::{Error, ListQuery, Row, RowFilter, Snapshot};
use kinora_types::Progress;

use crate::edge::problem::Problem;
use crate::query::common::taking;
use crate::query::format;
use crate::query::parameters::{Asked, NO_LIMIT, Parameters};

use crate::host::blocking;

/// Rows that can be followed at once: each is remembered, with what the client has of it.
const FOLLOWED_ROWS: usize = 10_000;

/// Rows that are read at once.
const PAGE_ROWS: usize = 1_000;

/// Rows that are asked for again at once.
const CHANGED_ROWS: usize = 100;

/// Messages that wait for a slow client.
const WAITING_EVENTS: usize = 256;

/// How often a quiet stream shows that it is alive, and looks whether another version answers.
const HEARTBEAT: Duration = Duration::from_secs(10);
const LOOK_FOR_VERSION: Duration = Duration::from_millis(250);

/// What is followed.
pub struct Followed {
    pub name: String,
    /// A version that stays, whoever is live.
    pub pinned: Option<u32>,
    /// They are looked up in the table of each version that answers.
    pub parameters: Parameters,
}

/// What the client has.
#[derive(Default)]
struct Client {
    at: Option<(u32, Progress)>,
    /// A hash of what it has of each row; none for a row that it has from an earlier connection.
    rows: BTreeMap<String, Option<u64>>,
    hasher: RandomState,
    /// Whether `rows` is all that it has.
    known: bool,
}

/// Answers with a stream. What is wrong with the query is said at once, with a status.
pub async fn follow(
    projections: Arc<Projections>,
    answer: Answer,
    followed: Followed,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let mut client = Client { at: last_event_id(headers)?, ..Client::default() };
    let followed = Arc::new(followed);
    let mut first = Some(round(&projections, &followed, answer, &mut client).await?);
    let (sender, receiver) = mpsc::channel(WAITING_EVENTS);
    tokio::spawn(async move {
        loop {
            let events = match first.take() {
                Some(events) => Ok(events),
                None => next(&projections, &followed, &mut client, &sender).await,
            };
            let (events, end) = match events {
                Ok(events) => (events, false),
                Err(problem) => (event("problem", &kinora_api::Problem::from(problem)).into_iter().collect(), true),
            };
            for event in events {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
            if end || sender.is_closed() {
                return;
            }
        }
    });
    let events = ReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// `2:1234`: a version, and how many events it had applied.
fn last_event_id(headers: &HeaderMap) -> Result<Option<(u32, Progress)>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let parts = id.to_str().ok().and_then(|id| id.split_once(':'));
    let parsed = parts.and_then(|(version, at)| Some((version.parse().ok()?, Progress(at.parse().ok()?))));
    parsed.map(Some).ok_or_else(|| {
        Problem::new(Kind::InvalidHeader, "Last-Event-ID is not one of this stream")
            .hint("send the id of the last event that you received, or none to begin anew")
    })
}

fn event(kind: &'static str, data: &impl Serialize) -> Result<Event, Problem> {
    Event::default().event(kind).json_data(data).map_err(|cause| Problem::new(Kind::Internal, cause.to_string()))
}

/// Waits until there is something new, and says what.
async fn next(
    projections: &Projections,
    followed: &Arc<Followed>,
    client: &mut Client,
    sender: &mpsc::Sender<Event>,
) -> Result<Vec<Event>, Problem> {
    let mut answer = projections.queries().answer(&followed.name, followed.pinned, None).await?;
    while client.at == Some((answer.version.number, answer.snapshot.checkpoint())) {
        let mut progress = answer.version.watch();
        let here = answer.snapshot.checkpoint();
        // The rows of an old snapshot would stay on disk while nothing happens.
        drop(answer);
        tokio::select! {
            () = sender.closed() => return Ok(Vec::new()),
            _ = tokio::time::timeout(LOOK_FOR_VERSION, progress.wait_for(|progress| *progress > here)) => {}
        }
        answer = projections.queries().answer(&followed.name, followed.pinned, None).await?;
    }
    round(projections, followed, answer, client).await
}

/// What the client has to be told of an answer, if it has that of an earlier one.
async fn round(
    projections: &Projections,
    followed: &Arc<Followed>,
    answer: Answer,
    client: &mut Client,
) -> Result<Vec<Event>, Problem> {
    let (version, progress) = (answer.version.number, answer.snapshot.checkpoint());
    let (table, spec) = answer.snapshot.table(followed.parameters.table())?;
    let asked = followed.parameters.of(spec)?;
    let since = client.at.filter(|(known, at)| *known == version && *at <= progress);
    let changed = since.and_then(|(_, at)| answer.version.changed_since(table, at));
    client.at = Some((version, progress));
    let reached = Reached { position: progress.last().map(|position| position.0), version };
    let position = event("position", &reached)?.id(format!("{version}:{}", progress.0));
    let snapshot = Arc::clone(&answer.snapshot);
    let windowed = asked.query.limit != NO_LIMIT;
    let mut events = match changed {
        Some(changed) if changed.is_empty() && client.known => return Ok(vec![position]),
        // Where there is a limit, a row comes and goes with its neighbours: the page is read again.
        Some(changed) if client.known && !windowed => {
            let keys = changed.clone();
            let rows = blocking(move || rows_among(&snapshot, &asked, &keys)).await?;
            client.change(rows, &changed)?
        }
        Some(changed) if client.known || !windowed => {
            let (rows, _) = whole(projections, snapshot, asked).await?;
            client.compare(rows, &changed)?
        }
        _ => {
            let (rows, unknown_fields) = whole(projections, snapshot, asked).await?;
            client.reset(Reset { version, unknown_fields }, rows)?
        }
    };
    if client.rows.len() > FOLLOWED_ROWS {
        return Err(too_many().into());
    }
    events.push(position);
    Ok(events)
}

fn too_many() -> Error {
    Error::TooManyRows { limit: FOLLOWED_ROWS }
}

/// All rows of the query, and the fields that none of them had; in turn with others if they may be many.
async fn whole(
    projections: &Projections,
    snapshot: Arc<Snapshot>,
    asked: Asked,
) -> Result<(Vec<Row>, Vec<String>), Problem> {
    let goes_far = asked.query.limit == NO_LIMIT || asked.query.scan;
    let look = move || rows(&snapshot, &asked);
    if goes_far { blocking(taking(projections.queries().scan_turn().await?, look)).await } else { blocking(look).await }
}

/// All rows of the query, and the fields that none of them had.
fn rows(snapshot: &Snapshot, asked: &Asked) -> Result<(Vec<Row>, Vec<String>), Error> {
    let limit = asked.query.limit;
    let mut query = ListQuery { limit: limit.min(PAGE_ROWS), ..asked.query.clone() };
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let page = snapshot.list(&query)?;
        rows.extend(page.rows);
        query.undeclared = page.absent;
        query.cursor = page.next;
        if query.cursor.is_none() || rows.len() >= limit {
            break;
        }
        if rows.len() > FOLLOWED_ROWS {
            return Err(too_many());
        }
    }
    Ok((selected(rows, asked)?, query.undeclared))
}

/// Those rows of the query that are among these.
fn rows_among(snapshot: &Snapshot, asked: &Asked, keys: &BTreeSet<String>) -> Result<Vec<Row>, Error> {
    let keys: Vec<&String> = keys.iter().collect();
    let mut rows = Vec::new();
    for keys in keys.chunks(CHANGED_ROWS) {
        let mut query = ListQuery { limit: CHANGED_ROWS, order: Vec::new(), ..asked.query.clone() };
        query.filter.and(RowFilter::keys(keys.iter().map(|key| key.as_str())));
        rows.extend(snapshot.list(&query)?.rows);
    }
    selected(rows, asked)
}

fn selected(mut rows: Vec<Row>, asked: &Asked) -> Result<Vec<Row>, Error> {
    if let Some(select) = &asked.select {
        for row in &mut rows {
            row.json = select.apply(&row.json).map_err(|cause| Error::Corrupt(cause.to_string()))?.into();
        }
    }
    Ok(rows)
}

impl Client {
    /// Tells the row, unless the client has it just so.
    fn tell(&mut self, row: &Row, events: &mut Vec<Event>) -> Result<(), Problem> {
        let hash = self.hasher.hash_one(&row.json);
        if self.rows.insert(row.key.clone(), Some(hash)) != Some(Some(hash)) {
            events.push(Event::default().event("row").data(format::row(row)?));
        }
        Ok(())
    }

    fn remove(&mut self, key: &str, events: &mut Vec<Event>) -> Result<(), Problem> {
        self.rows.remove(key);
        events.push(event("removed", &Removed { key: key.to_owned() })?);
        Ok(())
    }

    fn reset(&mut self, reset: Reset, rows: Vec<Row>) -> Result<Vec<Event>, Problem> {
        let mut events = vec![event("reset", &reset)?];
        self.rows.clear();
        self.known = true;
        rows.iter().try_for_each(|row| self.tell(row, &mut events))?;
        Ok(events)
    }

    /// Of all rows that changed, these are still rows of the query.
    fn change(&mut self, rows: Vec<Row>, changed: &BTreeSet<String>) -> Result<Vec<Event>, Problem> {
        let mut events = Vec::new();
        let there: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        for key in changed.iter().filter(|key| !there.contains(key.as_str())) {
            if self.rows.contains_key(key) {
                self.remove(key, &mut events)?;
            }
        }
        rows.iter().try_for_each(|row| self.tell(row, &mut events))?;
        Ok(events)
    }

    /// These are the rows of the query now. A client that came back has those that have not changed.
    fn compare(&mut self, rows: Vec<Row>, changed: &BTreeSet<String>) -> Result<Vec<Event>, Problem> {
        let mut events = Vec::new();
        let there: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let gone: Vec<String> = if self.known {
            self.rows.keys().filter(|key| !there.contains(key.as_str())).cloned().collect()
        } else {
            changed.iter().filter(|key| !there.contains(key.as_str())).cloned().collect()
        };
        gone.iter().try_for_each(|key| self.remove(key, &mut events))?;
        for row in &rows {
            if self.known || changed.contains(&row.key) {
                self.tell(row, &mut events)?;
            } else {
                self.rows.insert(row.key.clone(), None);
            }
        }
        self.known = true;
        Ok(events)
    }
}
