//! Reading the log: in order, by stream, by id. Every record's checksum is verified on the way, and a gap is damage.

use std::ops::ControlFlow;
use std::path::Path;

use rocksdb::{ColumnFamily, DB, Direction as Toward, IteratorMode, Options, ReadOptions};
use uuid::Uuid;

use crate::event::{Direction, Micros, Position, Progress, Revision, StreamName};

use super::claims::{self, ClaimKey, Held};
use super::error::Error;
use super::postings::Matches;
use super::record::{RecordRef, Recorded};
use super::selection::Selection;
use super::{FORMAT, Log, keys, record};

/// Bytes that a long scan reads ahead of itself.
const READAHEAD_BYTES: usize = 2 << 20;

/// Events from which on a scan is a long one: it reads ahead, and leaves the cache to others.
const LONG_SCAN_EVENTS: u64 = 10_000;

/// Events that a search looks at in vain before it answers with what it has.
const LOOKED_AT_EVENTS: usize = 10_000;

/// Which events to read.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub selection: Option<Selection>,
    /// How the name of the stream begins.
    pub stream_prefix: Option<String>,
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
    /// Bytes of the table files, without what is still in the write-ahead log only.
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
        let mut position = from;
        while upto.includes(position) {
            let Some((key, bytes)) = rows.item() else {
                rows.status()?;
                return Err(Error::Corrupt { position, what: "there is no event".into() });
            };
            if key != keys::event(position) {
                return Err(Error::Corrupt { position, what: "there is no event, but later ones exist".into() });
            }
            if visit(position, decode(position, bytes)?).is_break() {
                return Ok(());
            }
            position = Position(position.0 + 1);
            rows.next();
        }
        Ok(())
    }

    /// At most `limit` events from `from` on, towards the end or the beginning.
    pub fn read(&self, from: Position, direction: Direction, limit: usize) -> Result<Vec<Recorded>, Error> {
        let mut found = Vec::new();
        match direction {
            Direction::Forwards => {
                let upto = Progress(from.0.saturating_add(limit as u64));
                self.scan(from, upto, |position, record| {
                    found.push(record.to_owned(position));
                    ControlFlow::Continue(())
                })?;
            }
            Direction::Backwards => {
                let Some(last) = self.progress().last() else { return Ok(found) };
                let mut next = Some(from.min(last).0);
                while let Some(position) = next.filter(|_| found.len() < limit).map(Position) {
                    let missing = || Error::Corrupt { position, what: "there is no event".into() };
                    found.push(self.event(position)?.ok_or_else(missing)?);
                    next = position.0.checked_sub(1);
                }
            }
        }
        Ok(found)
    }

    /// At most `limit` events that a filter lets through, from `from` on, before `upto` if forwards.
    ///
    /// Types and tags are found by posting lists. How a stream's name begins is seen by looking at the events; so a
    /// search may end early, with `next` to go on from.
    pub fn select(
        &self,
        filter: &Filter,
        from: Position,
        upto: Progress,
        direction: Direction,
        limit: usize,
    ) -> Result<Selected, Error> {
        let end = upto.min(self.progress());
        let mut selected = Selected { events: Vec::new(), next: None };
        let Some(last) = end.last() else { return Ok(selected) };
        let db = &self.inner.db;
        let everything = Selection { items: vec![Default::default()] };
        let mut matches = Matches::new(db, filter.selection.as_ref().unwrap_or(&everything), direction)?;
        let mut at = match direction {
            Direction::Forwards => Some(from.0),
            Direction::Backwards => Some(from.min(last).0),
        };
        let mut in_vain = 0;
        while let Some(asked) = at {
            if selected.events.len() == limit || in_vain == LOOKED_AT_EVENTS {
                selected.next = end.includes(Position(asked)).then_some(Position(asked));
                break;
            }
            let Some(position) = matches.find(asked)?.map(Position).filter(|position| end.includes(*position)) else {
                break;
            };
            let wanted = |stream: &str| filter.stream_prefix.as_ref().is_none_or(|prefix| stream.starts_with(prefix));
            let read = |event: RecordRef<'_>| wanted(event.stream).then(|| event.to_owned(position));
            let missing = || Error::Corrupt { position, what: "an index says that there is an event".into() };
            match record(db, position, read)?.ok_or_else(missing)? {
                Some(event) => selected.events.push(event),
                None => in_vain += 1,
            }
            at = match direction {
                Direction::Forwards => position.0.checked_add(1),
                Direction::Backwards => position.0.checked_sub(1),
            };
        }
        Ok(selected)
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
        let durable = self.progress();
        let db = &self.inner.db;
        let start = keys::stream(stream.as_str(), from);
        let toward = match direction {
            Direction::Forwards => Toward::Forward,
            Direction::Backwards => Toward::Reverse,
        };
        let mut found = Vec::new();
        for entry in db.iterator_cf(family(db, keys::STREAMS)?, IteratorMode::From(&start, toward)) {
            let (key, value) = entry?;
            if found.len() == limit || keys::revision_of(&key, stream.as_str()).is_none() {
                break;
            }
            let position = Position(keys::number(&value).ok_or_else(|| bad_key(keys::STREAMS, &key))?);
            if durable.includes(position) {
                let missing = || Error::Corrupt { position, what: format!("stream {stream} has an event here") };
                found.push(self.event(position)?.ok_or_else(missing)?);
            }
        }
        Ok(found)
    }

    pub fn event(&self, position: Position) -> Result<Option<Recorded>, Error> {
        if !self.progress().includes(position) {
            return Ok(None);
        }
        record(&self.inner.db, position, |record| record.to_owned(position))
    }

    /// The revision of a stream's last event, or `None` if there is no such stream.
    pub fn stream_head(&self, stream: &StreamName) -> Result<Option<Revision>, Error> {
        head(&self.inner.db, stream)
    }

    /// What the log holds, in figures.
    pub fn stats(&self) -> Result<Stats, Error> {
        let db = &self.inner.db;
        let property = |name, of| Ok::<_, Error>(db.property_int_value_cf(family(db, of)?, name)?.unwrap_or(0));
        let size = |of: &'static str| property("rocksdb.total-sst-files-size", of);
        Ok(Stats {
            events: self.progress().0,
            streams: property("rocksdb.estimate-num-keys", keys::HEADS)?,
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

pub fn head(db: &DB, stream: &StreamName) -> Result<Option<Revision>, Error> {
    number(db, keys::HEADS, stream.as_str().as_bytes()).map(|head| head.map(Revision))
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

/// Refuses a database of another format, and marks a new one with ours.
pub fn check_format(db: &DB, dir: &Path) -> Result<(), Error> {
    let meta = family(db, keys::META)?;
    let Some(found) = db.get_cf(meta, keys::FORMAT_KEY)? else {
        db.put_cf(meta, keys::FORMAT_KEY, FORMAT.to_be_bytes())?;
        return Ok(());
    };
    if found == FORMAT.to_be_bytes() {
        return Ok(());
    }
    Err(other_format(dir, &found))
}

/// Refuses a database of another format before anything in it is changed: other formats have other families, and opening it
/// would make ours.
pub fn refuse_other_families(options: &Options, dir: &Path) -> Result<(), Error> {
    // Whether it can be read at all is seen when it is opened.
    let Ok(families) = DB::list_cf(options, dir) else { return Ok(()) };
    let ours = |name: &String| name == "default" || keys::FAMILIES.contains(&name.as_str());
    if families.len() == keys::FAMILIES.len() + 1 && families.iter().all(ours) {
        return Ok(());
    }
    let Ok(db) = DB::open_cf_for_read_only(options, dir, [keys::META], false) else { return Ok(()) };
    match db.get_cf(family(&db, keys::META)?, keys::FORMAT_KEY)? {
        Some(found) if found != FORMAT.to_be_bytes() => Err(other_format(dir, &found)),
        _ => Ok(()),
    }
}

fn other_format(dir: &Path, found: &[u8]) -> Error {
    let found = match <[u8; 4]>::try_from(found) {
        Ok(number) => u32::from_be_bytes(number).to_string(),
        Err(_) => hex::encode(found),
    };
    Error::Format { dir: dir.to_owned(), found, known: FORMAT }
}
