//! Appends events to a host over HTTP, in order, in large transactions.

use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::event::Event;
use crate::timeline::Timeline;

/// Tries of a request that did not get through. Ids make it harmless to repeat one.
const TRIES: u32 = 10;

/// Between two tries. A host that restarts is there again in this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    #[error("no host answers at {url}: {cause}; start one with `kinora serve --data ./data`")]
    Unreachable { url: String, cause: reqwest::Error },
    #[error("the host refused the events ({status}): {answer}")]
    Refused { status: StatusCode, answer: String },
    #[error("{url} answers, but not as a host does: {cause}; is the URL that of a host?")]
    Answer { url: String, cause: reqwest::Error },
    #[error("the events cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Where to feed, and how much at a time.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Such as `http://127.0.0.1:7070`.
    pub url: String,
    /// Events of a request.
    pub batch: usize,
    /// Events altogether.
    pub limit: usize,
}

/// What a feed did.
#[derive(Clone, Copy, Debug)]
pub struct Fed {
    pub events: u64,
    /// Events that the host had already.
    pub duplicates: u64,
    pub took: Duration,
}

#[derive(Serialize)]
struct Transaction<'a> {
    appends: Vec<Append<'a>>,
}

#[derive(Serialize)]
struct Append<'a> {
    stream: &'a str,
    events: [&'a Event; 1],
}

impl<'a> Append<'a> {
    fn of(event: &'a Event) -> Self {
        Self { stream: &event.stream, events: [event] }
    }
}

#[derive(serde::Deserialize)]
struct Appended {
    duplicate: bool,
}

impl Feed {
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), batch: 5_000, limit: usize::MAX }
    }

    /// Appends the events of `timeline`; `progress` is told how many are done.
    pub async fn run(
        &self,
        timeline: std::sync::Arc<Timeline>,
        mut progress: impl FnMut(u64),
    ) -> Result<Fed, FeedError> {
        let started = Instant::now();
        // The next request is put together while the one before is under way.
        let (sender, mut bodies) = mpsc::channel::<Result<(u64, Vec<u8>), FeedError>>(2);
        let (batch, limit) = (self.batch.max(1), self.limit);
        let writer = tokio::task::spawn_blocking(move || {
            let mut events = timeline.events().take(limit);
            loop {
                let events: Vec<Event> = events.by_ref().take(batch).collect();
                let transaction = Transaction { appends: events.iter().map(Append::of).collect() };
                let body = serde_json::to_vec(&transaction).map(|body| (events.len() as u64, body));
                if events.is_empty() || sender.blocking_send(body.map_err(FeedError::from)).is_err() {
                    return;
                }
            }
        });
        let client = kinora_client::http().tls_certs_only([]).build();
        let client = client.map_err(|cause| FeedError::Unreachable { url: self.url.clone(), cause })?;
        let mut fed = Fed { events: 0, duplicates: 0, took: Duration::ZERO };
        while let Some(body) = bodies.recv().await {
            let (count, body) = body?;
            let appended = self.send(&client, body).await?;
            fed.events += count;
            if appended.duplicate {
                fed.duplicates += count;
            }
            progress(fed.events);
        }
        // The bodies also end if their writer panics, and then the feed is not complete.
        if let Err(panic) = writer.await.map_err(tokio::task::JoinError::try_into_panic)
            && let Ok(panic) = panic
        {
            std::panic::resume_unwind(panic);
        }
        fed.took = started.elapsed();
        Ok(fed)
    }

    async fn send(&self, client: &Client, body: Vec<u8>) -> Result<Appended, FeedError> {
        let url = format!("{}/v1/transactions", self.url.trim_end_matches('/'));
        let unreachable = |cause| FeedError::Unreachable { url: self.url.clone(), cause };
        let answer = |cause| FeedError::Answer { url: self.url.clone(), cause };
        let mut pause = Duration::from_millis(100);
        for last in (1..=TRIES).map(|tried| tried == TRIES) {
            let request = client.post(&url).header("content-type", "application/json").body(body.clone());
            match request.send().await {
                Ok(response) if response.status().is_success() => return response.json().await.map_err(answer),
                Ok(response) if last || response.status() != StatusCode::SERVICE_UNAVAILABLE => {
                    let status = response.status();
                    return Err(FeedError::Refused { status, answer: response.text().await.unwrap_or_default() });
                }
                Err(cause) if last => return Err(unreachable(cause)),
                Ok(_) | Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(FeedError::Refused { status: StatusCode::SERVICE_UNAVAILABLE, answer: "the host is busy".into() })
    }
}
