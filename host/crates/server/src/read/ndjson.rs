//! Events as newline-delimited JSON: all that there are, without pages, as fast as they can be written.

use std::io;
use std::ops::ControlFlow;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use kinora_log::{Filter, Log, RecordRef, SearchRange};
use kinora_types::{Direction, Position, Progress};

use crate::edge::accept;
use crate::edge::problem::Problem;
use crate::read::encode;

/// Bytes that are sent at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Pieces that wait for a slow client.
const WAITING_PIECES: usize = 4;

/// Events that a filtered search finds between two looks at the client.
const STEP_EVENTS: usize = 1_000;

pub fn is_wanted(headers: &HeaderMap) -> bool {
    accept::prefers(headers, accept::NDJSON)
}

/// All events of a filter from a position on, up to what is durable now.
pub fn answer(log: Log, filter: Filter, from: Position, direction: Direction, limit: Option<usize>) -> Response {
    let (pieces, receiver) = mpsc::channel(WAITING_PIECES);
    let range = SearchRange { from, upto: log.progress(), direction, limit: limit.unwrap_or(usize::MAX) };
    tokio::task::spawn_blocking(move || {
        let mut lines = Lines { piece: Vec::with_capacity(PIECE_BYTES * 2), pieces, left: range.limit };
        if let Err(problem) = lines.write(&log, &filter, range) {
            // The answer ends in the middle, so that it is not taken for all.
            let _ = lines.pieces.blocking_send(Err(io::Error::other(problem.into_text())));
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receiver));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

struct Lines {
    piece: Vec<u8>,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    left: usize,
}

impl Lines {
    fn write(&mut self, log: &Log, filter: &Filter, range: SearchRange) -> Result<(), Problem> {
        let mut written = Ok(ControlFlow::Continue(()));
        if filter.is_open() && range.direction == Direction::Forwards {
            let upto = Progress(range.upto.0.min(range.from.0.saturating_add(range.limit as u64)));
            log.scan(range.from, upto, |position, record| {
                written = self.line(position, &record);
                if matches!(written, Ok(ControlFlow::Continue(()))) {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        } else {
            let mut next = Some(range.from);
            while let Some(from) = next.filter(|_| self.left > 0 && matches!(written, Ok(ControlFlow::Continue(())))) {
                let step = SearchRange { from, limit: self.left.min(STEP_EVENTS), ..range };
                next = log.visit(filter, step, |position, record| {
                    if matches!(written, Ok(ControlFlow::Continue(()))) {
                        written = self.line(position, &record);
                    }
                })?;
            }
        }
        if written?.is_continue() {
            let _ = self.send();
        }
        Ok(())
    }

    fn line(&mut self, position: Position, record: &RecordRef<'_>) -> Result<ControlFlow<()>, Problem> {
        encode::event(&mut self.piece, position, record)?;
        self.piece.push(b'\n');
        self.left = self.left.saturating_sub(1);
        Ok(if self.piece.len() >= PIECE_BYTES { self.send() } else { ControlFlow::Continue(()) })
    }

    /// Breaks off if nobody listens any more.
    fn send(&mut self) -> ControlFlow<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES * 2));
        match self.pieces.blocking_send(Ok(piece.into())) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}
