//! A sample of history: the beginning of what a version goes through, every type at its first events, and streams
//! spread over all of it. Streams are taken from their first event on, since an event often makes no sense without
//! those before it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use kinora_log::{Error, Log};
use kinora_types::{Direction, Position, Progress, Revision, StreamName};

use crate::feed::routes::{Route, Routes};

/// Events at the beginning of the log.
const FIRST_EVENTS: u64 = 512;

/// Places of the log, evenly spread, whose streams are taken.
const SPREAD_PLACES: u64 = 48;

/// Events of a stream.
const STREAM_EVENTS: usize = 32;

/// Events of each type, from its first one on: what depends on other events of a type shows with the second at the
/// earliest.
const TYPE_EVENTS: usize = 24;

/// Events at most: about a second of work, in all paces together.
const MAX_EVENTS: usize = 3_000;

/// Positions of events that concern a version, ascending.
pub fn sample(log: &Log, routes: &Routes, from: Progress) -> Result<Vec<u64>, Error> {
    let head = log.progress().0;
    let mut chosen = BTreeSet::new();
    let mut take = |position: Position, kind: &str, schema: u32| {
        let concerns =
            !from.includes(position) && routes.at(position, kind, schema).is_some_and(|route| route != Route::Ignore);
        if concerns && chosen.len() < MAX_EVENTS {
            chosen.insert(position.0);
        }
    };
    let types = log.types()?;
    for found in &types {
        let mut left = TYPE_EVENTS;
        log.scan_types(std::slice::from_ref(&found.kind), from.next(), log.progress(), |position, record| {
            take(position, record.kind, record.schema);
            left = left.saturating_sub(1);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
    }
    let mut places: Vec<Position> = types.iter().map(|found| found.first).collect();
    let spread = SPREAD_PLACES.min(head);
    places.extend((0..spread).map(|place| Position(head / spread * place + head / spread / 2)));
    for place in places {
        let Some(event) = log.event(place)? else { continue };
        take(place, &event.kind, event.schema);
        let Ok(stream) = event.stream.parse::<StreamName>() else { continue };
        for event in log.read_stream(&stream, Revision(0), Direction::Forwards, STREAM_EVENTS)? {
            take(event.position, &event.kind, event.schema);
        }
    }
    let first = usize::try_from(FIRST_EVENTS.min(head)).unwrap_or(usize::MAX);
    for event in log.read(from.next(), Direction::Forwards, first)? {
        take(event.position, &event.kind, event.schema);
    }
    Ok(chosen.into_iter().collect())
}
