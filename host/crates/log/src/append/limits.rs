//! Limits of what one append may bring, and of what may wait.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::error::AppendError;
use crate::record::request::AppendRequest;

/// Enough to make a sync cheap, few enough to keep the others' wait short.
const COMMIT_EVENTS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of an event's data and metadata, each. An event is a fact, not a file.
    pub event_bytes: usize,
    /// Tags of one event: each is an entry to find it by.
    pub event_tags: usize,
    /// Events of one request: they are decided and written as one unit.
    pub request_events: usize,
    /// Streams that one request names, those included that it only checks: each is looked up.
    pub request_streams: usize,
    /// Claims that one request takes and releases.
    pub request_claims: usize,
    /// Items of a condition, and types and tags of each: each is a list to search.
    pub condition_terms: usize,
    /// Entries of lists that are looked at for the condition of one request. What the writer has no time for is
    /// searched beside it.
    pub condition_reads: u64,
    /// Bytes of one request: data, metadata and all names.
    pub request_bytes: usize,
    /// Types of events in the log, each schema counted: projections look at all of them.
    pub types: usize,
    /// Requests that wait for the writer. Beyond it a request is refused at once rather than kept waiting: so those
    /// that are taken wait for tens of milliseconds at most.
    pub queued_requests: usize,
    /// Those of them that one client may have waiting, so that there is room for others.
    pub client_requests: usize,
    /// Bytes of requests that wait for the writer, beyond which no more are taken; of one client, half of
    /// that.
    pub queued_bytes: usize,
    /// Bytes of an idempotency key.
    pub key_bytes: usize,
    /// Events of one group commit.
    pub commit_events: NonZeroUsize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes: 1 << 20,
            event_tags: 32,
            request_events: 10_000,
            request_streams: 10_000,
            request_claims: 1_000,
            condition_terms: 100,
            condition_reads: 1_000_000,
            request_bytes: 16 << 20,
            types: 10_000,
            queued_requests: 1_024,
            client_requests: 512,
            queued_bytes: 64 << 20,
            key_bytes: 256,
            commit_events: COMMIT_EVENTS,
        }
    }
}

impl Limits {
    /// Refuses what is over a limit, before it is queued.
    pub fn check(&self, request: &AppendRequest) -> Result<(), AppendError> {
        let refuse = |what, actual, limit| Err(AppendError::TooLarge { what, actual, limit });
        let mut events = 0;
        for event in request.appends.iter().flat_map(|append| &append.events) {
            let data = event.data.get().len();
            let metadata = event.metadata.as_ref().map_or(0, |json| json.get().len());
            for (what, actual) in [("bytes of an event's data", data), ("bytes of an event's metadata", metadata)] {
                if actual > self.event_bytes {
                    return refuse(what, actual, self.event_bytes);
                }
            }
            if event.tags.len() > self.event_tags {
                return refuse("tags of an event", event.tags.len(), self.event_tags);
            }
            events += 1;
        }
        if events == 0 {
            return Err(AppendError::Empty);
        }
        if events > self.request_events {
            return refuse("events of a request", events, self.request_events);
        }
        if request.appends.len() > self.request_streams {
            return refuse("streams of a request", request.appends.len(), self.request_streams);
        }
        if request.claims.len() > self.request_claims {
            return refuse("claims of a request", request.claims.len(), self.request_claims);
        }
        let items = request.condition.iter().flat_map(|condition| &condition.selection.items);
        let terms = items.map(|item| 1 + item.types.len() + item.tags.len()).sum();
        if terms > self.condition_terms {
            return refuse("items, types and tags of a condition", terms, self.condition_terms);
        }
        if let Some(key) = request.key.as_ref().filter(|key| key.key.len() > self.key_bytes) {
            return refuse("bytes of an idempotency key", key.key.len(), self.key_bytes);
        }
        let bytes = request.bytes();
        if bytes > self.request_bytes {
            return refuse("bytes of a request", bytes, self.request_bytes);
        }
        Ok(())
    }
}
