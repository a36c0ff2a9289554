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

use crate::event::{Position, Progress, Revision, StreamName};
use crate::log::{self, Log, Recorded};

use super::problem::Problem;
use super::wire::EventOut;

/// Events that wait for a slow client. The rest waits in the log, at no cost.
const WAITING_EVENTS: usize = 256;

/// Events that are looked at between two looks at the client.
const STEP_EVENTS: u64 = 1_024;

/// How often a quiet subscription shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The events of this stream only, from this revision on.
type Selected = Option<(StreamName, Revision)>;

pub fn subscribe(log: Log, stream: Selected, from: Position, headers: &HeaderMap) -> Result<Response, Problem> {
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
        if let Err(problem) = follow(log, stream, from, &sender).await {
            tracing::error!(?problem, "a subscription ended");
        }
    });
    let events = ReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// Sends until the client is gone or the host stops.
async fn follow(log: Log, stream: Selected, from: Position, client: &mpsc::Sender<Event>) -> Result<(), Problem> {
    let mut durable = log.watch();
    let mut next = from;
    let mut caught_up = false;
    loop {
        let progress = *durable.borrow_and_update();
        while progress.includes(next) {
            let upto = Progress(progress.0.min(next.0.saturating_add(STEP_EVENTS)));
            let (step_log, step_stream) = (log.clone(), stream.clone());
            let read = tokio::task::spawn_blocking(move || step(&step_log, step_stream.as_ref(), next, upto));
            let found = read.await.map_err(|cause| Problem::new(500, "internal", cause.to_string()))??;
            for event in found {
                let event = EventOut::try_from(event)?;
                let json =
                    serde_json::to_string(&event).map_err(|cause| Problem::new(500, "internal", cause.to_string()))?;
                let message = Event::default().id(event.position.to_string()).event("event").data(json);
                if client.send(message).await.is_err() {
                    return Ok(());
                }
            }
            next = upto.next();
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

fn step(
    log: &Log,
    stream: Option<&(StreamName, Revision)>,
    from: Position,
    upto: Progress,
) -> Result<Vec<Recorded>, log::Error> {
    let mut found = Vec::new();
    log.scan(from, upto, |position, record| {
        let wanted =
            |(stream, from): &(StreamName, Revision)| stream.as_str() == record.stream && *from <= record.revision;
        if stream.is_none_or(wanted) {
            found.push(record.to_owned(position));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
