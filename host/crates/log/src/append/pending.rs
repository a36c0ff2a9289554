//! The changes of one commit, on top of the database: each request is decided against the log with all
//! that was accepted before it in the same commit.

use std::cell::RefCell;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use rocksdb::{DB, WriteBatch};
use uuid::Uuid;

use kinora_types::{Direction, EventType, Micros, NewEvent, Position, Progress, Revision, StreamName, Tag};

use crate::append::decide::{Known, LogState};
use crate::append::kept::Kept;
use crate::append::recent::Recent;
use crate::append::search::{self, Searched};
use crate::error::Error;
use crate::read::lookup;
use crate::read::postings::{self, Matches};
use crate::record::answered::Answered;
use crate::record::claims::{self, ClaimKey, Claims, HeldClaim};
use crate::record::request::{AppendRequest, Appended, Condition, last_of_each};
use crate::record::selection::Item;
use crate::record::stream::{Head, StreamPlace};
use crate::record::{event as record, keys};

/// How often each (type, schema) occurs in the log, and where first.
pub type Types = HashMap<(String, u32), (u64, Position)>;

/// Of an event's names, and of its entries in the indexes: enough for most.
const ENTRIES_BYTES: usize = 256;

struct Accepted {
    stream: StreamName,
    /// The position of the stream's first event.
    first: Position,
    revision: Revision,
    time: Micros,
    event: NewEvent,
}

impl Accepted {
    /// About the bytes that are written for it.
    fn bytes(&self) -> usize {
        let metadata = self.event.metadata.as_ref().map_or(0, |json| json.get().len());
        self.event.data.get().len() + metadata + ENTRIES_BYTES
    }
}

/// The changes of a commit whose first event will stand at `first`.
pub struct Pending {
    first: Position,
    events: Vec<Accepted>,
    heads: HashMap<StreamName, Head>,
    ids: HashMap<Uuid, Position>,
    /// Who holds a claim now, and since when.
    holders: HashMap<ClaimKey, Option<HeldClaim>>,
    /// The claims of each accepted request that has some, by the position of its first event.
    claims: HashMap<Position, Claims>,
    answered: HashMap<String, Answered>,
    /// At which positions of the commit a type, a tag or a category stands.
    by_type: HashMap<String, Vec<u64>>,
    by_tag: HashMap<Tag, Vec<u64>>,
    by_category: HashMap<String, Vec<u64>>,
}

