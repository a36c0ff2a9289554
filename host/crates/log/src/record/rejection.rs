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
