//! The one writer: takes requests from a queue, decides them in order, writes what was accepted with one sync, then
//! publishes and answers (group commit).
//!
//! After a failed write or a panic nobody knows what the disk holds, so the writer stops for good: the log is
//! poisoned until it is opened again, which reads what is really there.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use rocksdb::{DB, IteratorMode, WriteBatch, WriteOptions};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::event::{Direction, Micros, NewEvent, Position, Progress, Revision, StreamName, Tag};
use crate::storage::ensure_space;

use super::claims::{self, ClaimKey, Claims, Held};
use super::decide::{AppendRequest, Appended, Condition, Decision, State, decide};
use super::error::{AppendError, Error};
use super::limits::Limits;
use super::postings::{self, Matches};
use super::selection::Item;
use super::{keys, reader, record};

pub struct Job {
    pub request: AppendRequest,
    pub answer: oneshot::Sender<Result<Appended, AppendError>>,
}

/// What the writer has to know of the log when it starts.
pub struct Recovered {
    pub progress: Progress,
    /// The time of the last event: time never goes back, whatever the clock does.
    last_time: Micros,
    types: HashMap<(String, u32), (u64, Position)>,
}

impl Recovered {
    pub fn read(db: &DB) -> Result<Self, Error> {
        let mut recovered = Self { progress: Progress(0), last_time: Micros(0), types: HashMap::new() };
        if let Some(last) = db.iterator_cf(reader::family(db, keys::EVENTS)?, IteratorMode::End).next() {
            let (key, bytes) = last?;
            let position = Position(keys::number(&key).ok_or_else(|| reader::bad_key(keys::EVENTS, &key))?);
            recovered.last_time = reader::decode(position, &bytes)?.time;
            recovered.progress = Progress::through(position);
        }
        for count in reader::types(db)? {
            recovered.types.insert((count.kind, count.schema), (count.count, count.first));
        }
        Ok(recovered)
    }
}

pub fn spawn(
    db: Arc<DB>,
    state: Recovered,
    limits: Limits,
    jobs: mpsc::Receiver<Job>,
    publish: watch::Sender<Progress>,
) -> Result<JoinHandle<()>, Error> {
    let mut writer = Writer { db, state, limits, publish };
    std::thread::Builder::new()
        .name("log-writer".into())
        .spawn(move || writer.run(jobs))
        .map_err(|cause| Error::Thread(cause.to_string()))
}

struct Writer {
    db: Arc<DB>,
    state: Recovered,
    limits: Limits,
    publish: watch::Sender<Progress>,
}

/// What the requests of one commit have changed so far, on top of the database.
#[derive(Default)]
struct Overlay {
    heads: HashMap<StreamName, Revision>,
    ids: HashMap<Uuid, Position>,
    /// The accepted events, from the first position of the commit on.
    events: Vec<(StreamName, Revision, NewEvent)>,
    /// Who holds a claim now, and since when.
    holders: HashMap<ClaimKey, Option<Held>>,
    /// The claims of each accepted request that has some, by the position of its first event.
    claims: HashMap<Position, Claims>,
    /// At which positions of the commit a type or a tag stands.
    by_type: HashMap<String, Vec<u64>>,
    by_tag: HashMap<Tag, Vec<u64>>,
}

struct View<'a> {
    db: &'a DB,
    overlay: &'a Overlay,
    first: Position,
}

