//! The decision whether a request is accepted: a pure function of the state and the request, apart from all I/O, so
//! that a model can test it and a replicated log can drive it.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use kinora_types::{ExpectedRevision, NewEvent, Position, Revision, StreamName};

use crate::record::answered::Answered;
use crate::record::claims::{ClaimKey, Claims};
use crate::record::rejection::{ClaimFailed, IdReused, Rejection, WrongRevision};
use crate::record::request::{AppendRequest, Appended, Condition, StreamAppend, last_of_each};
use crate::record::stream::{Head, StreamPlace};

/// What a decision depends on: the log, with all that was accepted before.
pub trait LogState {
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
    Accept(Vec<StreamPlace>),
    /// Done before: answered as it was then.
    Duplicate(Appended),
    Reject(Rejection),
}

pub fn decide<S: LogState>(state: &S, request: &AppendRequest) -> Result<Decision, S::Error> {
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

/// Releases first, then takes, each on top of those before it.
fn check_claims<S: LogState>(state: &S, claims: &Claims) -> Result<Vec<ClaimFailed>, S::Error> {
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
fn number<S: LogState>(
    state: &S,
    request: &AppendRequest,
    rejection: &mut Rejection,
) -> Result<Vec<StreamPlace>, S::Error> {
    let mut lasts: HashMap<&StreamName, Option<StreamPlace>> = HashMap::new();
    let mut places = Vec::with_capacity(request.events());
    for append in &request.appends {
        let mut last = match lasts.get(&append.stream) {
            Some(last) => *last,
            None => {
                state.head(&append.stream)?.map(|head| StreamPlace { first: Some(head.first), revision: head.revision })
            }
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
            let place = StreamPlace { first: last.and_then(|place| place.first), revision };
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
