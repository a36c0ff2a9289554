//! Scopes: which events a state is folded from, and how an append checks that there are no others.

use serde::{Deserialize, Serialize};

use kinora_log::{Filter, Item, Selection};
use kinora_sandbox as sandbox;
use kinora_sandbox::OwnScope;
use kinora_types::{InvalidName, Position, Progress, Revision, StreamName, Tag};

/// The events that a state is folded from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "Plain", try_from = "Plain")]
pub enum Scope {
    Stream(StreamName),
    /// Those that have all of these tags.
    Tags(Vec<Tag>),
}

/// As it stands in metadata.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Plain {
    Stream(String),
    Tags(Vec<String>),
}

/// Up to where a state is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// No event before this is missing.
    pub upto: Progress,
    /// The last revision of a stream; `None`: it has no events, or the scope is none.
    pub revision: Option<Revision>,
}

impl Scope {
    /// That of an aggregate.
    pub fn own(scope: &OwnScope, aggregate: &str) -> Result<Self, InvalidName> {
        if aggregate.is_empty() {
            return Err(InvalidName { what: "id of an aggregate", name: String::new(), why: "it is empty".into() });
        }
        Ok(match scope {
            OwnScope::Category(category) => Self::Stream(format!("{category}-{aggregate}").parse()?),
            OwnScope::Tag(prefix) => Self::Tags(vec![format!("{prefix}:{aggregate}").parse()?]),
        })
    }

    /// The stream that events of an aggregate go to if they name none.
    pub fn stream(scope: &OwnScope, aggregate: &str) -> Result<StreamName, InvalidName> {
        let (OwnScope::Category(start) | OwnScope::Tag(start)) = scope;
        format!("{start}-{aggregate}").parse()
    }

    pub fn wanted(scope: sandbox::Scope) -> Result<Self, InvalidName> {
        Ok(match scope {
            sandbox::Scope::Stream(name) => Self::Stream(name.parse()?),
            sandbox::Scope::Tags(tags) => {
                let mut tags = tags.iter().map(|tag| tag.parse()).collect::<Result<Vec<Tag>, _>>()?;
                tags.sort_unstable();
                tags.dedup();
                if tags.is_empty() {
                    return Err(InvalidName { what: "scope", name: String::new(), why: "it has no tag".into() });
                }
                Self::Tags(tags)
            }
        })
    }

    /// As guests name it.
    pub fn to_guest(&self) -> sandbox::Scope {
        match self {
            Self::Stream(stream) => sandbox::Scope::Stream(stream.as_str().to_owned()),
            Self::Tags(tags) => sandbox::Scope::Tags(tags.iter().map(|tag| tag.as_str().to_owned()).collect()),
        }
    }

    /// The events in it, for a read of the log and for a condition.
    pub fn selection(tags: &[Tag]) -> Selection {
        Selection { items: vec![Item { types: Vec::new(), tags: tags.to_vec() }] }
    }

    /// Whether an event belongs to it.
    pub fn has(&self, stream: &StreamName, tags: &[Tag]) -> bool {
        match self {
            Self::Stream(name) => name == stream,
            Self::Tags(all) => all.iter().all(|tag| tags.contains(tag)),
        }
    }

    pub fn filter(tags: &[Tag]) -> Filter {
        Filter::from(Self::selection(tags))
    }
}

impl Baseline {
    /// How many events were folded since then; at least one, if it is not known.
    pub fn events_since(&self, before: Self) -> u64 {
        let count = |revision: Option<Revision>| revision.map_or(0, |revision| revision.0 + 1);
        match self.revision {
            Some(_) => count(self.revision).saturating_sub(count(before.revision)),
            None => u64::from(self.upto > before.upto),
        }
    }

    /// The last event that may have been folded.
    pub fn last(&self) -> Option<Position> {
        self.upto.last()
    }
}

impl From<Scope> for Plain {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Stream(stream) => Self::Stream(stream.as_str().to_owned()),
            Scope::Tags(tags) => Self::Tags(tags.iter().map(|tag| tag.as_str().to_owned()).collect()),
        }
    }
}

impl TryFrom<Plain> for Scope {
    type Error = InvalidName;

    fn try_from(plain: Plain) -> Result<Self, InvalidName> {
        Self::wanted(match plain {
            Plain::Stream(stream) => sandbox::Scope::Stream(stream),
            Plain::Tags(tags) => sandbox::Scope::Tags(tags),
        })
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stream(stream) => write!(f, "stream {stream}"),
            Self::Tags(tags) => {
                let tags: Vec<_> = tags.iter().map(Tag::as_str).collect();
                write!(f, "events with {}", tags.join(" and "))
            }
        }
    }
}
