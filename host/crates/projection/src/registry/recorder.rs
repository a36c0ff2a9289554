//! The recorder: brings the history of projections from the catalog into the log.
//!
//! An entry is written into the catalog together with the change that it is about, and appended to the log after that,
//! under an id that it keeps. What a crash cuts short is appended when the host starts again, and nothing twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use kinora_log::{AppendError, AppendRequest, Log, StreamAppend};
use kinora_types::ExpectedRevision;

use crate::record::history::{Entry, stream};

/// How long the recorder waits before it tries again, after the log has refused an entry.
const RETRY: Duration = Duration::from_secs(1);

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

/// Appends until it is there: a log that is full or busy takes it later. `false` if the log takes nothing any more;
/// then the entry waits in the catalog.
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
