//! Admission of event types: a log has many events, and few types of them. Projections look at all types, so there is
//! a number of them that a log does not go beyond.

use foldhash::HashSet;

use kinora_types::{EventType, RESERVED};

use crate::append::pending::{Pending, Types};
use crate::error::AppendError;
use crate::record::request::AppendRequest;

/// The types of one commit that the log does not have.
pub struct NewTypes<'a> {
    known: &'a Types,
    limit: usize,
    /// Counted only where there may be too many.
    new: Option<HashSet<(String, u32)>>,
}

impl<'a> NewTypes<'a> {
    pub fn beside(known: &'a Types, limit: usize) -> Self {
        Self { known, limit, new: None }
    }

    /// Whether a request may be accepted on top of what is pending.
    pub fn admit(&mut self, request: &AppendRequest, pending: &Pending) -> Result<(), AppendError> {
        let may_be_new = pending.len().saturating_add(request.events());
        if self.new.is_none() && self.known.len().saturating_add(may_be_new) <= self.limit {
            return Ok(());
        }
        let known = self.known;
        let is_new = |kind: &&EventType| !known.contains_key(&(kind.name.clone(), kind.schema));
        let owned = |kind: &EventType| (kind.name.clone(), kind.schema);
        let new = self.new.get_or_insert_with(|| pending.types().filter(is_new).map(owned).collect());
        let events = request.appends.iter().flat_map(|append| &append.events);
        // The host's own history is not for clients to stop.
        let kinds = events.map(|event| &event.kind).filter(|kind| !kind.name.starts_with(RESERVED));
        let more: HashSet<_> = kinds.filter(is_new).map(owned).filter(|kind| !new.contains(kind)).collect();
        let all = known.len() + new.len() + more.len();
        if !more.is_empty() && all > self.limit {
            return Err(AppendError::TooLarge { what: "types and schemas of events", actual: all, limit: self.limit });
        }
        new.extend(more);
        Ok(())
    }
}
