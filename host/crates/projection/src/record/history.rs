//! The history of a projection: who did what, when and why, as events of the log itself, in the stream
//! `$kinora/projections/NAME`. So it can be read, followed and projected like everything else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use kinora_types::{EventType, InvalidName, NewEvent, RESERVED, StreamName};

/// Who wants something, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// Who it is, where the host knows its clients; else who they say they are.
    pub who: Option<String>,
    /// Who they say they are, where the host knows who it is.
    pub said: Option<String>,
    pub why: Option<String>,
}

impl By {
    /// The host itself, by a rule that somebody gave it.
    pub fn host(why: impl Into<String>) -> Self {
        Self { who: Some("kinora".into()), said: None, why: Some(why.into()) }
    }
}

/// What can happen to a projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Deployed,
    Reviewed,
    Promoted,
    PromotionGivenUp,
    RolledBack,
    Paused,
    Resumed,
    Retried,
    EventSkipped,
    Faulted,
    Aborted,
    Retired,
    SettingsChanged,
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "VersionDeployed",
            Self::Reviewed => "VersionReviewed",
            Self::Promoted => "VersionPromoted",
            Self::PromotionGivenUp => "PromotionGivenUp",
            Self::RolledBack => "VersionRolledBack",
            Self::Paused => "VersionPaused",
            Self::Resumed => "VersionResumed",
            Self::Retried => "VersionRetried",
            Self::EventSkipped => "EventSkipped",
            Self::Faulted => "VersionFaulted",
            Self::Aborted => "VersionAborted",
            Self::Retired => "VersionRetired",
            Self::SettingsChanged => "SettingsChanged",
        }
    }
}

/// An entry on its way into the log. It keeps its id and its text, so that appending it again is the same append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts the entries of a projection, from 1.
    pub number: u64,
    id: Uuid,
    kind: String,
    data: String,
}

impl Entry {
    pub fn new(number: u64, projection: &str, what: What, by: &By, figures: Value) -> Self {
        let mut data = Map::new();
        data.insert("projection".into(), json!(projection));
        if let Value::Object(figures) = figures {
            data.extend(figures);
        }
        data.insert("who".into(), json!(by.who));
        if let Some(said) = &by.said {
            data.insert("said".into(), json!(said));
        }
        data.insert("why".into(), json!(by.why));
        data.insert("at".into(), json!(Timestamp::now()));
        let kind = format!("{RESERVED}.{}", what.as_str());
        Self { number, id: Uuid::new_v4(), kind, data: Value::Object(data).to_string() }
    }

    pub fn event(&self, projection: &str) -> Result<NewEvent, String> {
        let data = serde_json::value::RawValue::from_string(self.data.clone()).map_err(|cause| cause.to_string())?;
        let tag = format!("projection:{projection}").parse().map_err(|cause: InvalidName| cause.to_string())?;
        let kind = EventType::new(self.kind.as_str(), 1).map_err(|cause| cause.to_string())?;
        Ok(NewEvent { id: self.id, kind, data, metadata: None, tags: vec![tag] })
    }
}

/// The stream with the history of a projection.
pub fn stream(projection: &str) -> Result<StreamName, InvalidName> {
    format!("{RESERVED}/projections/{projection}").parse()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_same_event_each_time_it_is_appended() {
        let by = By { who: Some("ada".into()), said: None, why: Some("a better mean".into()) };
        let entry = Entry::new(1, "ontime", What::Promoted, &by, json!({"from": 1, "to": 2}));
        let again: Entry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
        assert_eq!(again, entry);
        let (first, second) = (entry.event("ontime").unwrap(), again.event("ontime").unwrap());
        assert_eq!((first.id, first.data.get()), (second.id, second.data.get()));
        assert_eq!(first.kind.name, "$kinora.VersionPromoted");
        let data: Value = serde_json::from_str(first.data.get()).unwrap();
        assert_eq!((&data["who"], &data["to"]), (&json!("ada"), &json!(2)));
    }
}
