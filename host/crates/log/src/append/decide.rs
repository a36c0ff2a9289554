//! The decision whether a request is accepted: a pure function of the state and the request, apart from all I/O, so
//! that a model can test it and a replicated log can drive it.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use kinora_types::{ExpectedRevision, NewEvent, Position, Revision, StreamName};

use crate::record::answered::Answered;
use crate::record::claims::{ClaimKey, Claims};
use crate::record::rejection::{ClaimFailed, IdReused, PartlyKnown, Rejection, WrongRevision};
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
    /// To be appended: all events but the first ones, which are there already, and for each its place.
    Accept {
        known: Vec<Known>,
        places: Vec<StreamPlace>,
    },
    /// Done before: answered as it was then.
    Duplicate(Appended),
    Reject(Rejection),
}

/// An event of a request that is in the log already, with the same content.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    pub stream: StreamName,
    pub revision: Revision,
    position: Position,
    id: Uuid,
    /// Which event of the request it is, from 0.
    ordinal: usize,
}

pub fn decide<S: LogState>(state: &S, request: &AppendRequest) -> Result<Decision, S::Error> {
    let mut rejection = Rejection::default();
    if let Some(key) = &request.key
        && let Some(answered) = state.answered(&key.key)?
    {
        if answered.fingerprint == key.fingerprint {
            return Ok(Decision::Duplicate(Appended { known: request.events(), ..answered.appended }));
        }
        rejection.key_reused = Some(answered.appended.first);
    }
    let mut known = known(state, request, &mut rejection)?;
    let all_known = !known.is_empty() && known.len() == request.events();
    if all_known && rejection == Rejection::default() && stand_together(&known) {
        return Ok(Decision::Duplicate(duplicate(known)));
    }
    if !is_beginning(&known, request) {
        rejection.partly_known = known.first().map(|first| {
            let (id, position, events, of) = (first.id, first.position, known.len(), request.events());
            Box::new(PartlyKnown { id, position, events, of })
        });
        known.clear();
    }

    let places = number(state, request, &known, &mut rejection)?;
    if let Some(condition) = &request.condition {
        rejection.matched = state.first_match(condition)?;
    }
    rejection.claims = check_claims(state, &request.claims)?;
    if rejection != Rejection::default() {
        Ok(Decision::Reject(rejection))
    } else if all_known {
        Ok(Decision::Duplicate(duplicate(known)))
    } else {
        Ok(Decision::Accept { known, places })
    }
}

/// The events that are there already. An id that stands for anything else is a reason to reject.
fn known<S: LogState>(state: &S, request: &AppendRequest, rejection: &mut Rejection) -> Result<Vec<Known>, S::Error> {
    let mut known = Vec::new();
    if request.has_new_ids {
        return Ok(known);
    }
    let mut seen = HashSet::new();
    for (ordinal, (append, event)) in events(request).enumerate() {
        let (stream, id) = (&append.stream, event.id);
        if !seen.insert(id) {
            rejection.reused_ids.push(IdReused { id, position: None });
        } else if let Some(position) = state.position_of(id)? {
            match state.same(position, stream, event)? {
                Some(revision) => known.push(Known { stream: stream.clone(), revision, position, id, ordinal }),
                None => rejection.reused_ids.push(IdReused { id, position: Some(position) }),
            }
        }
    }
    Ok(known)
}

/// Whether the request goes on with what is there: it begins with these events, in the order of the log, and says
/// nothing besides that they may have been appended without.
fn is_beginning(known: &[Known], request: &AppendRequest) -> bool {
    let is_first = known.iter().enumerate().all(|(number, known)| known.ordinal == number);
    let is_ordered = known.is_sorted_by(|one, next| one.position < next.position);
    known.is_empty() || is_first && is_ordered && request.condition.is_none() && request.claims.is_empty()
}

fn events(request: &AppendRequest) -> impl Iterator<Item = (&StreamAppend, &NewEvent)> {
    request.appends.iter().flat_map(|append| append.events.iter().map(move |event| (append, event)))
}

/// Whether they stand there as one request.
fn stand_together(known: &[Known]) -> bool {
    known.is_sorted_by(|one, next| one.position.0 + 1 == next.position.0)
}

/// The answer to a request all of whose events are there already.
fn duplicate(known: Vec<Known>) -> Appended {
    let position = |known: Option<&Known>| known.map_or(Position(0), |known| known.position);
    let (first, last, events) = (position(known.first()), position(known.last()), known.len());
    let streams = last_of_each(known.into_iter().map(|known| (known.stream, known.revision)).collect());
    Appended { first, last, streams, known: events, duplicate: true }
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

/// Checks the expected revisions and numbers the events that are not known.
fn number<S: LogState>(
    state: &S,
    request: &AppendRequest,
    mut known: &[Known],
    rejection: &mut Rejection,
) -> Result<Vec<StreamPlace>, S::Error> {
    let mut lasts: HashMap<&StreamName, Option<StreamPlace>> = HashMap::new();
    let mut places = Vec::with_capacity(request.events() - known.len());
    for append in &request.appends {
        let mut last = match lasts.get(&append.stream) {
            Some(last) => *last,
            None => {
                state.head(&append.stream)?.map(|head| StreamPlace { first: Some(head.first), revision: head.revision })
            }
        };
        let current = last.map(|place| place.revision);
        let there;
        (there, known) = known.split_at(known.len().min(append.events.len()));
        let expected = append.expected;
        if !held_before(expected, there, current) || !goes_on(append, there, current) {
            rejection.wrong_revisions.push(WrongRevision { stream: append.stream.clone(), expected, current });
        }
        for _ in append.events.iter().skip(there.len()) {
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

/// Whether the stream was as expected when the first of these events came to it, or is so now if there are none.
fn held_before(expected: ExpectedRevision, there: &[Known], current: Option<Revision>) -> bool {
    let before = match there.first() {
        Some(first) => first.revision.0.checked_sub(1).map(Revision),
        None => current,
    };
    match expected {
        ExpectedRevision::Any => true,
        ExpectedRevision::NoStream => before.is_none(),
        ExpectedRevision::Exists => before.is_some(),
        ExpectedRevision::Exactly(revision) => before == Some(revision),
    }
}

/// Whether nobody else has appended to the stream among these events or behind them, where that matters.
fn goes_on(append: &StreamAppend, there: &[Known], current: Option<Revision>) -> bool {
    let alone = there.is_sorted_by(|one, next| one.revision.0 + 1 == next.revision.0);
    let at_the_end = there.len() == append.events.len() || there.last().map(|known| known.revision) == current;
    append.expected == ExpectedRevision::Any || there.is_empty() || alone && at_the_end
}
