//! Rejections: every check that a request failed, and the sentence that says so.

use std::fmt;

use uuid::Uuid;

use kinora_types::{ExpectedRevision, Position, Revision, StreamName};

use crate::record::claims::{Claim, ClaimKey};

/// Every check that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    pub wrong_revisions: Vec<WrongRevision>,
    pub reused_ids: Vec<IdReused>,
    /// Events of the request are there already, and it does not go on where they end.
    pub partly_known: Option<Box<PartlyKnown>>,
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

/// A request of which some events are in the log and others are not, and that cannot be taken for its rest: it does not
/// begin with those that are there, or has them in another order, or depends on a condition or on claims, of which
/// nobody knows whether they held when those events came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartlyKnown {
    /// The first event of the request that is there.
    pub id: Uuid,
    pub position: Position,
    /// How many are there, and how many the request has.
    pub events: usize,
    pub of: usize,
}

/// Failed checks of one kind that are told. A request may have thousands.
pub const TOLD: usize = 10;

/// Sentences about the first ones, and how many more there are.
fn told<T>(checks: &mut Vec<String>, failed: &[T], sentence: impl Fn(&T) -> String) {
    checks.extend(failed.iter().take(TOLD).map(sentence));
    if failed.len() > TOLD {
        checks.push(format!("and {} more of this kind", failed.len() - TOLD));
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut checks = Vec::new();
        told(&mut checks, &self.wrong_revisions, |WrongRevision { stream, expected, current }| {
            let current = current.map_or("it does not exist".to_owned(), |at| format!("it is at revision {at}"));
            format!("stream {stream} was expected at {expected}, but {current}")
        });
        told(&mut checks, &self.reused_ids, |IdReused { id, position }| match position {
            Some(position) => format!("id {id} belongs to another event, at position {position}"),
            None => format!("id {id} stands twice in the request"),
        });
        if let Some(PartlyKnown { id, position, events, of }) = self.partly_known.as_deref() {
            checks.push(format!(
                "{events} of the {of} events are in the log already (the first is {id}, at position {position}), and \
                 the request does not go on where they end"
            ));
        }
        if let Some(position) = self.key_reused {
            checks.push(format!(
                "the idempotency key belongs to another request, whose first event is at position {position}"
            ));
        }
        if let Some(position) = self.matched {
            checks.push(format!("the condition does not hold: the event at position {position} matches it"));
        }
        told(&mut checks, &self.claims, |ClaimFailed { claim: Claim { key, owner }, take, holder }| {
            let ClaimKey { scope, value } = key;
            let holder = holder.as_ref().map_or("nobody holds it".to_owned(), |holder| format!("{holder} holds it"));
            let what = if *take { "taken" } else { "released" };
            format!("the claim {value:?} of {scope} cannot be {what} by {owner}: {holder}")
        });
        f.write_str(&checks.join("; "))
    }
}
