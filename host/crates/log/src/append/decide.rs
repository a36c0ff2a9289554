//! Whether a request is accepted: a pure function of the state and the request, apart from all I/O, so that a
//! model can test it and a replicated log can drive it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use indexmap::IndexMap;
use uuid::Uuid;

use crate::read::selection::Selection;
use crate::record::claims::{Claim, ClaimKey, Claims};
use crate::record::requests::Answered;
use kinora_types::{ExpectedRevision, NewEvent, Position, Revision, StreamName};

/// Events for any number of streams, to be appended all or none.
#[derive(Clone, Debug, Default)]
pub struct AppendRequest {
    /// A stream without events is only checked.
    pub appends: Vec<StreamAppend>,
    pub condition: Option<Condition>,
    pub claims: Claims,
    pub key: Option<IdempotencyKey>,
    /// Whether the host has just made the ids of all the events: random ones, which need not be looked for.
    pub has_new_ids: bool,
}

impl AppendRequest {
    pub fn events(&self) -> usize {
        self.appends.iter().map(|append| append.events.len()).sum()
    }

    /// Bytes of data and metadata.
    pub fn bytes(&self) -> usize {
        let events = self.appends.iter().flat_map(|append| &append.events);
        events.map(|event| event.data.get().len() + event.metadata.as_ref().map_or(0, |json| json.get().len())).sum()
    }
}

/// What the client calls this request, so that it is known again if it is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub key: String,
    /// SHA-256 of what was sent: the same key must not come with other content.
    pub fingerprint: [u8; 32],
}

impl From<Vec<StreamAppend>> for AppendRequest {
    fn from(appends: Vec<StreamAppend>) -> Self {
        Self { appends, ..Self::default() }
    }
}

/// Holds as long as none of these events stands after this position (`None`: anywhere). Whoever decided on what they had
/// read up to there then appends on that ground, or not at all.
#[derive(Clone, Debug)]
pub struct Condition {
    pub selection: Selection,
    pub after: Option<Position>,
}

#[derive(Clone, Debug)]
pub struct StreamAppend {
    pub stream: StreamName,
    pub expected: ExpectedRevision,
    pub events: Vec<NewEvent>,
}

/// What an append did, or what the same request did when it was made for the first time (`duplicate`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub first: Position,
    pub last: Position,
    /// The revision of the last event of this request in each stream that has events of it, in the order of the request.
    pub streams: Vec<(StreamName, Revision)>,
    pub duplicate: bool,
}

/// Every check that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    pub wrong_revisions: Vec<WrongRevision>,
    pub reused_ids: Vec<IdReused>,
    /// The first event that the condition says must not be there.
    pub matched: Option<Position>,
    pub claims: Vec<ClaimFailed>,
    /// The first event of another request that was sent with the same idempotency key.
    pub key_reused: Option<Position>,
}

/// A claim that cannot be taken, since another holds it, or not be released, since its owner does not hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimFailed {
    pub claim: Claim,
    /// Whether it was to be taken, and not to be released.
    pub take: bool,
    /// `None`: nobody holds it.
    pub holder: Option<StreamName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRevision {
    pub stream: StreamName,
    pub expected: ExpectedRevision,
    /// `None`: there is no such stream.
    pub current: Option<Revision>,
}

/// An event id that is taken: by another event of the log, or (`position` is `None`) within the request itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdReused {
    pub id: Uuid,
    pub position: Option<Position>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut checks = Vec::new();
        for WrongRevision { stream, expected, current } in &self.wrong_revisions {
            let current = current.map_or("it does not exist".to_owned(), |at| format!("it is at revision {at}"));
            checks.push(format!("stream {stream} was expected at {expected}, but {current}"));
        }
        for IdReused { id, position } in &self.reused_ids {
            checks.push(match position {
                Some(position) => format!("id {id} belongs to another event, at position {position}"),
                None => format!("id {id} stands twice in the request"),
            });
        }
        if let Some(position) = self.key_reused {
            checks.push(format!(
                "the idempotency key belongs to another request, whose first event is at position {position}"
            ));
        }
        if let Some(position) = self.matched {
            checks.push(format!("the condition does not hold: the event at position {position} matches it"));
        }
        for ClaimFailed { claim: Claim { key, owner }, take, holder } in &self.claims {
            let ClaimKey { scope, value } = key;
            let holder = holder.as_ref().map_or("nobody holds it".to_owned(), |holder| format!("{holder} holds it"));
            let what = if *take { "taken" } else { "released" };
            checks.push(format!("the claim {value:?} of {scope} cannot be {what} by {owner}: {holder}"));
        }
        f.write_str(&checks.join("; "))
    }
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The position of its first event, which stands for the stream in the index.
    pub first: Position,
    pub revision: Revision,
}

/// The place of an event in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The position of the stream's first event; `None` if that one is in the same request.
    pub first: Option<Position>,
    pub revision: Revision,
}

/// What a decision depends on: the log, with all that was accepted before.
pub trait State {
    type Error;

    fn head(&self, stream: &StreamName) -> Result<Option<Head>, Self::Error>;

    fn position_of(&self, id: Uuid) -> Result<Option<Position>, Self::Error>;

    /// The first event of the selection after a position.
    fn first_match(&self, condition: &Condition) -> Result<Option<Position>, Self::Error>;

    /// What a request with this key was answered, if it is still known.
    fn answered(&self, key: &str) -> Result<Option<Answered>, Self::Error>;

    fn holder(&self, claim: &ClaimKey) -> Result<Option<StreamName>, Self::Error>;