impl State for View<'_> {
    type Error = Error;

    fn head(&self, stream: &StreamName) -> Result<Option<Revision>, Error> {
        match self.overlay.heads.get(stream) {
            Some(revision) => Ok(Some(*revision)),
            None => reader::head(self.db, stream),
        }
    }

    fn position_of(&self, id: Uuid) -> Result<Option<Position>, Error> {
        match self.overlay.ids.get(&id) {
            Some(position) => Ok(Some(*position)),
            None => reader::position_of(self.db, id),
        }
    }

    fn first_match(&self, condition: &Condition) -> Result<Option<Position>, Error> {
        let from = condition.after.map_or(0, |after| after.0.saturating_add(1));
        if from < self.first.0 {
            let found = Matches::new(self.db, &condition.selection, Direction::Forwards)?.find(from)?;
            if let Some(found) = found.filter(|found| *found < self.first.0) {
                return Ok(Some(Position(found)));
            }
        }
        let items = condition.selection.items.iter();
        Ok(items.filter_map(|item| self.overlay.first_match(item, self.first, from)).min())
    }

    fn holder(&self, claim: &ClaimKey) -> Result<Option<StreamName>, Error> {
        let held = match self.overlay.holders.get(claim) {
            Some(held) => held.clone(),
            None => reader::holder(self.db, claim)?,
        };
        Ok(held.map(|held| held.owner))
    }

    fn same(&self, position: Position, stream: &StreamName, event: &NewEvent) -> Result<Option<Revision>, Error> {
        if let Some(index) = position.0.checked_sub(self.first.0) {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            let known = self.overlay.events.get(index);
            return Ok(known.filter(|known| known.0 == *stream && says_the_same(&known.2, event)).map(|known| known.1));
        }
        reader::record(self.db, position, |record| record.says_the_same(stream, event).then_some(record.revision))
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

type Answer = (oneshot::Sender<Result<Appended, AppendError>>, Result<Appended, AppendError>);

impl Writer {
    fn run(&mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut group = vec![first];
            let mut events = 0;
            while events < self.limits.commit_events
                && let Ok(job) = jobs.try_recv()
            {
                events += job.request.appends.iter().map(|append| append.events.len()).sum::<usize>();
                group.push(job);
            }
            match catch_unwind(AssertUnwindSafe(|| self.commit(group))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "the log is poisoned: a write failed; restart the host");
                    return;
                }
                Err(_) => {
                    tracing::error!("the log is poisoned: its writer panicked; restart the host");
                    return;
                }
            }
        }
    }

    /// Decides, writes, publishes, answers: in this order, so that nobody hears of what is not durable.
    fn commit(&mut self, group: Vec<Job>) -> Result<(), Error> {
        let first = self.state.progress.next();
        let mut overlay = Overlay::default();
        let mut answers: Vec<Answer> = Vec::with_capacity(group.len());
        for job in group {
            let view = View { db: &self.db, overlay: &overlay, first };
            let answer = match decide(&view, &job.request) {
                Ok(Decision::Accept(revisions)) => Ok(overlay.accept(first, job.request, revisions)),
                Ok(Decision::Duplicate(appended)) => Ok(appended),
                Ok(Decision::Reject(rejection)) => Err(AppendError::Rejected(rejection)),
                // The request could not be checked. Nothing of it is written, and the others go on.
                Err(error) => Err(AppendError::Failed(error)),
            };
            answers.push((job.answer, answer));
        }
        if !overlay.events.is_empty()
            && let Err(no_space) = ensure_space(self.db.path())
        {
            // What was decided on top of the others' events is void, too.
            for (answer, _) in answers {
                let _ = answer.send(Err(AppendError::NoSpace(no_space)));
            }
            return Ok(());
        }
        if !overlay.events.is_empty()
            && let Err(error) = self.write(first, overlay)
        {
            for (answer, _) in answers {
                let _ = answer.send(Err(AppendError::Failed(error.clone())));
            }
            return Err(error);
        }
        for (answer, result) in answers {
            // Whoever no longer waits finds the answer by trying again: ids make that harmless.
            let _ = answer.send(result);
        }
        Ok(())
    }

    fn write(&mut self, first: Position, overlay: Overlay) -> Result<(), Error> {
        let time = now().max(self.state.last_time);
        let db = &self.db;
        let (events, streams) = (reader::family(db, keys::EVENTS)?, reader::family(db, keys::STREAMS)?);
        let (heads, ids) = (reader::family(db, keys::HEADS)?, reader::family(db, keys::IDS)?);
        let types = reader::family(db, keys::TYPES)?;
        let mut batch = WriteBatch::default();
        let mut counts: HashMap<(&str, u32), (u64, Position)> = HashMap::new();
        for ((stream, revision, event), position) in overlay.events.iter().zip((first.0..).map(Position)) {
            let claims = overlay.claims.get(&position).map(Claims::to_text).unwrap_or_default();
            let bytes = record::encode(position, stream.as_str(), *revision, time, event, &claims)
                .map_err(|cause| Error::Corrupt { position, what: cause.to_string() })?;
            batch.put_cf(events, keys::event(position), bytes);
            batch.put_cf(streams, keys::stream(stream.as_str(), *revision), keys::event(position));
            batch.put_cf(ids, event.id.as_bytes(), keys::event(position));
            counts.entry((&event.kind.name, event.kind.schema)).or_insert((0, position)).0 += 1;
        }
        let chunk = |positions: &[u64]| {
            let corrupt = |cause: postcard::Error| Error::Corrupt { position: first, what: cause.to_string() };
            Ok::<_, Error>((*positions.first().unwrap_or(&first.0), postings::encode(positions).map_err(corrupt)?))
        };
        let (by_type, by_tag) = (reader::family(db, keys::BY_TYPE)?, reader::family(db, keys::BY_TAG)?);
        for (name, positions) in &overlay.by_type {
            let (from, value) = chunk(positions)?;
            batch.put_cf(by_type, keys::posting(name, from), value);
        }
        for (tag, positions) in &overlay.by_tag {
            let (from, value) = chunk(positions)?;
            batch.put_cf(by_tag, keys::posting(tag.as_str(), from), value);
        }
        let claims = reader::family(db, keys::CLAIMS)?;
        for (key, held) in &overlay.holders {
            match held {
                Some(held) => batch.put_cf(claims, keys::claim(key), claims::encode(held)),
                None => batch.delete_cf(claims, keys::claim(key)),
            }
        }
        for (stream, revision) in &overlay.heads {
            batch.put_cf(heads, stream.as_str(), revision.0.to_be_bytes());
        }
        for ((name, schema), (count, position)) in counts {
            let total = self.state.types.entry((name.to_owned(), schema)).or_insert((0, position));
            total.0 += count;
            let value = [total.0.to_be_bytes(), keys::event(total.1)].concat();
            batch.put_cf(types, keys::event_type(name, schema), value);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options)?;
        self.state.last_time = time;
        self.state.progress = Progress(first.0 + overlay.events.len() as u64);
        self.publish.send_replace(self.state.progress);
        Ok(())
    }
}