impl Pending {
    /// `requests`: how many will be decided, about.
    pub fn new(first: Position, requests: usize) -> Self {
        Self {
            first,
            events: Vec::with_capacity(requests),
            heads: HashMap::with_capacity(requests),
            ids: HashMap::default(),
            holders: HashMap::default(),
            claims: HashMap::default(),
            answered: HashMap::default(),
            by_type: HashMap::default(),
            by_tag: HashMap::default(),
            by_category: HashMap::default(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// The types of its events, each as often as it stands there.
    pub fn types(&self) -> impl Iterator<Item = &EventType> {
        self.events.iter().map(|accepted| &accepted.event.kind)
    }

    /// The position of the next event.
    pub fn next(&self) -> Position {
        Position(self.first.0 + self.events.len() as u64)
    }

    /// Takes up a request that was accepted at `time`, with the places that its events were given: all but the first
    /// ones, which are known.
    pub fn accept(
        &mut self,
        request: AppendRequest,
        known: Vec<Known>,
        places: Vec<StreamPlace>,
        time: Micros,
    ) -> Appended {
        let start = self.next();
        if !request.claims.is_empty() {
            for claim in &request.claims.release {
                self.holders.insert(claim.key.clone(), None);
            }
            for claim in &request.claims.take {
                let held = HeldClaim { owner: claim.owner.clone(), since: start };
                self.holders.insert(claim.key.clone(), Some(held));
            }
            self.claims.insert(start, request.claims);
        }
        let mut places = places.into_iter();
        let mut streams: Vec<(StreamName, Revision)> = Vec::with_capacity(request.appends.len());
        let (known_events, mut left) = (known.len(), known.len());
        streams.extend(known.into_iter().map(|known| (known.stream, known.revision)));
        for append in request.appends {
            let mut head: Option<Head> = None;
            let there = left.min(append.events.len());
            left -= there;
            let events = append.events.into_iter().skip(there);
            for (event, StreamPlace { first, revision }) in events.zip(places.by_ref()) {
                let position = self.next();
                let here = || self.heads.get(&append.stream).map_or(position, |head| head.first);
                let first = head.map(|head| head.first).or(first).unwrap_or_else(here);
                // Nobody knows an id yet that the host has just made.
                if !request.has_new_ids {
                    self.ids.insert(event.id, position);
                }
                self.post(position.0, &append.stream, &event);
                self.events.push(Accepted { stream: append.stream.clone(), first, revision, time, event });
                head = Some(Head { first, revision });
            }
            let Some(head) = head else { continue };
            self.heads.insert(append.stream.clone(), head);
            streams.push((append.stream, head.revision));
        }
        let last = Position(self.next().0.saturating_sub(1));
        let streams = last_of_each(streams);
        let appended = Appended { first: start, last, streams, known: known_events, duplicate: false };
        if let Some(key) = request.key {
            let again = Appended { duplicate: true, ..appended.clone() };
            self.answered.insert(key.key, Answered { fingerprint: key.fingerprint, time, appended: again });
        }
        appended
    }

    fn post(&mut self, position: u64, stream: &StreamName, event: &NewEvent) {
        let category = keys::category(stream.as_str());
        for (lists, name) in [(&mut self.by_type, event.kind.name.as_str()), (&mut self.by_category, category)] {
            match lists.get_mut(name) {
                Some(positions) => positions.push(position),
                None => drop(lists.insert(name.to_owned(), vec![position])),
            }
        }
        for tag in &event.tags {
            match self.by_tag.get_mut(tag) {
                // A tag may stand twice on an event.
                Some(positions) if positions.last() == Some(&position) => {}
                Some(positions) => positions.push(position),
                None => drop(self.by_tag.insert(tag.clone(), vec![position])),
            }
        }
    }

    /// Tells the writer what it need not look up from now on.
    pub fn remember(self, recent: &mut Recent) {
        let written = Progress(self.next().0);
        let last = |positions: Vec<u64>| positions.last().copied().unwrap_or_default();
        self.heads.into_iter().for_each(|(stream, head)| recent.heads.put(stream, head, written));
        self.by_type.into_iter().for_each(|(name, positions)| recent.types.put(name, last(positions), written));
        self.by_tag.into_iter().for_each(|(tag, positions)| recent.tags.put(tag, last(positions), written));
    }

    /// All of it as one batch. `types` is brought up to date, too.
    pub fn write(&self, db: &DB, types: &Types) -> Result<(WriteBatch, Types), Error> {
        let mut batch = WriteBatch::with_capacity_bytes(self.events.iter().map(Accepted::bytes).sum());
        self.write_events(db, &mut batch)?;
        self.write_postings(db, &mut batch)?;
        self.write_claims(db, &mut batch)?;
        self.write_answers(db, &mut batch)?;
        let mut counts: HashMap<(&str, u32), (u64, Position)> = HashMap::default();
        for (accepted, position) in self.events.iter().zip(self.first.0..) {
            let kind = &accepted.event.kind;
            counts.entry((&kind.name, kind.schema)).or_insert((0, Position(position))).0 += 1;
        }
        let family = lookup::family(db, keys::TYPES)?;
        let mut changed = Types::default();
        for ((name, schema), (count, position)) in counts {
            let kind = (name.to_owned(), schema);
            let (before, first) = types.get(&kind).copied().unwrap_or((0, position));
            let total = before + count;
            let value = [total.to_be_bytes(), keys::event(first)].concat();
            batch.put_cf(family, keys::event_type(name, schema), value);
            changed.insert(kind, (total, first));
        }
        Ok((batch, changed))
    }

    fn write_events(&self, db: &DB, batch: &mut WriteBatch) -> Result<(), Error> {
        let (events, ids) = (lookup::family(db, keys::EVENTS)?, lookup::family(db, keys::IDS)?);
        let (streams, revisions) = (lookup::family(db, keys::STREAMS)?, lookup::family(db, keys::REVISIONS)?);
        for (accepted, position) in self.events.iter().zip((self.first.0..).map(Position)) {
            let Accepted { stream, first, revision, time, event } = accepted;
            let claims = self.claims.get(&position).map(Claims::to_text).unwrap_or_default();
            let bytes = record::encode(position, stream.as_str(), *revision, *time, event, &claims)
                .map_err(|cause| Error::Corrupt { position, what: cause.to_string() })?;
            batch.put_cf(events, keys::event(position), bytes);
            batch.put_cf(revisions, keys::revision(*first, *revision), keys::event(position));
            if *first == position {
                batch.put_cf(streams, stream.as_str(), keys::event(position));
            }
            batch.put_cf(ids, event.id.as_bytes(), keys::event(position));
        }
        Ok(())
    }

    fn write_postings(&self, db: &DB, batch: &mut WriteBatch) -> Result<(), Error> {
        let kinds = self.by_type.iter().map(|(name, positions)| (keys::BY_TYPE, name.as_str(), positions));
        let categories = self.by_category.iter().map(|(name, positions)| (keys::BY_CATEGORY, name.as_str(), positions));
        let tags = self.by_tag.iter().map(|(tag, positions)| (keys::BY_TAG, tag.as_str(), positions));
        for (family, name, positions) in kinds.chain(categories).chain(tags) {
            let Some(from) = positions.first() else { continue };
            let chunk = postings::encode(positions)
                .map_err(|cause| Error::Corrupt { position: self.first, what: cause.to_string() })?;
            batch.put_cf(lookup::family(db, family)?, keys::posting(name, *from), chunk);
        }
        Ok(())
    }

    fn write_claims(&self, db: &DB, batch: &mut WriteBatch) -> Result<(), Error> {
        if self.holders.is_empty() {
            return Ok(());
        }
        let claims = lookup::family(db, keys::CLAIMS)?;
        for (key, held) in &self.holders {
            match held {
                Some(held) => batch.put_cf(claims, keys::claim(key), claims::encode(held)),
                None => batch.delete_cf(claims, keys::claim(key)),
            }
        }
        Ok(())
    }

    fn write_answers(&self, db: &DB, batch: &mut WriteBatch) -> Result<(), Error> {
        if self.answered.is_empty() {
            return Ok(());
        }
        let requests = lookup::family(db, keys::REQUESTS)?;
        for (key, answered) in &self.answered {
            let value = answered
                .encode()
                .map_err(|cause| Error::CorruptIndex { family: keys::REQUESTS, what: cause.to_string() })?;
            batch.put_cf(requests, key, value);
        }
        Ok(())
    }

    /// Whether an event of this commit stands at `position`.
    fn event(&self, position: Position) -> Option<&Accepted> {
        self.events.get(usize::try_from(position.0.checked_sub(self.first.0)?).ok()?)
    }

    fn first_match(&self, item: &Item, from: u64) -> Option<Position> {
        let matches = |position: &u64| {
            let event = &self.event(Position(*position))?.event;
            (*position >= from && item.matches(event)).then_some(Position(*position))
        };
        // Whatever matches has the first tag, so only that list is looked through.
        if let Some(tag) = item.tags.first() {
            return self.by_tag.get(tag)?.iter().find_map(matches);
        }
        if item.types.is_empty() {
            return (self.first.0..self.next().0).find_map(|position| matches(&position));
        }
        let lists = item.types.iter().filter_map(|name| self.by_type.get(name));
        lists.filter_map(|positions| positions.iter().find_map(matches)).min()
    }
}

/// The log with what is pending: what the next request is decided on.
pub struct View<'a> {
    pub db: &'a Arc<DB>,
    pub recent: &'a Recent,
    pub rows: &'a RefCell<Kept>,
    pub pending: &'a Pending,
    /// How far the condition was looked into before.
    pub searched: Option<Searched>,
    /// The time of the commit, and how long answered requests are kept.
    pub now: Micros,
    pub kept: Micros,
}

impl View<'_> {
    /// How far the log has come without this commit.
    fn written(&self) -> Progress {
        Progress(self.pending.first.0)
    }

    /// Whether events from a position on, before those of this commit, may match. `false` is certain.
    fn may_match(&self, items: &[Item], from: u64) -> Result<bool, Error> {
        'items: for item in items.iter().filter(|item| self.recent.may_match(item, from)) {
            for tag in &item.tags {
                if self.rows.borrow_mut().is_unused(self.db, self.recent, tag, self.written())? {
                    continue 'items;
                }
            }
            return Ok(true);
        }
        Ok(false)
    }
}

