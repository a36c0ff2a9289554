//! Reads of a log in order, by stream and by position, never beyond what is durable. Every record's checksum is
//! verified on the way, and a gap is damage.

use std::ops::ControlFlow;

use rocksdb::{DB, Direction as Toward, IteratorMode, ReadOptions};
use uuid::Uuid;

use kinora_files::folder_bytes;
use kinora_types::{Direction, ExpectedRevision, Micros, Position, Progress, Revision, StreamName};

use crate::error::Error;
use crate::log::Log;
use crate::read::lookup::{self, TypeCount};
use crate::read::streams::StreamList;
use crate::record::claims::{ClaimKey, HeldClaim};
use crate::record::event::{RecordRef, Recorded};
use crate::record::keys;
use crate::record::request::AppendRequest;
use crate::record::stream::Head;

/// Bytes that a long scan reads ahead of itself.
const READAHEAD_BYTES: usize = 2 << 20;

/// Events from which on a scan is a long one: it reads ahead, and leaves the cache to others.
const LONG_SCAN_EVENTS: u64 = 10_000;

#[derive(Debug)]
pub struct Stats {
    pub events: u64,
    /// As RocksDB estimates it.
    pub streams: u64,
    /// Bytes of the log's folder: tables, journal and all. None of a log in memory.
    pub bytes: u64,
    pub types: Vec<TypeCount>,
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
        let mut rows = db.raw_iterator_cf_opt(lookup::family(db, keys::EVENTS)?, options);
        rows.seek(keys::event(from));
        for position in (from.0..upto.0).map(Position) {
            if visit(position, lookup::item(&rows, position)?).is_break() {
                return Ok(());
            }
            rows.next();
        }
        Ok(())
    }

    pub fn event(&self, position: Position) -> Result<Option<Recorded>, Error> {
        if !self.progress().includes(position) {
            return Ok(None);
        }
        lookup::record(&self.inner.db, position, |record| record.to_owned(position))
    }

    /// Where the event with this id stands, if it is there and durable.
    pub fn position_of(&self, id: Uuid) -> Result<Option<Position>, Error> {
        let found = lookup::position_of(&self.inner.db, id)?;
        Ok(found.filter(|position| self.progress().includes(*position)))
    }

    /// In what the event at a position is another than the one that an import has for it; `None`: in nothing.
    pub fn differs_from_import(
        &self,
        position: Position,
        request: &AppendRequest,
        time: Micros,
    ) -> Result<Option<&'static str>, Error> {
        let wanted = request.appends.iter().find_map(|append| Some((append, append.events.first()?)));
        let Some((append, event)) = wanted else { return Ok(Some("there is no event")) };
        let revision = match append.expected {
            ExpectedRevision::Exactly(before) => Some(Revision(before.0.saturating_add(1))),
            ExpectedRevision::NoStream => Some(Revision(0)),
            ExpectedRevision::Any | ExpectedRevision::Exists => None,
        };
        let differs = lookup::record(&self.inner.db, position, |record| {
            [
                ("its id", record.id != event.id),
                ("its stream", record.stream != append.stream.as_str()),
                ("its revision", revision.is_some_and(|revision| revision != record.revision)),
                ("its time", record.time != time),
                ("its type, data, metadata or tags", !record.says_the_same(&append.stream, event)),
                ("its claims", record.claims != request.claims.to_text()),
            ]
            .into_iter()
            .find_map(|(what, differs)| differs.then_some(what))
        })?;
        Ok(differs.unwrap_or(Some("it is not there")))
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
        self.visit_stream(stream, from, direction, limit, |position, record| {
            found.push(record.to_owned(position));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Visits at most `limit` events of a stream from revision `from` on, towards its end or its beginning, until
    /// `visit` breaks off.
    pub fn visit_stream(
        &self,
        stream: &StreamName,
        from: Revision,
        direction: Direction,
        limit: usize,
        mut visit: impl FnMut(Position, RecordRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let durable = self.progress();
        let db = &self.inner.db;
        let Some(first) = lookup::first_of(db, stream)? else { return Ok(()) };
        let start = keys::revision(first, from);
        let toward = match direction {
            Direction::Forwards => Toward::Forward,
            Direction::Backwards => Toward::Reverse,
        };
        let mut left = limit;
        let mut rows = db.raw_iterator_cf(lookup::family(db, keys::EVENTS)?);
        let mut before = None;
        let mode = IteratorMode::From(&start, toward);
        for entry in db.iterator_cf_opt(lookup::family(db, keys::REVISIONS)?, lookup::under_one_name(), mode) {
            let (key, value) = entry?;
            if left == 0 || keys::split_revision(&key).is_none_or(|(of, _)| of != first) {
                break;
            }
            let position = Position(keys::number(&value).ok_or_else(|| lookup::bad_key(keys::REVISIONS, &key))?);
            if durable.includes(position) {
                lookup::go_to(&mut rows, before, position);
                before = Some(position);
                if visit(position, lookup::item(&rows, position)?).is_break() {
                    return Ok(());
                }
                left -= 1;
            }
        }
        Ok(())
    }

    /// The first revision of a stream whose event stands at `position` or later, or where the next one will stand.
    pub fn revision_at(&self, stream: &StreamName, position: Position) -> Result<Revision, Error> {
        let db = &self.inner.db;
        match StreamList::new(db, stream, Direction::Forwards)?.find(position.0)? {
            Some(found) => Ok(lookup::record(db, Position(found), |event| event.revision)?.unwrap_or(Revision(0))),
            None => Ok(lookup::head(db, stream)?.map_or(Revision(0), |head| Revision(head.revision.0 + 1))),
        }
    }

    /// The revision of a stream's last durable event, or `None` if there is no such stream.
    pub fn stream_head(&self, stream: &StreamName) -> Result<Option<Revision>, Error> {
        let (db, durable) = (&self.inner.db, self.progress());
        let Some(Head { first, revision }) = lookup::head(db, stream)? else { return Ok(None) };
        let mut head = Some(revision);
        // Only where syncs are put off, the last events may not be durable yet.
        while let Some(revision) = head {
            if durable.includes(lookup::position_in_stream(db, first, revision)?) {
                break;
            }
            head = revision.0.checked_sub(1).map(Revision);
        }
        Ok(head)
    }

    /// The first event that was appended at `time` or later, or where the next one will stand.
    pub fn position_at(&self, time: Micros) -> Result<Position, Error> {
        // Time never goes back in a log, so halving finds it.
        let (mut low, mut high) = (0, self.progress().0);
        while low < high {
            let position = Position(low + (high - low) / 2);
            let missing = || Error::Corrupt { position, what: "there is no event".into() };
            if lookup::record(&self.inner.db, position, |event| event.time)?.ok_or_else(missing)? < time {
                low = position.0 + 1;
            } else {
                high = position.0;
            }
        }
        Ok(Position(low))
    }

    /// Who holds a claim, or `None` if it is free.
    pub fn claim(&self, claim: &ClaimKey) -> Result<Option<HeldClaim>, Error> {
        lookup::holder(&self.inner.db, claim)
    }

    /// What the log holds, in figures.
    pub fn stats(&self) -> Result<Stats, Error> {
        let db = &self.inner.db;
        let failed = |cause: std::io::Error| Error::Folder { dir: db.path().to_owned(), cause: cause.to_string() };
        stats(db, self.progress(), folder_bytes(db.path()).map_err(failed)?)
    }

    /// Which event types the log holds, ordered by name and schema.
    pub fn types(&self) -> Result<Vec<TypeCount>, Error> {
        lookup::types(&self.inner.db)
    }
}

pub fn stats(db: &DB, end: Progress, bytes: u64) -> Result<Stats, Error> {
    let streams = db.property_int_value_cf(lookup::family(db, keys::STREAMS)?, "rocksdb.estimate-num-keys")?;
    Ok(Stats { events: end.0, streams: streams.unwrap_or(0), bytes, types: lookup::types(db)? })
}
