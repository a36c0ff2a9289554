//! Requests to append, and what they are answered: plain data.

use indexmap::IndexMap;

use kinora_types::{ExpectedRevision, NewEvent, Position, Revision, StreamName};

use crate::record::claims::{Claim, Claims};
use crate::record::selection::{Item, Selection};

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

    /// Bytes of data and metadata, and of all names: of streams, types, tags, claims and what the condition selects.
    pub fn bytes(&self) -> usize {
        let appends: usize = self.appends.iter().map(StreamAppend::bytes).sum();
        let claims = self.claims.release.iter().chain(&self.claims.take);
        let claim = |claim: &Claim| claim.key.scope.len() + claim.key.value.len() + claim.owner.as_str().len();
        let items = self.condition.iter().flat_map(|condition| &condition.selection.items);
        let item = |item: &Item| {
            let tags = item.tags.iter().map(|tag| tag.as_str().len());
            item.types.iter().map(String::len).chain(tags).sum::<usize>()
        };
        let key = self.key.as_ref().map_or(0, |key| key.key.len());
        appends + claims.map(claim).sum::<usize>() + items.map(item).sum::<usize>() + key
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

impl StreamAppend {
    fn bytes(&self) -> usize {
        let event = |event: &NewEvent| {
            let metadata = event.metadata.as_ref().map_or(0, |json| json.get().len());
            let tags: usize = event.tags.iter().map(|tag| tag.as_str().len()).sum();
            event.data.get().len() + metadata + event.kind.name.len() + tags
        };
        self.stream.as_str().len() + self.events.iter().map(event).sum::<usize>()
    }
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
