//! Verification of a log: every record, and every index against the records.
//!
//! Each index is compared with the records as a whole first: the sum of the hashes of the entries that the records
//! call for, and of those that are there. That takes two scans, and memory for the types and the claims only. Where
//! the sums differ, the entries are looked up one by one, and those that are wrong are named.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use rocksdb::{DB, DBRawIterator};

use kinora_types::{Position, Progress, Revision};

use crate::error::Error;
use crate::log::Log;
use crate::read::lookup::{self, decode, family};
use crate::read::postings;
use crate::record::claims::{self, Claims, HeldClaim};
use crate::record::event::RecordRef;
use crate::record::keys;

/// Flaws that are named. The others are counted.
const NAMED_FLAWS: usize = 100;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The column family of the log's database.
    pub family: &'static str,
    pub what: String,
}

#[derive(Debug, Default)]
pub struct Report {
    pub events: u64,
    pub streams: u64,
    pub claims: u64,
    pub faults: u64,
    /// The first ones.
    pub named: Vec<Flaw>,
}

/// A set of entries, whatever their order.
#[derive(Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    hashes: u64,
}

impl Sum {
    fn add(&mut self, key: &[u8], number: u64) {
        let mut hasher = DefaultHasher::new();
        (key, number).hash(&mut hasher);
        self.count += 1;
        self.hashes = self.hashes.wrapping_add(hasher.finish());
    }
}

/// The indexes that have entries for events: (key or name, position).
const INDEXES: [&str; 6] = [keys::STREAMS, keys::REVISIONS, keys::IDS, keys::BY_TYPE, keys::BY_CATEGORY, keys::BY_TAG];

/// What the records say.
#[derive(Default)]
struct Expected {
    sums: HashMap<&'static str, Sum>,
    types: BTreeMap<(String, u32), (u64, u64)>,
    claims: BTreeMap<Vec<u8>, HeldClaim>,
}

struct Check<'a> {
    db: &'a DB,
    report: Report,
}

impl Log {
    /// Checks the whole log. `progress` is told now and then how many events have been looked at.
    pub fn verify(&self, progress: impl FnMut(u64)) -> Result<Report, Error> {
        verify(self.db(), self.progress(), progress)
    }
}

/// Checks a log that goes up to `end`.
pub fn verify(db: &DB, end: Progress, mut progress: impl FnMut(u64)) -> Result<Report, Error> {
    let mut check = Check { db, report: Report::default() };
    let expected = check.records(end, &mut progress)?;
    check.types(&expected)?;
    check.claims(&expected)?;
    check.revisions()?;
    for index in INDEXES {
        if check.sum(index)? != *expected.sums.get(index).unwrap_or(&Sum::default()) {
            check.locate(index, end)?;
        }
    }
    Ok(check.report)
}

/// The entries of an index that an event calls for.
fn entries(index: &'static str, event: &RecordRef<'_>, mut each: impl FnMut(&[u8])) {
    match index {
        keys::STREAMS if event.revision.0 == 0 => each(event.stream.as_bytes()),
        keys::STREAMS => {}
        keys::REVISIONS => each(&in_stream(event.stream, event.revision)),
        keys::IDS => each(event.id.as_bytes()),
        keys::BY_TYPE => each(event.kind.as_bytes()),
        keys::BY_CATEGORY => each(keys::category(event.stream).as_bytes()),
        _ => {
            let mut tags: Vec<_> = event.tags.split('\n').filter(|tag| !tag.is_empty()).collect();
            tags.sort_unstable();
            tags.dedup();
            tags.into_iter().for_each(|tag| each(tag.as_bytes()));
        }
    }
}

/// What the checks call an entry of `revisions`, whose own key has a position in place of the name.
fn in_stream(stream: &str, revision: Revision) -> Vec<u8> {
    [stream.as_bytes(), b"\0", &revision.0.to_be_bytes()].concat()
}

