//! Following the log by Server-Sent Events: what is there, then `caught-up`, then each event as it becomes durable.
//!
//! One cursor serves history and the live end, so there is no seam between them to lose or repeat an event at.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::event::{Direction, Position, Progress, Revision, StreamName};
use crate::log::{self, Filter, Log, Recorded};

use super::blocking;
use super::problem::Problem;
use super::wire::EventOut;

/// Events that wait for a slow client. The rest waits in the log, at no cost.
const WAITING_EVENTS: usize = 256;

/// Events that are looked at between two looks at the client.
const STEP_EVENTS: u64 = 1_024;

/// How often a quiet subscription shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What a subscription is of.
#[derive(Clone)]
pub enum Selected {
    /// The events of this stream, from this revision on.
    Stream(StreamName, Revision),
    Filtered(Filter),
}

pub fn subscribe(log: Log, selected: Selected, from: Position, headers: &HeaderMap) -> Result<Response, Problem> {
    let from = match headers.get("last-event-id") {
        None => from,
        Some(value) => {
            let last = value.to_str().ok().and_then(|text| text.parse::<u64>().ok());
            let invalid = || {
                Problem::new(400, "invalid-header", "Last-Event-ID is not a position")
                    .hint("send the id of the last event that you received")
            };
            Position(last.ok_or_else(invalid)?.saturating_add(1))
        }
    };
    let (sender, receiver) = mpsc::channel(WAITING_EVENTS);
    tokio::spawn(async move {
        if let Err(problem) = follow(log, selected, from, &sender).await {
            tracing::error!(?problem, "a subscription ended");
        }
    });
    let events = ReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// Sends until the client is gone or the host stops.
async fn follow(log: Log, selected: Selected, from: Position, client: &mpsc::Sender<Event>) -> Result<(), Problem> {
    let mut durable = log.watch();
    let mut next = from;
    let mut caught_up = false;
    loop {
        let progress = *durable.borrow_and_update();
        while progress.includes(next) {
            let (step_log, step_selected) = (log.clone(), selected.clone());
            let (found, upto) = blocking(move || step(&step_log, &step_selected, next, progress)).await?;
            for event in found {
                let event = EventOut::try_from(event)?;
                let json =
                    serde_json::to_string(&event).map_err(|cause| Problem::new(500, "internal", cause.to_string()))?;
                let message = Event::default().id(event.position.to_string()).event("event").data(json);
                if client.send(message).await.is_err() {
                    return Ok(());
                }
            }
            next = upto;
        }
        if !caught_up {
            caught_up = true;
            let position = progress.last().map_or("null".to_owned(), |position| position.to_string());
            let message = Event::default().event("caught-up").data(format!(r#"{{"position":{position}}}"#));
            if client.send(message).await.is_err() {
                return Ok(());
            }
        }
        tokio::select! {
            changed = durable.changed() => if changed.is_err() { return Ok(()) },
            () = client.closed() => return Ok(()),
        }
    }
}

/// Some of the events from `from` on, and where to go on.
fn step(
    log: &Log,
    selected: &Selected,
    from: Position,
    durable: Progress,
) -> Result<(Vec<Recorded>, Position), log::Error> {
    let upto = Progress(durable.0.min(from.0.saturating_add(STEP_EVENTS)));
    let mut found = Vec::new();
    match selected {
        Selected::Filtered(filter) if filter.selection.is_some() || filter.stream_prefix.is_some() => {
            let page = log.select(filter, from, durable, Direction::Forwards, WAITING_EVENTS)?;
            return Ok((page.events, page.next.unwrap_or(durable.next())));
        }
        Selected::Filtered(_) => log.scan(from, upto, |position, record| {
            found.push(record.to_owned(position));
            ControlFlow::Continue(())
        })?,
        Selected::Stream(stream, first) => log.scan(from, upto, |position, record| {
            if stream.as_str() == record.stream && *first <= record.revision {
                found.push(record.to_owned(position));
            }
            ControlFlow::Continue(())
        })?,
    }
    Ok((found, upto.next()))
}
