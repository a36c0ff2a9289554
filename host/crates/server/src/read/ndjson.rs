//! Events as newline-delimited JSON: all that there are, without pages, as fast as they can be written.

use std::ops::ControlFlow;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use kinora_log::{Filter, Log, RecordRef, SearchRange};
use kinora_types::{Budget, Direction, Position, Progress};

use crate::edge::accept;
use crate::edge::budget::Work;
use crate::edge::problem::Problem;
use crate::read::encode;
use crate::read::pieces::{self, Pieces};

/// Bytes that are sent at a time.
const PIECE_BYTES: usize = 128 << 10;

/// Events of a piece at most: so few that the log does not take it for a long scan, and reads ahead of it.
const PIECE_EVENTS: u64 = 8_192;

pub fn is_wanted(headers: &HeaderMap) -> bool {
    accept::prefers(headers, accept::NDJSON)
}

/// All events of a filter from a position on, up to what is durable now.
pub fn answer(
    work: &Work,
    log: Log,
    filter: Filter,
    from: Position,
    direction: Direction,
    limit: Option<u64>,
) -> Result<Response, Problem> {
    let (next, upto, left) = (Some(from), log.progress(), limit.unwrap_or(u64::MAX));
    let lines = Lines { log, filter, direction, upto, next, left };
    let body = pieces::body(work.following()?, lines);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

struct Lines {
    log: Log,
    filter: Filter,
    direction: Direction,
    upto: Progress,
    /// Where to go on; `None` at the end.
    next: Option<Position>,
    left: u64,
}

impl Pieces for Lines {
    fn next(&mut self, budget: &Budget) -> Result<Option<Vec<u8>>, Problem> {
        let Some(from) = self.next.filter(|_| self.left > 0) else { return Ok(None) };
        let mut piece = Piece { lines: Vec::with_capacity(PIECE_BYTES * 2), events: 0, last: None, failed: None };
        let most = self.left.min(PIECE_EVENTS);
        if self.filter.is_open() && self.direction == Direction::Forwards {
            let upto = Progress(self.upto.0.min(from.0.saturating_add(most)));
            self.log.scan(from, upto, |position, record| piece.add(position, &record))?;
            let next = Position(piece.last.map_or(upto.0, |last| last.0.saturating_add(1)));
            self.next = self.upto.includes(next).then_some(next);
        } else {
            let limit = usize::try_from(most).unwrap_or(usize::MAX);
            let range = SearchRange { from, upto: self.upto, direction: self.direction, limit };
            self.next = self.log.visit(&self.filter, range, |position, record| piece.add(position, &record))?;
        }
        self.left -= piece.events;
        budget.note(piece.events);
        piece.failed.map_or(Ok(Some(piece.lines)), Err)
    }
}

struct Piece {
    lines: Vec<u8>,
    events: u64,
    last: Option<Position>,
    failed: Option<Problem>,
}

impl Piece {
    fn add(&mut self, position: Position, record: &RecordRef<'_>) -> ControlFlow<()> {
        if self.lines.len() >= PIECE_BYTES {
            return ControlFlow::Break(());
        }
        if let Err(problem) = encode::event(&mut self.lines, position, record) {
            self.failed = Some(problem);
            return ControlFlow::Break(());
        }
        self.lines.push(b'\n');
        self.last = Some(position);
        self.events += 1;
        ControlFlow::Continue(())
    }
}
