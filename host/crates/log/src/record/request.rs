//! Requests to append, and what they are answered: plain data.

use indexmap::IndexMap;

use kinora_types::{ExpectedRevision, NewEvent, Position, Revision, StreamName};

use crate::record::claims::Claims;
use crate::record::selection::Selection;

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

/// Holds as long as none of these events stands after this position (`None`: anywhere). A client that decided on what
/// it had read up to there appends on that ground, or not at all.
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
    /// Of the events that were appended, or of all of a duplicate. Events of others may stand between those of a
    /// duplicate that came in several requests.
    pub first: Position,
    pub last: Position,
    /// The revision of the last event of this request in each stream that has events of it, in the order of the
    /// request.
    pub streams: Vec<(StreamName, Revision)>,
    /// How many of the request's events were there already: its first ones, or all of a duplicate.
    pub known: usize,
    pub duplicate: bool,
}

/// The last revision of each stream, in the order in which the streams come first.
pub fn last_of_each(streams: Vec<(StreamName, Revision)>) -> Vec<(StreamName, Revision)> {
    if streams.len() < 2 {
        return streams;
    }
    streams.into_iter().collect::<IndexMap<_, _>>().into_iter().collect()
}
