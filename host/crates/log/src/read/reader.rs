//! Reading the log: in order, by stream, by id. Every record's checksum is verified on the way, and a gap is damage.

use std::ops::ControlFlow;

use rocksdb::{ColumnFamily, DB, DBRawIterator, Direction as Toward, IteratorMode, ReadOptions};
use uuid::Uuid;

use kinora_types::{Direction, Micros, Position, Progress, Revision, StreamName};

use crate::append::decide::Head;
use crate::error::Error;
use crate::log::Log;
use crate::read::postings::Matches;
use crate::read::selection::Filter;
use crate::read::streams::StreamList;
use crate::record::claims;
use crate::record::claims::{ClaimKey, Held};
use crate::record::event::{RecordRef, Recorded};
use crate::record::requests::Answered;
use crate::record::{event as record, keys};

/// Bytes that a long scan reads ahead of itself.
const READAHEAD_BYTES: usize = 2 << 20;

/// Events from which on a scan is a long one: it reads ahead, and leaves the cache to others.
const LONG_SCAN_EVENTS: u64 = 10_000;

/// Events from one to the next up to which steps are cheaper than a search.
const NEAR_EVENTS: u64 = 8;

/// Events up to which a search looks at each of them.
const SHORT_SPAN_EVENTS: u64 = 512;

/// Events that a search looks at in vain before it answers with what it has.
const LOOKED_AT_EVENTS: usize = 10_000;

/// Where a search begins and ends.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: Position,
    /// Nothing from there on, whatever the direction.
    pub upto: Progress,
    pub direction: Direction,
    /// Events to find at most.
    pub limit: usize,
}

/// What a search has found.
#[derive(Debug)]
pub struct Selected {
    pub events: Vec<Recorded>,
    /// Where to go on; `None` at the end of what was to be searched.
    pub next: Option<Position>,
}

#[derive(Debug)]
pub struct Stats {
    pub events: u64,
    /// About so many: RocksDB estimates it.
    pub streams: u64,
    /// Bytes of the table files, without what is still in the journal only.
    pub bytes: u64,
    pub types: Vec<TypeCount>,
}

/// How often a type occurs in the log, with one schema, and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeCount {
    pub kind: String,
    pub schema: u32,
    pub count: u64,
    pub first: Position,
}