impl<'a> Check<'a> {
    fn flaw(&mut self, family: &'static str, what: String) {
        self.report.faults += 1;
        if self.report.named.len() < NAMED_FLAWS {
            self.report.named.push(Flaw { family, what });
        }
    }

    fn rows(&self, name: &'static str) -> Result<DBRawIterator<'a>, Error> {
        let mut options = rocksdb::ReadOptions::default();
        options.fill_cache(false);
        options.set_verify_checksums(true);
        options.set_readahead_size(2 << 20);
        options.set_total_order_seek(true);
        let mut rows = self.db.raw_iterator_cf_opt(family(self.db, name)?, options);
        rows.seek_to_first();
        Ok(rows)
    }

    fn records(&mut self, end: Progress, progress: &mut impl FnMut(u64)) -> Result<Expected, Error> {
        let mut expected = Expected::default();
        let mut rows = self.rows(keys::EVENTS)?;
        let mut next = 0;
        while let Some((key, bytes)) = rows.item() {
            let Some(at) = keys::number(key) else {
                self.flaw(keys::EVENTS, format!("the key {} is no position", hex::encode(key)));
                rows.next();
                continue;
            };
            if at != next {
                self.flaw(keys::EVENTS, format!("there are no events at positions {next} to {}", at.saturating_sub(1)));
            }
            next = at.saturating_add(1);
            match decode(Position(at), bytes) {
                Ok(event) => self.record(at, &event, &mut expected),
                Err(error) => self.flaw(keys::EVENTS, error.to_string()),
            }
            self.report.events += 1;
            if at.is_multiple_of(100_000) {
                progress(at);
            }
            rows.next();
        }
        rows.status()?;
        if next != end.0 {
            self.flaw(keys::EVENTS, format!("the log ends at {next}, and not at {}", end.0));
        }
        Ok(expected)
    }

    fn record(&mut self, at: u64, event: &RecordRef<'_>, expected: &mut Expected) {
        for index in INDEXES {
            let sum = expected.sums.entry(index).or_default();
            entries(index, event, |key| sum.add(key, at));
        }
        expected.types.entry((event.kind.to_owned(), event.schema)).or_insert((0, at)).0 += 1;
        if event.claims.is_empty() {
            return;
        }
        let Some(Claims { release, take }) = Claims::from_text(event.claims) else {
            return self.flaw(keys::EVENTS, format!("the claims of the event at position {at} make no sense"));
        };
        for claim in release {
            expected.claims.remove(&keys::claim(&claim.key));
        }
        for claim in take {
            expected.claims.insert(keys::claim(&claim.key), HeldClaim { owner: claim.owner, since: Position(at) });
        }
    }

    fn types(&mut self, expected: &Expected) -> Result<(), Error> {
        let mut found: BTreeMap<(String, u32), (u64, u64)> = BTreeMap::new();
        for count in lookup::types(self.db)? {
            found.insert((count.kind, count.schema), (count.count, count.first.0));
        }
        let all: std::collections::BTreeSet<_> = expected.types.keys().chain(found.keys()).collect();
        for kind in all {
            let (is, should) = (found.get(kind), expected.types.get(kind));
            if is != should {
                let say = |counts: Option<&(u64, u64)>| {
                    counts
                        .map_or("none".to_owned(), |(count, first)| format!("{count} events from position {first} on"))
                };
                let (is, should) = (say(is), say(should));
                self.flaw(
                    keys::TYPES,
                    format!("type {} schema {}: there are {should}, counted are {is}", kind.0, kind.1),
                );
            }
        }
        Ok(())
    }

    fn claims(&mut self, expected: &Expected) -> Result<(), Error> {
        let name = |key: &[u8]| String::from_utf8_lossy(key).replace('\0', " ");
        let mut held = 0;
        let mut rows = self.rows(keys::CLAIMS)?;
        while let Some((key, value)) = rows.item() {
            match (claims::decode(value), expected.claims.get(key)) {
                (Some(is), Some(should)) if is == *should => held += 1,
                (_, Some(should)) => {
                    held += 1;
                    self.flaw(
                        keys::CLAIMS,
                        format!("{}: {} should hold it, since {}", name(key), should.owner, should.since),
                    );
                }
                (_, None) => self.flaw(keys::CLAIMS, format!("{}: nobody should hold it", name(key))),
            }
            rows.next();
        }
        rows.status()?;
        if held != expected.claims.len() {
            for (key, should) in &expected.claims {
                if self.db.get_pinned_cf(family(self.db, keys::CLAIMS)?, key)?.is_none() {
                    self.flaw(keys::CLAIMS, format!("{}: {} should hold it, but nobody does", name(key), should.owner));
                }
            }
        }
        self.report.claims = expected.claims.len() as u64;
        Ok(())
    }

    /// Whether the revisions of each stream go from 0 on without a gap. That they agree with the records is another
    /// check.
    fn revisions(&mut self) -> Result<(), Error> {
        let mut rows = self.rows(keys::REVISIONS)?;
        let mut before: Option<(Position, Revision)> = None;
        while let Some(key) = rows.key() {
            // What makes no sense is named by the other check.
            if let Some((first, revision)) = keys::split_revision(key) {
                let last = before.filter(|before| before.0 == first).map(|before| before.1);
                if last.is_none() {
                    self.report.streams += 1;
                }
                if revision.0 != last.map_or(0, |last| last.0 + 1) {
                    let stream = self.stream_at(first)?.unwrap_or_else(|| format!("of the event at position {first}"));
                    self.flaw(
                        keys::REVISIONS,
                        match last {
                            Some(last) => format!("stream {stream} has revision {revision} after {last}"),
                            None => format!("stream {stream} begins at revision {revision}"),
                        },
                    );
                }
                before = Some((first, revision));
            }
            rows.next();
        }
        Ok(rows.status()?)
    }

    /// The stream of the event at a position, if there is a sound one.
    fn stream_at(&self, position: Position) -> Result<Option<String>, Error> {
        let bytes = self.db.get_pinned_cf(family(self.db, keys::EVENTS)?, keys::event(position))?;
        let event = bytes.as_deref().and_then(|bytes| decode(position, bytes).ok());
        Ok(event.map(|event| event.stream.to_owned()))
    }

    /// Visits all entries of an index as (key or name, position).
    fn index(&mut self, index: &'static str, mut each: impl FnMut(&mut Self, &[u8], u64)) -> Result<(), Error> {
        let mut rows = self.rows(index)?;
        // The stream whose revisions come just now.
        let mut stream: Option<(Position, String)> = None;
        while let Some((key, value)) = rows.item() {
            let named;
            let chunk = match index {
                keys::REVISIONS => {
                    let parts = keys::split_revision(key).zip(keys::number(value));
                    if let Some(((first, _), _)) = parts
                        && stream.as_ref().is_none_or(|stream| stream.0 != first)
                    {
                        stream = self.stream_at(first)?.map(|name| (first, name));
                    }
                    match (&stream, parts) {
                        (Some((_, name)), Some(((_, revision), position))) => {
                            named = in_stream(name, revision);
                            Some((named.as_slice(), vec![position]))
                        }
                        _ => None,
                    }
                }
                keys::STREAMS | keys::IDS => keys::number(value).map(|position| (key, vec![position])),
                _ => key.split_last_chunk::<8>().and_then(|(name, first)| {
                    Some((name.strip_suffix(b"\0")?, postings::decode(u64::from_be_bytes(*first), value)?))
                }),
            };
            match chunk {
                Some((key, positions)) => positions.into_iter().for_each(|position| each(self, key, position)),
                None => self.flaw(index, format!("the entry {} makes no sense", hex::encode(key))),
            }
            rows.next();
        }
        Ok(rows.status()?)
    }

    fn sum(&mut self, index: &'static str) -> Result<Sum, Error> {
        // What makes no sense is named by the search that follows.
        let faults = (self.report.faults, self.report.named.len());
        let mut sum = Sum::default();
        self.index(index, |_, key, position| sum.add(key, position))?;
        if self.report.faults > faults.0 {
            self.report.faults = faults.0;
            self.report.named.truncate(faults.1);
            sum.count = u64::MAX;
        }
        Ok(sum)
    }

    /// Names the entries that are not as the records say.
    fn locate(&mut self, index: &'static str, end: Progress) -> Result<(), Error> {
        let show = |key: &[u8]| match index {
            keys::IDS => hex::encode(key),
            keys::REVISIONS => key.split_last_chunk::<8>().map_or_else(
                || hex::encode(key),
                |(name, revision)| {
                    let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name));
                    format!("{name} revision {}", u64::from_be_bytes(*revision))
                },
            ),
            _ => String::from_utf8_lossy(key).into_owned(),
        };
        let db = self.db;
        let events = family(db, keys::EVENTS)?;
        let before = self.report.faults;
        // Whether each entry is right ...
        let mut failed = None;
        self.index(index, |check, key, position| {
            let right = db.get_pinned_cf(events, keys::event(Position(position))).map(|bytes| {
                let mut right = false;
                if let Some(Ok(event)) = bytes.as_deref().map(|bytes| decode(Position(position), bytes)) {
                    entries(index, &event, |wanted| right |= wanted == key);
                }
                right
            });
            match right {
                Ok(true) => {}
                Ok(false) => {
                    check.flaw(index, format!("{} names position {position}, whose event is another", show(key)))
                }
                Err(error) => failed = Some(error),
            }
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        // ... and whether each event has its entries.
        for position in (0..end.0).map(Position) {
            let Some(bytes) = db.get_pinned_cf(events, keys::event(position))? else { continue };
            let Ok(event) = decode(position, &bytes) else { continue };
            let mut wanted = Vec::new();
            entries(index, &event, |key| wanted.push(key.to_vec()));
            for key in wanted {
                if !self.is_there(index, &key, position)? {
                    self.flaw(index, format!("{} is missing for the event at position {position}", show(&key)));
                }
            }
        }
        if self.report.faults == before {
            self.flaw(index, "it has an entry twice".to_owned());
        }
        Ok(())
    }

    fn is_there(&self, index: &'static str, key: &[u8], position: Position) -> Result<bool, Error> {
        let index_family = family(self.db, index)?;
        if index == keys::REVISIONS {
            let Some((name, revision)) = key.split_last_chunk::<8>() else { return Ok(false) };
            let name = name.strip_suffix(b"\0").unwrap_or(name);
            let first = self.db.get_pinned_cf(family(self.db, keys::STREAMS)?, name)?;
            let Some(first) = first.as_deref().and_then(keys::number) else { return Ok(false) };
            let key = keys::revision(Position(first), Revision(u64::from_be_bytes(*revision)));
            let value = self.db.get_pinned_cf(index_family, key)?;
            return Ok(value.is_some_and(|value| *value == keys::event(position)));
        }
        if matches!(index, keys::STREAMS | keys::IDS) {
            let value = self.db.get_pinned_cf(index_family, key)?;
            return Ok(value.is_some_and(|value| *value == keys::event(position)));
        }
        let Ok(name) = std::str::from_utf8(key) else { return Ok(false) };
        let mut rows = self.db.raw_iterator_cf(index_family);
        rows.seek_for_prev(keys::posting(name, position.0));
        let chunk = rows.item().and_then(|(key, value)| postings::decode(keys::posted_under(key, name)?, value));
        rows.status()?;
        Ok(chunk.is_some_and(|chunk| chunk.binary_search(&position.0).is_ok()))
    }
}
