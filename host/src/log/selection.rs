//! Which events of the log: those of these types, with these tags.

use crate::event::{EventType, InvalidName, NewEvent, Tag};

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
        (self.types.is_empty() || self.types.contains(&event.kind.name))
            && self.tags.iter().all(|tag| event.tags.contains(tag))
    }
}
