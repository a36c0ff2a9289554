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
use futures::{StreamExt, stream};
use kinora_api::Kind;
use kinora_api::queries::{Reached, Removed, Reset};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use kinora_projection::{Answer, Line, Projections};
use kinora_readmodel::{Error, ListQuery, Row, RowFilter, Snapshot};
use kinora_types::{Budget, Exhausted, Mark, Progress};

use crate::edge::budget::Work;
use crate::edge::problem::Problem;
use crate::query::format;
use crate::query::parameters::{Asked, NO_LIMIT, Parameters};

/// Rows that can be followed at once: each is remembered, with what the client has of it.
const FOLLOWED_ROWS: usize = 10_000;

/// Rows that are read at once.
const PAGE_ROWS: usize = 1_000;

/// Rows that are asked for again at once.
const CHANGED_ROWS: usize = 100;

/// Messages that are handed over at once. Those of a round wait for a slow client, and no round is made meanwhile.
const BUNCH_EVENTS: usize = 256;

/// How long a client may take nothing while messages wait for it.
const STALLED: Duration = Duration::from_secs(60);

/// Bytes of memory for a row that is followed, besides its key.
const FOLLOWED_BYTES: usize = 96;

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
struct Client {
    /// What it may have of the host's memory.
    budget: Budget,
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
    work: Work,
    answer: Answer,
    followed: Followed,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    // What it has of a log that was there before is void.
    let came_with = last_event_id(headers)?.filter(|came| came.mark == Some(answer.incarnation.mark()));
    let mut client = Client::new(work.0.clone(), came_with.map(|came| came.at));
    let followed = Arc::new(followed);
    let first = round(&work, &followed, answer, &mut client).await?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = tell(&projections, &work, &followed, client, first, sender) => {}
            () = work.host_ends() => {}
        }
    });
    let events = ReceiverStream::new(receiver).flat_map(|bunch: Vec<Event>| stream::iter(bunch.into_iter().map(Ok)));
    let events = events.map(|event: Result<Event, Infallible>| event);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// What a client is told in one round. It is in memory until the client has taken it.
struct Round {
    events: Vec<Event>,
    work: Work,
}

impl Round {
    fn push(&mut self, event: Event, bytes: usize) -> Result<(), Problem> {
        self.work.0.take(bytes + FOLLOWED_BYTES).map_err(|why| self.work.ended(why.into()))?;
        self.events.push(event);
        Ok(())
    }
}

/// Tells a client round after round, until it leaves or there is a problem.
async fn tell(
    projections: &Projections,
    work: &Work,
    followed: &Arc<Followed>,
    mut client: Client,
    first: Option<Round>,
    sender: mpsc::Sender<Vec<Event>>,
) {
    let mut first = first;
    loop {
        let round = match first.take() {
            Some(round) => Ok(Some(round)),
            None => next(projections, work, followed, &mut client, &sender).await,
        };
        let (mut events, end, _held) = match round {
            Ok(None) => (Vec::new(), false, None),
            Ok(Some(round)) => (round.events, false, Some(round.work)),
            Err(problem) => (event("problem", &kinora_api::Problem::from(problem)).into_iter().collect(), true, None),
        };
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(BUNCH_EVENTS));
            match sender.send_timeout(std::mem::replace(&mut events, rest), STALLED).await {
                Ok(()) => {}
                Err(mpsc::error::SendTimeoutError::Closed(_)) => return,
                Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                    tracing::warn!("a followed query ended: its client took nothing for a minute");
                    return;
                }
            }
        }
        if end || sender.is_closed() {
            return;
        }
    }
}

/// Where a client was, and in which life of the log; without that, in the first one.
struct CameWith {
    at: (u32, Progress),
    mark: Option<Mark>,
}