    /// The revision of the event at `position`, if it says the same as `event` in `stream`.
    fn same(&self, position: Position, stream: &StreamName, event: &NewEvent) -> Result<Option<Revision>, Self::Error>;
}

#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// To be appended: for each event, in order, its place.
    Accept(Vec<Place>),
    /// Done before: answered as it was then.
    Duplicate(Appended),
    Reject(Rejection),
}

pub fn decide<S: State>(state: &S, request: &AppendRequest) -> Result<Decision, S::Error> {
    let mut rejection = Rejection::default();
    if let Some(key) = &request.key
        && let Some(answered) = state.answered(&key.key)?
    {
        if answered.fingerprint == key.fingerprint {
            return Ok(Decision::Duplicate(answered.appended));
        }
        rejection.key_reused = Some(answered.appended.first);
    }
    let mut known = Vec::new();
    let mut seen = HashSet::new();
    let mut fresh = 0;
    for (append, event) in events(request) {
        if request.has_new_ids {
            fresh += 1;
        } else if !seen.insert(event.id) {
            rejection.reused_ids.push(IdReused { id: event.id, position: None });
        } else if let Some(position) = state.position_of(event.id)? {
            match state.same(position, &append.stream, event)? {
                Some(revision) => known.push((append.stream.clone(), revision, position, event.id)),
                None => rejection.reused_ids.push(IdReused { id: event.id, position: Some(position) }),
            }
        } else {
            fresh += 1;
        }
    }
    if fresh == 0
        && rejection == Rejection::default()
        && let Some(appended) = as_the_first_time(&known)
    {
        return Ok(Decision::Duplicate(appended));
    }
    // A part of the request that is there already can be no retry of this request.
    rejection.reused_ids.extend(known.into_iter().map(|(_, _, at, id)| IdReused { id, position: Some(at) }));

    let places = number(state, request, &mut rejection)?;
    if let Some(condition) = &request.condition {
        rejection.matched = state.first_match(condition)?;
    }
    rejection.claims = check_claims(state, &request.claims)?;
    if rejection == Rejection::default() { Ok(Decision::Accept(places)) } else { Ok(Decision::Reject(rejection)) }
}

fn events(request: &AppendRequest) -> impl Iterator<Item = (&StreamAppend, &NewEvent)> {
    request.appends.iter().flat_map(|append| append.events.iter().map(move |event| (append, event)))
}

/// The answer to a request all of whose events are there already, if they stand there as one request.
fn as_the_first_time(known: &[(StreamName, Revision, Position, Uuid)]) -> Option<Appended> {
    let (first, last) = (known.first()?.2, known.last()?.2);
    let together = known.iter().zip(first.0..).all(|(event, position)| event.2.0 == position);
    let streams = last_of_each(known.iter().map(|event| (event.0.clone(), event.1)).collect());
    together.then_some(Appended { first, last, streams, duplicate: true })
}

/// The last revision of each stream, in the order in which the streams come first.
pub fn last_of_each(streams: Vec<(StreamName, Revision)>) -> Vec<(StreamName, Revision)> {
    if streams.len() < 2 {
        return streams;
    }
    streams.into_iter().collect::<IndexMap<_, _>>().into_iter().collect()
}

/// Releases first, then takes, each on top of those before it.
fn check_claims<S: State>(state: &S, claims: &Claims) -> Result<Vec<ClaimFailed>, S::Error> {
    let mut failed = Vec::new();
    let mut changed: HashMap<&ClaimKey, Option<StreamName>> = HashMap::new();
    let steps = claims.release.iter().map(|claim| (claim, false)).chain(claims.take.iter().map(|claim| (claim, true)));
    for (claim, take) in steps {
        let holder = match changed.get(&claim.key) {
            Some(holder) => holder.clone(),
            None => state.holder(&claim.key)?,
        };
        // Who holds a claim may take it again.
        let may = if take {
            holder.is_none() || holder.as_ref() == Some(&claim.owner)
        } else {
            holder.as_ref() == Some(&claim.owner)
        };
        if may {
            changed.insert(&claim.key, take.then(|| claim.owner.clone()));
        } else {
            failed.push(ClaimFailed { claim: claim.clone(), take, holder });
        }
    }
    Ok(failed)
}

/// Checks the expected revisions and numbers the events.
fn number<S: State>(state: &S, request: &AppendRequest, rejection: &mut Rejection) -> Result<Vec<Place>, S::Error> {
    let mut lasts: HashMap<&StreamName, Option<Place>> = HashMap::new();
    let mut places = Vec::with_capacity(request.events());
    for append in &request.appends {
        let mut last = match lasts.get(&append.stream) {
            Some(last) => *last,
            None => state.head(&append.stream)?.map(|head| Place { first: Some(head.first), revision: head.revision }),
        };
        let current = last.map(|place| place.revision);
        let holds = match append.expected {
            ExpectedRevision::Any => true,
            ExpectedRevision::NoStream => current.is_none(),
            ExpectedRevision::Exists => current.is_some(),
            ExpectedRevision::Exactly(revision) => current == Some(revision),
        };
        if !holds {
            let (stream, expected) = (append.stream.clone(), append.expected);
            rejection.wrong_revisions.push(WrongRevision { stream, expected, current });
        }
        for _ in &append.events {
            let revision = Revision(last.map_or(0, |place| place.revision.0 + 1));
            let place = Place { first: last.and_then(|place| place.first), revision };
            places.push(place);
            last = Some(place);
        }
        // Mostly there is but one.
        if request.appends.len() > 1 {
            lasts.insert(&append.stream, last);
        }
    }
    Ok(places)
}
