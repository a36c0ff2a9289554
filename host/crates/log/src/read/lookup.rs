//! Look-ups: single questions to the log's database, in all that is written. What is durable is no matter here.

use rocksdb::{ColumnFamily, DB, DBRawIterator, IteratorMode, ReadOptions};
use uuid::Uuid;

use kinora_types::{Incarnation, Lineage, Position, Progress, Revision, StreamName};

use crate::error::Error;
use crate::record::answered::Answered;
use crate::record::claims::{self, ClaimKey, HeldClaim};
use crate::record::event::{self, RecordRef};
use crate::record::keys;
use crate::record::stream::Head;

/// Events from one to the next up to which steps are cheaper than a search.
const NEAR_EVENTS: u64 = 8;

/// How often a type occurs in the log, with one schema, and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeCount {
    pub kind: String,
    pub schema: u32,
    pub count: u64,
    pub first: Position,
}

pub fn family<'a>(db: &'a DB, name: &'static str) -> Result<&'a ColumnFamily, Error> {
    db.cf_handle(name).ok_or_else(|| Error::CorruptIndex { family: name, what: "it is missing".into() })
}

pub fn bad_key(family: &'static str, key: &[u8]) -> Error {
    Error::CorruptIndex { family, what: format!("the entry {} makes no sense", hex::encode(key)) }
}

pub fn decode(position: Position, bytes: &[u8]) -> Result<RecordRef<'_>, Error> {
    event::decode(position, bytes).map_err(|damage| Error::Corrupt { position, what: damage.to_string() })
}

pub fn record<T>(db: &DB, position: Position, read: impl FnOnce(RecordRef<'_>) -> T) -> Result<Option<T>, Error> {
    match db.get_pinned_cf(family(db, keys::EVENTS)?, keys::event(position))? {
        Some(bytes) => decode(position, &bytes).map(|record| Some(read(record))),
        None => Ok(None),
    }
}

/// Moves to the record at `position`: by steps from the one before, if that is near.
pub fn go_to(rows: &mut DBRawIterator<'_>, before: Option<Position>, position: Position) {
    match before.map(|before| position.0.wrapping_sub(before.0)) {
        Some(distance @ 1..=NEAR_EVENTS) => (0..distance).for_each(|_| rows.next()),
        Some(u64::MAX) => rows.prev(),
        _ => rows.seek(keys::event(position)),
    }
}

/// The record at `position`, which is where `rows` should stand.
pub fn item<'a>(rows: &'a DBRawIterator<'_>, position: Position) -> Result<RecordRef<'a>, Error> {
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
pub fn first_of(db: &DB, stream: &StreamName) -> Result<Option<Position>, Error> {
    number(db, keys::STREAMS, stream.as_str().as_bytes()).map(|first| first.map(Position))
}

/// Where the event of a revision stands that there is in the stream with this first event.
pub fn position_in_stream(db: &DB, first: Position, revision: Revision) -> Result<Position, Error> {
    let key = keys::revision(first, revision);
    number(db, keys::REVISIONS, &key)?.map(Position).ok_or_else(|| bad_key(keys::REVISIONS, &key))
}

/// For an iterator that goes on from one stream or name to another only by a search: a filter may say which files
/// have nothing of it.
pub fn under_one_name() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_prefix_same_as_start(true);
    options
}

pub fn position_of(db: &DB, id: Uuid) -> Result<Option<Position>, Error> {
    number(db, keys::IDS, id.as_bytes()).map(|position| position.map(Position))
}

pub fn holder(db: &DB, claim: &ClaimKey) -> Result<Option<HeldClaim>, Error> {
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

/// The last epoch that ended with all in tables, if any did.
pub fn closed(db: &DB) -> Result<Option<u64>, Error> {
    number(db, keys::META, keys::CLOSED_KEY)
}

/// What tells this log from all others, if it has been made at all.
pub fn id(db: &DB) -> Result<Option<Uuid>, Error> {
    match db.get_pinned_cf(family(db, keys::META)?, keys::ID_KEY)? {
        Some(id) => Uuid::from_slice(&id).map(Some).map_err(|_| bad_key(keys::META, keys::ID_KEY)),
        None => Ok(None),
    }
}

/// The lives of a log. The first one has the id of the log.
pub fn lineage(db: &DB, id: Uuid) -> Result<Lineage, Error> {
    let first = Lineage::new(Incarnation(id));
    let Some(later) = db.get_pinned_cf(family(db, keys::META)?, keys::INCARNATIONS_KEY)? else { return Ok(first) };
    let (later, rest) = later.as_chunks::<{ keys::INCARNATION_BYTES }>();
    let parted = later.iter().try_fold(first, |lineage, bytes| {
        let (id, kept) = bytes.split_first_chunk()?;
        Some(lineage.parted(Incarnation(Uuid::from_bytes(*id)), Progress(keys::number(kept)?)))
    });
    parted.filter(|_| rest.is_empty()).ok_or_else(|| bad_key(keys::META, keys::INCARNATIONS_KEY))
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
