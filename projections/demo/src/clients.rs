//! Clients that keep asking while versions come and go, and notice every failed or mixed answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinHandle;

use crate::api::Api;

/// Each client asks, waits for the answer, and pauses so long.
const PAUSE: Duration = Duration::from_millis(2);

/// One answer: which version gave it, whether it was whole, and how long it took.
struct Answer {
    version: Option<u64>,
    good: bool,
    took: Duration,
}

/// Clients under way.
pub struct Clients {
    stop: Arc<AtomicBool>,
    running: Vec<JoinHandle<Vec<Answer>>>,
}

/// What they saw.
pub struct Seen {
    pub answers: usize,
    pub failed: usize,
    /// The versions that answered a client, in turn.
    pub versions: Vec<u64>,
    /// Whether all clients saw the same turns.
    pub agreed: bool,
    pub median: Duration,
    pub slowest: Duration,
}

impl Clients {
    /// Starts so many clients, each of which asks for rows of `table` by key.
    pub fn start(api: &Api, count: usize, table: &'static str, keys: &'static [&'static str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (api, stop) = (api.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for key in keys.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    answers.push(ask(&api, &format!("{table}/{key}")).await);
                    tokio::time::sleep(PAUSE).await;
                }
                answers
            })
        };
        let running = (0..count).map(client).collect();
        Self { stop, running }
    }

    pub async fn stop(self) -> anyhow::Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        let mut turns: Vec<Vec<u64>> = Vec::new();
        let mut times = Vec::new();
        let mut failed = 0;
        for client in self.running {
            let answers = client.await?;
            let mut seen: Vec<u64> = answers.iter().filter_map(|answer| answer.version).collect();
            seen.dedup();
            turns.push(seen);
            failed += answers.iter().filter(|answer| !answer.good).count();
            times.extend(answers.iter().map(|answer| answer.took));
        }
        times.sort_unstable();
        let versions = turns.first().cloned().unwrap_or_default();
        Ok(Seen {
            answers: times.len(),
            failed,
            agreed: turns.iter().all(|turn| *turn == versions),
            versions,
            median: times.get(times.len() / 2).copied().context("nobody was asked")?,
            slowest: times.last().copied().unwrap_or_default(),
        })
    }
}

/// Version 2 has a field that version 1 has not: an answer whose header and row disagree would be a mixed one.
async fn ask(api: &Api, path: &str) -> Answer {
    let asked = Instant::now();
    let answer = async {
        let response = api.client.get(api.at(&format!("read-models/ontime/{path}"))).send().await.ok()?;
        let good = response.status().is_success();
        let version: u64 = response.headers().get("kinora-version")?.to_str().ok()?.parse().ok()?;
        let row: serde_json::Value = serde_json::from_str(&response.text().await.ok()?).ok()?;
        let of_version_2 = row.get("arrival_delays").is_some();
        Some((version, good && of_version_2 == (version == 2)))
    };
    let (version, good) = answer.await.unzip();
    Answer { version, good: good.unwrap_or(false), took: asked.elapsed() }
}