/// `2:1234-0a1b2c3d`: a version, how many events it had applied, and the mark of the log's life.
fn last_event_id(headers: &HeaderMap) -> Result<Option<CameWith>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let parse = |id: &str| {
        let (version, rest) = id.split_once(':')?;
        let (at, mark) = match rest.split_once('-') {
            Some((at, mark)) => (at, Some(mark.parse().ok()?)),
            None => (rest, None),
        };
        Some(CameWith { at: (version.parse().ok()?, Progress(at.parse().ok()?)), mark })
    };
    id.to_str().ok().and_then(parse).map(Some).ok_or_else(|| {
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
    work: &Work,
    followed: &Arc<Followed>,
    client: &mut Client,
    sender: &mpsc::Sender<Vec<Event>>,
) -> Result<Option<Round>, Problem> {
    let mut answer = projections.queries().answer(&followed.name, followed.pinned, None).await?;
    while client.at == Some((answer.version.number, answer.snapshot.checkpoint())) {
        let mut progress = answer.version.watch();
        let here = answer.snapshot.checkpoint();
        // The rows of an old snapshot would stay on disk while nothing happens.
        drop(answer);
        tokio::select! {
            () = sender.closed() => return Ok(None),
            _ = tokio::time::timeout(LOOK_FOR_VERSION, progress.wait_for(|progress| *progress > here)) => {}
        }
        answer = projections.queries().answer(&followed.name, followed.pinned, None).await?;
    }
    round(work, followed, answer, client).await
}

/// What the client has to be told of an answer, if it has that of an earlier one.
async fn round(
    work: &Work,
    followed: &Arc<Followed>,
    answer: Answer,
    client: &mut Client,
) -> Result<Option<Round>, Problem> {
    let (version, progress) = (answer.version.number, answer.snapshot.checkpoint());
    let (table, spec) = answer.snapshot.table(followed.parameters.table())?;
    let mut asked = followed.parameters.of(spec)?;
    asked.query.page_bytes = Some(work.admission().limits().page_bytes);
    let mut round = Round { events: Vec::new(), work: work.round() };
    let since = client.at.filter(|(known, at)| *known == version && *at <= progress);
    let changed = since.and_then(|(_, at)| answer.version.changed_since(table, at));
    client.at = Some((version, progress));
    let reached = Reached { position: progress.last().map(|position| position.0), version };
    let id = format!("{version}:{}-{}", progress.0, answer.incarnation.mark());
    let position = event("position", &reached)?.id(id);
    let snapshot = Arc::clone(&answer.snapshot);
    let windowed = asked.query.limit != NO_LIMIT;
    match changed {
        Some(changed) if changed.is_empty() && client.known => {}
        // Where there is a limit, a row comes and goes with its neighbours: the page is read again.
        Some(changed) if client.known && !windowed => {
            let keys = changed.clone();
            let rows = round.work.run(move |budget| rows_among(&snapshot, &asked, &keys, budget)).await?;
            client.change(rows, &changed, &mut round)?;
        }
        Some(changed) if client.known || !windowed => {
            let (rows, _) = whole(&round.work, snapshot, asked).await?;
            client.compare(rows, &changed, &mut round)?;
        }
        _ => {
            let (rows, unknown_fields) = whole(&round.work, snapshot, asked).await?;
            client.reset(Reset { version, unknown_fields }, rows, &mut round)?;
        }
    }
    if client.rows.len() > FOLLOWED_ROWS {
        return Err(too_many().into());
    }
    round.push(position, 0)?;
    Ok(Some(round))
}

fn too_many() -> Error {
    Error::TooManyRows { limit: FOLLOWED_ROWS }
}

/// All rows of the query, and the fields that none of them had; in turn with others if they may be many.
async fn whole(work: &Work, snapshot: Arc<Snapshot>, asked: Asked) -> Result<(Vec<Row>, Vec<String>), Problem> {
    let goes_far = asked.query.limit == NO_LIMIT || asked.query.scan;
    let look = move |budget: &Budget| rows(&snapshot, &asked, budget);
    if goes_far { work.run_in(Line::Scans, look).await } else { work.run(look).await }
}

/// All rows of the query, and the fields that none of them had.
fn rows(snapshot: &Snapshot, asked: &Asked, budget: &Budget) -> Result<(Vec<Row>, Vec<String>), Error> {
    let limit = asked.query.limit;
    let mut query = asked.query.clone();
    let mut rows: Vec<Row> = Vec::new();
    loop {
        query.limit = (limit - rows.len()).min(PAGE_ROWS);
        let page = snapshot.list(&query, budget)?;
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
fn rows_among(snapshot: &Snapshot, asked: &Asked, keys: &BTreeSet<String>, budget: &Budget) -> Result<Vec<Row>, Error> {
    let keys: Vec<&String> = keys.iter().collect();
    let mut rows = Vec::new();
    for keys in keys.chunks(CHANGED_ROWS) {
        // Each of them, however large they are: what they need is the budget's to say.
        let (limit, order) = (CHANGED_ROWS, Vec::new());
        let mut query = ListQuery { limit, order, page_bytes: None, ..asked.query.clone() };
        query.filter.and(RowFilter::keys(keys.iter().map(|key| key.as_str())));
        rows.extend(snapshot.list(&query, budget)?.rows);
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
    fn new(budget: Budget, at: Option<(u32, Progress)>) -> Self {
        Self { budget, at, rows: BTreeMap::new(), hasher: RandomState::default(), known: false }
    }

    /// Remembers what the client has of a row. Says what that was before, if something was.
    fn remember(&mut self, key: &str, hash: Option<u64>) -> Result<Option<Option<u64>>, Exhausted> {
        if let Some(known) = self.rows.get_mut(key) {
            return Ok(Some(std::mem::replace(known, hash)));
        }
        self.budget.take(key.len() + FOLLOWED_BYTES)?;
        Ok(self.rows.insert(key.to_owned(), hash))
    }

    fn forget(&mut self, key: &str) {
        if self.rows.remove(key).is_some() {
            self.budget.give_back(key.len() + FOLLOWED_BYTES);
        }
    }

    /// Tells the row, unless the client has it just so.
    fn tell(&mut self, row: &Row, round: &mut Round) -> Result<(), Problem> {
        let hash = self.hasher.hash_one(&row.json);
        if self.remember(&row.key, Some(hash))? != Some(Some(hash)) {
            let text = format::row(row)?;
            let bytes = text.len();
            round.push(Event::default().event("row").data(text), bytes)?;
        }
        Ok(())
    }

    fn remove(&mut self, key: &str, round: &mut Round) -> Result<(), Problem> {
        self.forget(key);
        round.push(event("removed", &Removed { key: key.to_owned() })?, key.len())
    }

    fn reset(&mut self, reset: Reset, rows: Vec<Row>, round: &mut Round) -> Result<(), Problem> {
        round.push(event("reset", &reset)?, 0)?;
        let had = std::mem::take(&mut self.rows);
        self.budget.give_back(had.keys().map(|key| key.len() + FOLLOWED_BYTES).sum());
        self.known = true;
        rows.iter().try_for_each(|row| self.tell(row, round))
    }

    /// Of all rows that changed, these are still rows of the query.
    fn change(&mut self, rows: Vec<Row>, changed: &BTreeSet<String>, round: &mut Round) -> Result<(), Problem> {
        let there: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        for key in changed.iter().filter(|key| !there.contains(key.as_str())) {
            if self.rows.contains_key(key) {
                self.remove(key, round)?;
            }
        }
        rows.iter().try_for_each(|row| self.tell(row, round))
    }

    /// These are the rows of the query now. A client that came back has those that have not changed.
    fn compare(&mut self, rows: Vec<Row>, changed: &BTreeSet<String>, round: &mut Round) -> Result<(), Problem> {
        let there: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let gone: Vec<String> = if self.known {
            self.rows.keys().filter(|key| !there.contains(key.as_str())).cloned().collect()
        } else {
            changed.iter().filter(|key| !there.contains(key.as_str())).cloned().collect()
        };
        gone.iter().try_for_each(|key| self.remove(key, round))?;
        for row in &rows {
            if self.known || changed.contains(&row.key) {
                self.tell(row, round)?;
            } else {
                self.remember(&row.key, None)?;
            }
        }
        self.known = true;
        Ok(())
    }
}
