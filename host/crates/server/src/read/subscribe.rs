//! Following the log by Server-Sent Events: what is there, then `caught-up`, then each event as it becomes durable.
//!
//! One cursor serves history and the live end, so there is no seam between them to lose or repeat an event at. A
//! client that is slower than the log is told so (`fell-behind`, and `caught-up` again); meanwhile the events wait in
//! the log and not in memory. One that takes nothing at all for long is let go, and goes on from `Last-Event-ID` when
//! it comes again.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use kinora_api::Kind;
use kinora_api::events::SubscriptionState;
use kinora_log::{Filter, Log, SearchRange, Streams};
use kinora_projection::Line;
use kinora_types::{Budget, Direction, Position, Progress, Revision, StreamName};

use crate::edge::budget::Work;
use crate::edge::problem::Problem;
use crate::edge::session::Seen;
use crate::read::encode;

/// Messages that wait for a slow client, in bunches. The rest waits in the log, at no cost.
const WAITING_BUNCHES: usize = 2;

/// Events that are found between two looks at the client, and bytes of them after which it is looked at, too.
const STEP_EVENTS: usize = 256;
const STEP_BYTES: usize = 128 << 10;

/// Events between a client and the end of the log from which on it is told that it fell behind.
const BEHIND_EVENTS: u64 = 4_096;

/// How long a client may take nothing while events wait for it.
const STALLED: Duration = Duration::from_secs(60);

/// How often a quiet subscription shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What a subscription is of: the events that a filter lets through, of a stream from a revision on.
#[derive(Clone)]
pub struct Subscribed {
    filter: Filter,
    first: Revision,
}

impl Subscribed {
    pub fn of(filter: Filter) -> Self {
        Self { filter, first: Revision(0) }
    }

    pub fn of_stream(stream: StreamName, first: Revision) -> Self {
        Self { filter: Filter { streams: Streams::One(stream), selection: None }, first }
    }
}

pub fn subscribe(
    work: &Work,
    log: Log,
    selected: Subscribed,
    from: Position,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let from = match headers.get("last-event-id") {
        None => from,
        Some(value) => {
            let last = value.to_str().ok().and_then(Seen::parse);
            let invalid = || {
                Problem::new(Kind::InvalidHeader, "Last-Event-ID is not the id of an event here")
                    .hint("send the id of the last event that you received")
            };
            Position(last.ok_or_else(invalid)?.position(log.lineage())?.saturating_add(1))
        }
    };
    let work = work.following()?;
    let (sender, receiver) = mpsc::channel(WAITING_BUNCHES);
    tokio::spawn(async move {
        let mut follower = Follower { work: &work, client: sender, selected, caught_up: false };
        let ended = tokio::select! {
            ended = follower.follow(log, from) => ended,
            () = work.host_ends() => Ok(()),
        };
        match ended {
            Ok(()) | Err(Ended::Gone) => {}
            Err(Ended::Stalled) => tracing::warn!("a subscription ended: its client took nothing for a minute"),
            Err(Ended::Failed(problem)) => tracing::error!(?problem, "a subscription ended"),
        }
    });
    let events = ReceiverStream::new(receiver).flat_map(|Bunch { events, held }: Bunch| {
        stream::iter(events.into_iter().map(move |event| {
            let _until_all_are_taken = &held;
            Ok::<_, Infallible>(event)
        }))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// Why a subscription ends.
enum Ended {
    /// The client is gone, or the host stops.
    Gone,
    Stalled,
    Failed(Problem),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// Events that wait for a client.
struct Bunch {
    events: Vec<Event>,
    held: Held,
}

/// Bytes of a client's budget, until it has taken what they are for.
struct Held {
    budget: Budget,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// A client, and what waits for it.
struct Follower<'a> {
    work: &'a Work,
    client: mpsc::Sender<Bunch>,
    selected: Subscribed,
    caught_up: bool,
}

impl Follower<'_> {
    async fn follow(&mut self, log: Log, from: Position) -> Result<(), Ended> {
        let mut durable = log.watch();
        let mut next = from;
        loop {
            let progress = *durable.borrow_and_update();
            while progress.includes(next) {
                let (reader, selected) = (log.clone(), self.selected.clone());
                let round = self.work.round();
                let step = round.run_in(Line::Streams, move |_| step(&reader, &selected, next, progress));
                let (found, upto) = step.await?;
                let bytes = found.iter().map(|(_, json)| json.len()).sum();
                let event = |(position, json): (u64, String)| {
                    Event::default().id(Seen::text(position, log.incarnation())).event("event").data(json)
                };
                if !found.is_empty() {
                    match self.work.0.take(bytes) {
                        Ok(()) => self.send(found.into_iter().map(event).collect(), bytes).await?,
                        Err(why) => return self.end(self.work.ended(why.into())).await,
                    }
                }
                next = upto;
                let lag = log.progress().0.saturating_sub(next.0);
                if self.caught_up && lag > BEHIND_EVENTS {
                    self.caught_up = false;
                    self.say("fell-behind", next.0.checked_sub(1), &log).await?;
                }
            }
            if !self.caught_up && log.progress() <= progress {
                self.caught_up = true;
                self.say("caught-up", progress.0.checked_sub(1), &log).await?;
            }
            tokio::select! {
                biased;
                changed = durable.changed() => changed.map_err(|_| Ended::Gone)?,
                poisoned = log.never_has(next) => return self.end(poisoned.into()).await,
                () = self.client.closed() => return Err(Ended::Gone),
            }
        }
    }

    async fn say(&self, what: &str, position: Option<u64>, log: &Log) -> Result<(), Ended> {
        let head = log.progress().last().map(|position| position.0);
        let event = Event::default().event(what).json_data(SubscriptionState { head, position });
        self.send(vec![event.map_err(|cause| Problem::new(Kind::Internal, cause.to_string()))?], 0).await
    }

    /// Nothing more will come, and the client is told why.
    async fn end(&self, problem: Problem) -> Result<(), Ended> {
        self.send(vec![Event::default().event("problem").data(problem.into_text())], 0).await?;
        Err(Ended::Gone)
    }

    /// `bytes` of them were taken from the budget.
    async fn send(&self, events: Vec<Event>, bytes: usize) -> Result<(), Ended> {
        let held = Held { budget: self.work.0.clone(), bytes };
        match self.client.send_timeout(Bunch { events, held }, STALLED).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(Ended::Gone),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(Ended::Stalled),
        }
    }
}

/// Some of the events from `from` on as JSON, and where to go on.
fn step(
    log: &Log,
    selected: &Subscribed,
    from: Position,
    durable: Progress,
) -> Result<(Vec<(u64, String)>, Position), Problem> {
    let (mut found, mut bytes) = (Ok(Vec::new()), 0);
    let range = SearchRange { from, upto: durable, direction: Direction::Forwards, limit: STEP_EVENTS };
    let next = log.visit(&selected.filter, range, |position, record| {
        if record.revision < selected.first {
            return ControlFlow::Continue(());
        }
        let Ok(events) = &mut found else { return ControlFlow::Break(()) };
        if bytes >= STEP_BYTES {
            return ControlFlow::Break(());
        }
        let mut json = Vec::new();
        match encode::event(&mut json, position, &record) {
            Ok(()) => {
                bytes += json.len();
                events.push((position.0, String::from_utf8_lossy(&json).into_owned()));
                ControlFlow::Continue(())
            }
            Err(problem) => {
                found = Err(problem);
                ControlFlow::Break(())
            }
        }
    })?;
    Ok((found?, next.unwrap_or(durable.next())))
}