impl Log {
    /// Visits the events from `from` on, up to `upto` or what is durable, until `visit` breaks off.
    pub fn scan(
        &self,
        from: Position,
        upto: Progress,
        mut visit: impl FnMut(Position, RecordRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let upto = upto.min(self.progress());
        if !upto.includes(from) {
            return Ok(());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(keys::event(upto.next()));
        if upto.0 - from.0 >= LONG_SCAN_EVENTS {
            options.set_readahead_size(READAHEAD_BYTES);
            options.fill_cache(false);
        }
        let db = &self.inner.db;
        let mut rows = db.raw_iterator_cf_opt(family(db, keys::EVENTS)?, options);
        rows.seek(keys::event(from));
        for position in (from.0..upto.0).map(Position) {
            if visit(position, item(&rows, position)?).is_break() {
                return Ok(());
            }
            rows.next();
        }
        Ok(())
    }

    /// At most `limit` events from `from` on, towards the end or the beginning.
    pub fn read(&self, from: Position, direction: Direction, limit: usize) -> Result<Vec<Recorded>, Error> {
        let span = Span { from, upto: Progress(u64::MAX), direction, limit };
        self.select(&Filter::default(), span).map(|selected| selected.events)
    }

    /// The events that a filter lets through.
    pub fn select(&self, filter: &Filter, span: Span) -> Result<Selected, Error> {
        let mut events = Vec::new();
        let next = self.visit(filter, span, |position, record| events.push(record.to_owned(position)))?;
        Ok(Selected { events, next })
    }

    /// Visits the events that a filter lets through, and says where to go on, or `None` at the end of the span.
    ///
    /// Types, tags and streams are found by their lists. Only among very many streams of a prefix, those of their category are
    /// looked at one by one; a search that looks in vain for long ends early, with a place to go on from.
    pub fn visit(
        &self,
        filter: &Filter,
        span: Span,
        mut visit: impl FnMut(Position, RecordRef<'_>),
    ) -> Result<Option<Position>, Error> {
        let end = span.upto.min(self.progress());
        let Some(last) = end.last() else { return Ok(None) };
        let forwards = span.direction == Direction::Forwards;
        let mut at = if forwards { Some(span.from.0) } else { Some(span.from.min(last).0) };
        let db = &self.inner.db;
        // A look at each of a few events is cheaper than the lists.
        let short = forwards && end.0.saturating_sub(span.from.0) <= SHORT_SPAN_EVENTS;
        let every = Filter::default();
        let mut matches = Matches::new(db, if short { &every } else { filter }, span.direction)?;
        let mut rows = db.raw_iterator_cf(family(db, keys::EVENTS)?);
        let (mut found, mut in_vain, mut before) = (0, 0, None);
        while let Some(asked) = at {
            if found == span.limit || in_vain == LOOKED_AT_EVENTS {
                return Ok(end.includes(Position(asked)).then_some(Position(asked)));
            }
            let Some(position) = matches.find(asked)?.map(Position).filter(|position| end.includes(*position)) else {
                return Ok(None);
            };
            go_to(&mut rows, before, position);
            before = Some(position);
            let record = item(&rows, position)?;
            if filter.selects(&record) {
                visit(position, record);
                found += 1;
            } else {
                in_vain += 1;
            }
            at = if forwards { position.0.checked_add(1) } else { position.0.checked_sub(1) };
        }
        Ok(None)
    }

    /// The first event that was appended at `time` or later, or where the next one will stand.
    pub fn position_at(&self, time: Micros) -> Result<Position, Error> {
        // Time never goes back in a log, so halving finds it.
        let (mut low, mut high) = (0, self.progress().0);
        while low < high {
            let position = Position(low + (high - low) / 2);
            let missing = || Error::Corrupt { position, what: "there is no event".into() };
            if record(&self.inner.db, position, |event| event.time)?.ok_or_else(missing)? < time {
                low = position.0 + 1;
            } else {
                high = position.0;
            }
        }
        Ok(Position(low))
    }

    /// Who holds a claim, or `None` if it is free.
    pub fn claim(&self, claim: &ClaimKey) -> Result<Option<Held>, Error> {
        holder(&self.inner.db, claim)
    }

    /// At most `limit` events of a stream from revision `from` on, towards its end or its beginning.
    pub fn read_stream(
        &self,
        stream: &StreamName,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, Error> {
        let mut found = Vec::new();
        self.visit_stream(stream, from, direction, limit, |position, record| found.push(record.to_owned(position)))?;
        Ok(found)
    }

    /// Visits at most `limit` events of a stream from revision `from` on, towards its end or its beginning.
    pub fn visit_stream(
        &self,
        stream: &StreamName,
        from: Revision,
        direction: Direction,
        limit: usize,
        mut visit: impl FnMut(Position, RecordRef<'_>),
    ) -> Result<(), Error> {
        let durable = self.progress();
        let db = &self.inner.db;
        let Some(first) = first_of(db, stream)? else { return Ok(()) };
        let start = keys::revision(first, from);
        let toward = match direction {
            Direction::Forwards => Toward::Forward,
            Direction::Backwards => Toward::Reverse,
        };
        let mut left = limit;
        let mut rows = db.raw_iterator_cf(family(db, keys::EVENTS)?);
        let mut before = None;
        let mode = IteratorMode::From(&start, toward);
        for entry in db.iterator_cf_opt(family(db, keys::REVISIONS)?, under_one_name(), mode) {
            let (key, value) = entry?;
            if left == 0 || keys::split_revision(&key).is_none_or(|(of, _)| of != first) {
                break;
            }
            let position = Position(keys::number(&value).ok_or_else(|| bad_key(keys::REVISIONS, &key))?);
            if durable.includes(position) {
                go_to(&mut rows, before, position);
                before = Some(position);
                visit(position, item(&rows, position)?);
                left -= 1;
            }
        }
        Ok(())
    }

    /// The first revision of a stream whose event stands at `position` or later, or where the next one will stand.
    pub fn revision_at(&self, stream: &StreamName, position: Position) -> Result<Revision, Error> {
        let db = &self.inner.db;
        match StreamList::new(db, stream, Direction::Forwards)?.find(position.0)? {
            Some(found) => Ok(record(db, Position(found), |event| event.revision)?.unwrap_or(Revision(0))),
            None => Ok(head(db, stream)?.map_or(Revision(0), |head| Revision(head.revision.0 + 1))),
        }
    }

    pub fn event(&self, position: Position) -> Result<Option<Recorded>, Error> {
        if !self.progress().includes(position) {
            return Ok(None);
        }
        record(&self.inner.db, position, |record| record.to_owned(position))
    }

    /// The revision of a stream's last durable event, or `None` if there is no such stream.
    pub fn stream_head(&self, stream: &StreamName) -> Result<Option<Revision>, Error> {
        let (db, durable) = (&self.inner.db, self.progress());
        let Some(Head { first, revision }) = head(db, stream)? else { return Ok(None) };
        let mut head = Some(revision);
        // Only where syncs are put off, the last events may not be durable yet.
        while let Some(revision) = head {
            if durable.includes(position_in_stream(db, first, revision)?) {
                break;
            }
            head = revision.0.checked_sub(1).map(Revision);
        }
        Ok(head)
    }

    /// What the log holds, in figures.
    pub fn stats(&self) -> Result<Stats, Error> {
        let db = &self.inner.db;
        let property = |name, of| Ok::<_, Error>(db.property_int_value_cf(family(db, of)?, name)?.unwrap_or(0));
        let size = |of: &'static str| property("rocksdb.total-sst-files-size", of);
        Ok(Stats {
            events: self.progress().0,
            streams: property("rocksdb.estimate-num-keys", keys::STREAMS)?,
            bytes: keys::FAMILIES.into_iter().map(size).sum::<Result<_, _>>()?,
            types: self.types()?,
        })
    }

    /// Which event types the log holds, ordered by name and schema.
    pub fn types(&self) -> Result<Vec<TypeCount>, Error> {
        types(&self.inner.db)
    }
}

pub fn family<'a>(db: &'a DB, name: &'static str) -> Result<&'a ColumnFamily, Error> {
    db.cf_handle(name).ok_or_else(|| Error::CorruptIndex { family: name, what: "it is missing".into() })
}

pub fn bad_key(family: &'static str, key: &[u8]) -> Error {
    Error::CorruptIndex { family, what: format!("the entry {} makes no sense", hex::encode(key)) }
}

pub fn decode(position: Position, bytes: &[u8]) -> Result<RecordRef<'_>, Error> {
    record::decode(position, bytes).map_err(|damage| Error::Corrupt { position, what: damage.to_string() })
}

pub fn record<T>(db: &DB, position: Position, read: impl FnOnce(RecordRef<'_>) -> T) -> Result<Option<T>, Error> {
    match db.get_pinned_cf(family(db, keys::EVENTS)?, keys::event(position))? {
        Some(bytes) => decode(position, &bytes).map(|record| Some(read(record))),
        None => Ok(None),
    }
}

/// Moves to the record at `position`: by steps from the one before, if that is near.
fn go_to(rows: &mut DBRawIterator<'_>, before: Option<Position>, position: Position) {
    match before.map(|before| position.0.wrapping_sub(before.0)) {
        Some(distance @ 1..=NEAR_EVENTS) => (0..distance).for_each(|_| rows.next()),
        Some(u64::MAX) => rows.prev(),
        _ => rows.seek(keys::event(position)),
    }
}

/// The record at `position`, which is where `rows` should stand.
fn item<'a>(rows: &'a DBRawIterator<'_>, position: Position) -> Result<RecordRef<'a>, Error> {
    let Some((key, bytes)) = rows.item() else {
        rows.status()?;
        return Err(Error::Corrupt { position, what: "there is no event".into() });
    };
    if key != keys::event(position) {
        return Err(Error::Corrupt { position, what: "there is no event, but later ones exist".into() });
    }
    decode(position, bytes)
}

pub fn answered(db: &DB, key: &str) -> Result<Option<Answered>, Error> {
    match db.get_pinned_cf(family(db, keys::REQUESTS)?, key)? {
        Some(value) => Answered::decode(&value).map(Some).ok_or_else(|| bad_key(keys::REQUESTS, key.as_bytes())),
        None => Ok(None),
    }
}

/// Where a stream stands, all that is written included.
pub fn head(db: &DB, stream: &StreamName) -> Result<Option<Head>, Error> {
    head_by(db, stream, |first| {
        let mut rows = db.raw_iterator_cf_opt(family(db, keys::REVISIONS)?, under_one_name());
        last_revision(&mut rows, first)
    })
}

/// The same, with another way to the last revision of the stream that has its first event there.
pub fn head_by(
    db: &DB,
    stream: &StreamName,
    last_revision: impl FnOnce(Position) -> Result<Option<Revision>, Error>,
) -> Result<Option<Head>, Error> {
    let Some(first) = first_of(db, stream)? else { return Ok(None) };
    let revision = last_revision(first)?.ok_or_else(|| bad_key(keys::STREAMS, stream.as_str().as_bytes()))?;
    Ok(Some(Head { first, revision }))
}

/// The last revision of the stream with this first event, by an iterator over `revisions`.
pub fn last_revision(rows: &mut DBRawIterator<'_>, first: Position) -> Result<Option<Revision>, Error> {
    rows.seek_for_prev(keys::revision(first, Revision(u64::MAX)));
    rows.status()?;
    let found = rows.key().and_then(keys::split_revision).filter(|(of, _)| *of == first);
    Ok(found.map(|(_, revision)| revision))
}

/// The position of a stream's first event.
fn first_of(db: &DB, stream: &StreamName) -> Result<Option<Position>, Error> {
    number(db, keys::STREAMS, stream.as_str().as_bytes()).map(|first| first.map(Position))
}

/// Where the event of a revision stands that there is in the stream with this first event.
pub fn position_in_stream(db: &DB, first: Position, revision: Revision) -> Result<Position, Error> {
    let key = keys::revision(first, revision);
    number(db, keys::REVISIONS, &key)?.map(Position).ok_or_else(|| bad_key(keys::REVISIONS, &key))
}

/// For an iterator that goes on from one stream or name to another only by a search: a filter may say which files have nothing of it.
pub fn under_one_name() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_prefix_same_as_start(true);
    options
}

pub fn position_of(db: &DB, id: Uuid) -> Result<Option<Position>, Error> {
    number(db, keys::IDS, id.as_bytes()).map(|position| position.map(Position))
}

pub fn holder(db: &DB, claim: &ClaimKey) -> Result<Option<Held>, Error> {
    let key = keys::claim(claim);
    match db.get_pinned_cf(family(db, keys::CLAIMS)?, &key)? {
        Some(value) => claims::decode(&value).map(Some).ok_or_else(|| bad_key(keys::CLAIMS, &key)),
        None => Ok(None),
    }
}

fn number(db: &DB, name: &'static str, key: &[u8]) -> Result<Option<u64>, Error> {
    match db.get_pinned_cf(family(db, name)?, key)? {
        Some(value) => keys::number(&value).map(Some).ok_or_else(|| bad_key(name, key)),
        None => Ok(None),
    }
}

/// How far the log goes.
pub fn end(db: &DB) -> Result<Progress, Error> {
    let Some(last) = db.iterator_cf(family(db, keys::EVENTS)?, IteratorMode::End).next() else {
        return Ok(Progress::default());
    };
    let (key, _) = last?;
    let last = keys::number(&key).ok_or_else(|| bad_key(keys::EVENTS, &key))?;
    Ok(Progress::through(Position(last)))
}

/// How often the log has been opened.
pub fn epoch(db: &DB) -> Result<u64, Error> {
    Ok(number(db, keys::META, keys::EPOCH_KEY)?.unwrap_or_default())
}

pub fn types(db: &DB) -> Result<Vec<TypeCount>, Error> {
    let mut types = Vec::new();
    for entry in db.iterator_cf(family(db, keys::TYPES)?, IteratorMode::Start) {
        let (key, value) = entry?;
        let counts =
            value.split_at_checked(8).and_then(|(count, first)| Some((keys::number(count)?, keys::number(first)?)));
        let (Some((name, schema)), Some((count, first))) = (keys::split_event_type(&key), counts) else {
            return Err(bad_key(keys::TYPES, &key));
        };
        types.push(TypeCount { kind: name.to_owned(), schema, count, first: Position(first) });
    }
    Ok(types)
}
