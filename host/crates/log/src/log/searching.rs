//! Searches of a log by stream, type and tag, never beyond what is durable.

use std::ops::ControlFlow;

use rocksdb::ReadOptions;

use kinora_types::{Direction, Position, Progress};

use crate::error::Error;
use crate::log::Log;
use crate::read::lookup;
use crate::read::postings::Matches;
use crate::record::event::{RecordRef, Recorded};
use crate::record::keys;
use crate::record::selection::{Filter, Item, Selection};

/// Events up to which a search looks at each of them.
const SHORT_RANGE_EVENTS: u64 = 512;

/// Events that a search looks at in vain before it answers with what it has.
const LOOKED_AT_EVENTS: usize = 10_000;

/// Where a search begins and ends.
#[derive(Clone, Copy, Debug)]
pub struct SearchRange {
    pub from: Position,
    /// Nothing from there on, whatever the direction.
    pub upto: Progress,
    pub direction: Direction,
    /// Events to find at most.
    pub limit: usize,
}

/// What a search has found.
#[derive(Debug)]
pub struct FoundEvents {
    pub events: Vec<Recorded>,
    /// Where to go on; `None` at the end of what was to be searched.
    pub next: Option<Position>,
}

impl Log {
    /// At most `limit` events from `from` on, towards the end or the beginning.
    pub fn read(&self, from: Position, direction: Direction, limit: usize) -> Result<Vec<Recorded>, Error> {
        let range = SearchRange { from, upto: Progress(u64::MAX), direction, limit };
        self.select(&Filter::default(), range).map(|found| found.events)
    }

    /// The events that a filter lets through.
    pub fn select(&self, filter: &Filter, range: SearchRange) -> Result<FoundEvents, Error> {
        let mut events = Vec::new();
        let next = self.visit(filter, range, |position, record| {
            events.push(record.to_owned(position));
            ControlFlow::Continue(())
        })?;
        Ok(FoundEvents { events, next })
    }

    /// Visits the events that a filter lets through, until `visit` breaks off at one that it does not take, and says
    /// where to go on, or `None` at the end of the range.
    ///
    /// Types, tags and streams are found by their lists. Only among very many streams of a prefix, those of their
    /// category are looked at one by one; a search that looks in vain for long ends early, with a place to go on
    /// from.
    pub fn visit(
        &self,
        filter: &Filter,
        range: SearchRange,
        mut visit: impl FnMut(Position, RecordRef<'_>) -> ControlFlow<()>,
    ) -> Result<Option<Position>, Error> {
        let end = range.upto.min(self.progress());
        let Some(last) = end.last() else { return Ok(None) };
        let forwards = range.direction == Direction::Forwards;
        let mut at = if forwards { Some(range.from.0) } else { Some(range.from.min(last).0) };
        let db = &self.inner.db;
        // A look at each of a few events is cheaper than the lists.
        let short = forwards && end.0.saturating_sub(range.from.0) <= SHORT_RANGE_EVENTS;
        let every = Filter::default();
        let mut matches = Matches::new(db, if short { &every } else { filter }, range.direction)?;
        let mut rows = db.raw_iterator_cf(lookup::family(db, keys::EVENTS)?);
        let (mut found, mut in_vain, mut before) = (0, 0, None);
        while let Some(asked) = at {
            if found == range.limit || in_vain >= LOOKED_AT_EVENTS {
                return Ok(end.includes(Position(asked)).then_some(Position(asked)));
            }
            let Some(position) = matches.find(asked)?.map(Position).filter(|position| end.includes(*position)) else {
                return Ok(None);
            };
            // The first two times are those of a match.
            in_vain += matches.leaps().saturating_sub(2);
            lookup::go_to(&mut rows, before, position);
            before = Some(position);
            let record = lookup::item(&rows, position)?;
            if filter.selects(&record) {
                if visit(position, record).is_break() {
                    return Ok(Some(position));
                }
                found += 1;
            } else {
                in_vain += 1;
            }
            at = if forwards { position.0.checked_add(1) } else { position.0.checked_sub(1) };
        }
        Ok(None)
    }

    /// Visits the events of these types (in any schema) from `from` on, up to `upto` or what is durable, until `visit`
    /// breaks off.
    pub fn scan_types(
        &self,
        types: &[String],
        from: Position,
        upto: Progress,
        mut visit: impl FnMut(Position, RecordRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let upto = upto.min(self.progress());
        if !upto.includes(from) || types.is_empty() {
            return Ok(());
        }
        let db = &self.inner.db;
        let item = Item { types: types.to_vec(), tags: Vec::new() };
        let filter = Filter { selection: Some(Selection { items: vec![item] }), ..Filter::default() };
        let mut matches = Matches::new(db, &filter, Direction::Forwards)?;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(keys::event(upto.next()));
        options.fill_cache(false);
        let mut rows = db.raw_iterator_cf_opt(lookup::family(db, keys::EVENTS)?, options);
        let mut at: Option<Position> = None;
        let mut asked = from.0;
        while let Some(position) = matches.find(asked)?.map(Position).filter(|position| upto.includes(*position)) {
            lookup::go_to(&mut rows, at, position);
            at = Some(position);
            let Some((_, bytes)) = rows.item().filter(|(key, _)| *key == keys::event(position)) else {
                rows.status()?;
                return Err(Error::Corrupt { position, what: "an index says that there is an event".into() });
            };
            if visit(position, lookup::decode(position, bytes)?).is_break() {
                return Ok(());
            }
            let Some(next) = position.0.checked_add(1) else { return Ok(()) };
            asked = next;
        }
        Ok(())
    }
}
