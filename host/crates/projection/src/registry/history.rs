//! The history of a projection: who did what, when and why, as events of the log itself, in the stream
//! `$kinora/projections/NAME`. So it can be read, followed and projected like everything else.
//!
//! An entry is written into the catalog together with the change that it is about, and appended to the log after that,
//! under an id that it keeps. What a crash cuts short is appended when the host starts again, and nothing twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use kinora_log::{AppendError, AppendRequest, Log, StreamAppend};
use kinora_types::{EventType, ExpectedRevision, InvalidName, NewEvent, RESERVED, StreamName};

/// How long the recorder waits before it tries again, after the log has refused an entry.
const RETRY: Duration = Duration::from_secs(1);

/// Who wants something, and why: what they say of themselves, since a host knows no users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    pub who: Option<String>,
    pub why: Option<String>,
}

impl By {
    /// The host itself, by a rule that somebody gave it.
    pub fn host(why: impl Into<String>) -> Self {
        Self { who: Some("kinora".into()), why: Some(why.into()) }
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
        data.insert("why".into(), json!(by.why));
        data.insert("at".into(), json!(Timestamp::now()));
        let kind = format!("{RESERVED}.{}", what.as_str());
        Self { number, id: Uuid::new_v4(), kind, data: Value::Object(data).to_string() }
    }

    fn event(&self, projection: &str) -> Result<NewEvent, String> {
        let data = serde_json::value::RawValue::from_string(self.data.clone()).map_err(|cause| cause.to_string())?;
        let tag = format!("projection:{projection}").parse().map_err(|cause: InvalidName| cause.to_string())?;
        let kind = EventType::new(self.kind.as_str(), 1).map_err(|cause| cause.to_string())?;
        Ok(NewEvent { id: self.id, kind, data, metadata: None, tags: vec![tag] })
    }
}

/// Where the history of a projection stands.
pub fn stream(projection: &str) -> Result<StreamName, InvalidName> {
    format!("{RESERVED}/projections/{projection}").parse()
}

/// Appends entries in the order in which they were made.
pub struct Recorder {
    queue: mpsc::UnboundedSender<(String, Entry)>,
    sent: AtomicU64,
    done: watch::Receiver<u64>,
    /// The number of the last entry of each projection that the log has.
    recorded: Arc<Mutex<HashMap<String, u64>>>,
}

impl Recorder {
    /// Starts the task that appends. It ends with this handle.
    pub fn start(log: Log) -> Self {
        let (queue, mut entries) = mpsc::unbounded_channel::<(String, Entry)>();
        let (progress, done) = watch::channel(0_u64);
        let recorded = Arc::<Mutex<HashMap<String, u64>>>::default();
        let known = Arc::clone(&recorded);
        tokio::spawn(async move {
            while let Some((projection, entry)) = entries.recv().await {
                if !append(&log, &projection, &entry).await {
                    return;
                }
                known.lock().unwrap_or_else(PoisonError::into_inner).insert(projection, entry.number);
                progress.send_modify(|count| *count += 1);
            }
        });
        Self { queue, sent: AtomicU64::new(0), done, recorded }
    }

    pub fn send(&self, projection: &str, entry: Entry) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        // Without a task there is no runtime any more: the entry waits in the catalog for the next start.
        let _ = self.queue.send((projection.to_owned(), entry));
    }

    /// Takes out what the log has.
    pub fn forget_recorded(&self, projection: &str, entries: &mut Vec<Entry>) {
        let recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner).get(projection).copied();
        entries.retain(|entry| recorded.is_none_or(|recorded| entry.number > recorded));
    }

    /// Waits until everything that was sent before is in the log, or until the time is up: what was done is done, and
    /// a log that takes nothing now must not make it look otherwise.
    pub async fn settled(&self, patience: Duration) {
        let sent = self.sent.load(Ordering::Relaxed);
        let _ = tokio::time::timeout(patience, self.done.clone().wait_for(|done| *done >= sent)).await;
    }
}

/// Appends until it is there: a log that is full or busy takes it later. `false` if the log takes nothing any more; then
/// the entry waits in the catalog.
async fn append(log: &Log, projection: &str, entry: &Entry) -> bool {
    let event = match (stream(projection), entry.event(projection)) {
        (Ok(stream), Ok(event)) => StreamAppend { stream, expected: ExpectedRevision::Any, events: vec![event] },
        (stream, event) => {
            let cause = event.err().or(stream.err().map(|cause| cause.to_string()));
            tracing::error!(projection, number = entry.number, ?cause, "an entry of the history makes no sense");
            return true;
        }
    };
    loop {
        match log.append(AppendRequest::from(vec![event.clone()])).await {
            Ok(_) => return true,
            Err(AppendError::Poisoned) => return false,
            Err(error @ (AppendError::Rejected(_) | AppendError::Empty | AppendError::TooLarge { .. })) => {
                tracing::error!(projection, number = entry.number, %error, "an entry of the history was refused");
                return true;
            }
            Err(error) => {
                tracing::warn!(projection, number = entry.number, %error, "the history waits for the log");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_same_event_each_time_it_is_appended() {
        let by = By { who: Some("ada".into()), why: Some("a better mean".into()) };
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
