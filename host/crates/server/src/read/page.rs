//! A page of events as an answer: its text, and how long it may be kept.
//!
//! A page that has others after it never changes again, since events do not. Only its `head` is of the moment at
//! which the page was made.

use std::ops::ControlFlow;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use kinora_log::RecordRef;
use kinora_types::{Direction, Incarnation, Position};

use crate::edge::problem::Problem;
use crate::read::encode;

/// Items of a page, unless the client says otherwise.
pub const DEFAULT_LIMIT: usize = 100;

/// Items of a page at most: some megabytes of usual events.
const MAX_LIMIT: usize = 1_000;

/// The number of items that a page is to have, or why it cannot be.
pub fn limit(asked: usize) -> Result<usize, String> {
    let fits = (1..=MAX_LIMIT).contains(&asked);
    if fits { Ok(asked) } else { Err(format!("limit {asked} is not from 1 to {MAX_LIMIT}")) }
}

/// For a year, and without asking again.
const FOR_EVER: &str = "max-age=31536000, immutable";

/// Kept, but asked for again each time.
const FOR_NOW: &str = "no-cache";

/// A page that is being filled.
pub struct Page {
    /// Bytes after which it ends.
    most_bytes: usize,
    /// Whether it has ended before all that was asked for.
    pub is_full: bool,
    events: Vec<u8>,
    pub count: usize,
    first: u64,
    pub last: u64,
    pub last_revision: u64,
    failed: Option<Problem>,
}

impl Page {
    pub fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            is_full: false,
            events: Vec::new(),
            count: 0,
            first: 0,
            last: 0,
            last_revision: 0,
            failed: None,
        }
    }

    /// Bytes of its events.
    pub fn bytes(&self) -> usize {
        self.events.len()
    }

    /// Breaks off at an event that it has no room for. One has room in any case.
    pub fn add(&mut self, position: Position, record: &RecordRef<'_>) -> ControlFlow<()> {
        if self.count > 0 {
            if self.events.len() >= self.most_bytes {
                self.is_full = true;
                return ControlFlow::Break(());
            }
            self.events.push(b',');
        } else {
            self.first = position.0;
        }
        self.count += 1;
        self.last = position.0;
        self.last_revision = record.revision.0;
        if let Err(problem) = encode::event(&mut self.events, position, record) {
            self.failed = Some(problem);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// The answer. `head` and `next` are as in its body; `fixed` says whether it begins at a place that stays where
    /// it is.
    pub fn answer(
        self,
        log: Incarnation,
        headers: &HeaderMap,
        head: Option<u64>,
        next: Option<String>,
        direction: Direction,
        fixed: bool,
    ) -> Result<Response, Problem> {
        if let Some(problem) = self.failed {
            return Err(problem);
        }
        let for_ever = match direction {
            Direction::Forwards => next.is_some(),
            // Towards the beginning nothing is added, whether the page is full or not.
            Direction::Backwards => fixed,
        };
        let (first, last, count) = (self.first, self.last, self.count);
        let head_of_tag = if for_ever { None } else { head };
        let tag = format!(r#"W/"{}-{first}-{last}-{count}-{}""#, log.0.simple(), serde_json::json!(head_of_tag));
        let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let cached = if for_ever { FOR_EVER } else { FOR_NOW };
        let about = [
            (header::ETAG, tag.clone()),
            (header::CACHE_CONTROL, cached.to_owned()),
            (header::VARY, "accept".to_owned()),
        ];
        if known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag)) {
            return Ok((StatusCode::NOT_MODIFIED, about).into_response());
        }
        let body = encode::page(&self.events, head, next.as_deref());
        Ok((about, [(header::CONTENT_TYPE, "application/json")], body).into_response())
    }
}
