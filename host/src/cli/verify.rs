//! `kinora verify`: a replay of all of a version's events, which has to give the rows that it has.

use std::io::IsTerminal;

use eventsource_stream::Eventsource;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

use crate::cli::answers::ProjectionStatus;
use crate::cli::client::{Client, Error, Problem};
use crate::cli::output::{Output, clean, short_digest};

/// Replay all events of a version beside it, and compare the rows
///
/// Ends with 5 if they differ, with the first row and the event where that can be told.
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    name: String,
    /// The version [default: the live one, or the newest]
    version: Option<u64>,
}

/// The rows are not those of the replay.
#[derive(Debug, thiserror::Error)]
#[error(
    "version {version} of projection {name} does not have the rows that its events give{difference}\n  hint: {hint}"
)]
pub struct Differs {
    name: String,
    version: u64,
    difference: Difference,
    hint: &'static str,
}

#[derive(Deserialize)]
struct ReplayProgress {
    replayed: u64,
    events: u64,
}

#[derive(Deserialize)]
struct Verified {
    version: u64,
    position: Option<u64>,
    rows_digest: String,
    agrees: bool,
    events: u64,
    difference: Option<Difference>,
    took_ms: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Difference {
    position: Option<u64>,
    event_type: Option<String>,
    row: Option<Row>,
    ways: [String; 2],
    fault: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    table: String,
    key: String,
    one: Option<String>,
    other: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(position) = self.position {
            write!(f, "\n  first after event {position} ({})", clean(self.event_type.as_deref().unwrap_or_default()))?;
        }
        let [one, other] = &self.ways;
        if let Some(row) = &self.row {
            let text = |row: &Option<String>| clean(row.as_deref().unwrap_or("not there"));
            write!(f, "\n  table {}, row {}", clean(&row.table), clean(&row.key))?;
            write!(f, "\n    {one}:\n      {}\n    {other}:\n      {}", text(&row.one), text(&row.other))?;
        }
        match &self.fault {
            Some(fault) => write!(f, "\n  handled {one}, but not {other}: {}", clean(fault)),
            None => Ok(()),
        }
    }
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let name = &arguments.name;
    let version = match arguments.version {
        Some(version) => version,
        None => {
            let status: ProjectionStatus = client.get(client.url(&["v1", "projections", name])?).await?.parse()?;
            let newest = || status.newest().map(|version| version.version);
            status.live.or_else(newest).ok_or_else(|| anyhow::anyhow!("projection {name} has no version"))?
        }
    };
    let text = follow(client, name, version).await?;
    let verified: Verified = serde_json::from_str(&text)?;
    if output.is_json() {
        output.json(&text)?;
    } else {
        let agrees = if verified.agrees { "the same rows" } else { "other rows" };
        let (events, seconds) = (verified.events, verified.took_ms as f64 / 1e3);
        let (digest, position) = (short_digest(&verified.rows_digest), verified.position);
        let position = position.map_or_else(String::new, |position| format!(" at position {position}"));
        output.line(format_args!(
            "{name} version {version}: {events} events replayed in {seconds:.1} s, {agrees}; digest {digest}{position}"
        ))?;
    }
    output.flush()?;
    if verified.agrees {
        return Ok(());
    }
    let difference = verified.difference.unwrap_or_default();
    let hint = match difference.position {
        Some(_) => "the projector is not deterministic: mend it and deploy it again",
        None => "its replays agree, so the rows were damaged: retire this version and deploy it anew",
    };
    Err(Differs { name: name.clone(), version: verified.version, difference, hint }.into())
}

/// Shows how far the host is, and gives what it found.
async fn follow(client: &Client, name: &str, version: u64) -> anyhow::Result<String> {
    let url = client.url(&["v1", "projections", name, "versions", &version.to_string(), "verification"])?;
    let mut messages = client.subscribe(url, None).await?.bytes_stream().eventsource();
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:32} {human_pos}/{human_len} events, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    while let Some(message) = messages.next().await {
        let message = message?;
        match message.event.as_str() {
            "progress" => {
                let progress: ReplayProgress = serde_json::from_str(&message.data)?;
                bar.set_length(progress.events);
                bar.set_position(progress.replayed);
            }
            "verified" => {
                bar.finish_and_clear();
                return Ok(message.data);
            }
            "problem" => {
                let problem: Problem = serde_json::from_str(&message.data)?;
                return Err(Error::Refused(Box::new(problem)).into());
            }
            _ => {}
        }
    }
    anyhow::bail!("the host ended before it was done; ask again")
}