impl LogState for View<'_> {
    type Error = Error;

    fn head(&self, stream: &StreamName) -> Result<Option<Head>, Error> {
        match self.pending.heads.get(stream).copied().or_else(|| self.recent.heads.get(stream)) {
            Some(head) => Ok(Some(head)),
            None => self.rows.borrow_mut().head(self.db, self.recent, stream, self.written()),
        }
    }

    fn position_of(&self, id: Uuid) -> Result<Option<Position>, Error> {
        match self.pending.ids.get(&id) {
            Some(position) => Ok(Some(*position)),
            None => lookup::position_of(self.db, id),
        }
    }

    fn first_match(&self, condition: &Condition) -> Result<Option<Position>, Error> {
        if let Some(found) = self.searched.and_then(|searched| searched.found) {
            return Ok(Some(found));
        }
        let from = search::begin(condition, self.searched);
        let pending = self.pending;
        let items = &condition.selection.items;
        if from < pending.first.0 && self.may_match(items, from)? {
            let mut left = search::WRITERS_READS;
            let mut matches = Matches::of(self.db, &condition.selection, Direction::Forwards);
            let found = matches.find_within(from, &mut left)?;
            if let Some(found) = found.filter(|found| *found < pending.first.0) {
                return Ok(Some(Position(found)));
            }
        }
        Ok(items.iter().filter_map(|item| pending.first_match(item, from)).min())
    }

    fn answered(&self, key: &str) -> Result<Option<Answered>, Error> {
        let answered = match self.pending.answered.get(key) {
            Some(answered) => Some(answered.clone()),
            None => lookup::answered(self.db, key)?,
        };
        Ok(answered.filter(|answered| !answered.expired(self.now, self.kept)))
    }

    fn holder(&self, claim: &ClaimKey) -> Result<Option<StreamName>, Error> {
        let held = match self.pending.holders.get(claim) {
            Some(held) => held.clone(),
            None => lookup::holder(self.db, claim)?,
        };
        Ok(held.map(|held| held.owner))
    }

    fn same(&self, position: Position, stream: &StreamName, event: &NewEvent) -> Result<Option<Revision>, Error> {
        if position >= self.pending.first {
            let known = self.pending.event(position);
            let known = known.filter(|known| known.stream == *stream && says_the_same(&known.event, event));
            return Ok(known.map(|known| known.revision));
        }
        lookup::record(self.db, position, |record| record.says_the_same(stream, event).then_some(record.revision))
            .map(Option::flatten)
    }
}

fn says_the_same(known: &NewEvent, event: &NewEvent) -> bool {
    let metadata = |event: &NewEvent| event.metadata.as_ref().map(|json| json.get().to_owned());
    known.kind == event.kind
        && known.data.get() == event.data.get()
        && metadata(known) == metadata(event)
        && known.tags == event.tags
}