impl Overlay {
    fn accept(&mut self, first: Position, request: AppendRequest, revisions: Vec<Revision>) -> Appended {
        let start = Position(first.0 + self.events.len() as u64);
        if !request.claims.is_empty() {
            for claim in &request.claims.release {
                self.holders.insert(claim.key.clone(), None);
            }
            for claim in &request.claims.take {
                let held = Held { owner: claim.owner.clone(), since: start };
                self.holders.insert(claim.key.clone(), Some(held));
            }
            self.claims.insert(start, request.claims);
        }
        let mut revisions = revisions.into_iter();
        let mut streams = Vec::with_capacity(request.appends.len());
        for append in request.appends {
            for (event, revision) in append.events.into_iter().zip(revisions.by_ref()) {
                let position = first.0 + self.events.len() as u64;
                self.ids.insert(event.id, Position(position));
                self.post(position, &event);
                self.heads.insert(append.stream.clone(), revision);
                self.events.push((append.stream.clone(), revision, event));
            }
            if let Some(revision) = self.heads.get(&append.stream) {
                streams.push((append.stream, *revision));
            }
        }
        let last = Position((first.0 + self.events.len() as u64).saturating_sub(1));
        Appended { first: start, last, streams, duplicate: false }
    }
}

impl Overlay {
    fn post(&mut self, position: u64, event: &NewEvent) {
        match self.by_type.get_mut(&event.kind.name) {
            Some(positions) => positions.push(position),
            None => drop(self.by_type.insert(event.kind.name.clone(), vec![position])),
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

    fn first_match(&self, item: &Item, first: Position, from: u64) -> Option<Position> {
        let matches = |position: &u64| {
            let index = usize::try_from(position.checked_sub(first.0)?).ok()?;
            let (_, _, event) = self.events.get(index)?;
            (*position >= from && item.matches(event)).then_some(Position(*position))
        };
        // Whatever matches has the first tag, so only that list is looked through.
        if let Some(tag) = item.tags.first() {
            return self.by_tag.get(tag)?.iter().find_map(matches);
        }
        if item.types.is_empty() {
            return (first.0..first.0 + self.events.len() as u64).find_map(|position| matches(&position));
        }
        let lists = item.types.iter().filter_map(|name| self.by_type.get(name));
        lists.filter_map(|positions| positions.iter().find_map(matches)).min()
    }
}

fn now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
