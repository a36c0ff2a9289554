//! Selections of events: those of these types, with these tags, of these streams.

use kinora_types::{EventType, InvalidName, NewEvent, StreamName, Tag};

use crate::record::event::RecordRef;

/// The events that match any of the items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub items: Vec<Item>,
}

/// The events of any of the types (of any type at all, if none is named) that have all of the tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    pub types: Vec<String>,
    pub tags: Vec<Tag>,
}

/// The streams whose events are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Streams {
    #[default]
    All,
    One(StreamName),
    /// Those whose names begin so.
    Prefix(String),
}

/// Which events to read: of these streams, and selected. By default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub streams: Streams,
    /// `None`: whatever their types and tags.
    pub selection: Option<Selection>,
}

impl From<Selection> for Filter {
    fn from(selection: Selection) -> Self {
        Self { streams: Streams::All, selection: Some(selection) }
    }
}

impl Item {
    pub fn new<'a>(
        types: impl IntoIterator<Item = &'a str>,
        tags: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidName> {
        let types = types.into_iter().map(|name| EventType::new(name, 1).map(|kind| kind.name));
        let tags = tags.into_iter().map(str::parse);
        Ok(Self { types: types.collect::<Result<_, _>>()?, tags: tags.collect::<Result<_, _>>()? })
    }

    pub fn matches(&self, event: &NewEvent) -> bool {
        self.of_type(&event.kind.name) && self.tags.iter().all(|tag| event.tags.contains(tag))
    }

    fn of_type(&self, name: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted == name)
    }

    fn selects(&self, event: &RecordRef<'_>) -> bool {
        let has = |tag: &Tag| event.tags.split('\n').any(|known| known == tag.as_str());
        self.of_type(event.kind) && self.tags.iter().all(has)
    }
}

impl Streams {
    pub fn include(&self, stream: &str) -> bool {
        match self {
            Self::All => true,
            Self::One(name) => name.as_str() == stream,
            Self::Prefix(prefix) => stream.starts_with(prefix),
        }
    }
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_open(&self) -> bool {
        self.streams == Streams::All && self.selection.is_none()
    }

    pub fn selects(&self, event: &RecordRef<'_>) -> bool {
        self.streams.include(event.stream)
            && self.selection.as_ref().is_none_or(|selection| selection.items.iter().any(|item| item.selects(event)))
    }
}
