//! `kinora verify`: a replay of all of a version's events, which has to give the rows that it has.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use kinora_client::api::verifications::{Divergence, ReplayProgress, Verified};
use kinora_client::{Client, Error};

use crate::cli::output::{Output, clean, short_digest};

/// Replay all events of a version beside it, and compare the rows
///
/// Ends with 5 if they differ, with the first row and the event where that can be told.
/// For example: kinora verify ontime
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    pub name: String,
    /// The version [default: the live one, or the newest]
    version: Option<u32>,
}

/// The rows are not those of the replay.
#[derive(Debug, thiserror::Error)]
#[error(
    "version {version} of projection {name} does not have the rows that its events give{}\n  hint: {hint}",
    Described(difference)
)]
pub struct Differs {
    name: String,
    version: u32,
    difference: Divergence,
    hint: &'static str,
}

/// Where a replay differs, as people read it.
struct Described<'a>(&'a Divergence);

impl std::fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let difference = self.0;
        if let Some(position) = difference.position {
            write!(
                f,
                "\n  first after event {position} ({})",
                clean(difference.event_type.as_deref().unwrap_or_default())
            )?;
        }
        let [one, other] = &difference.ways;
        if let Some(row) = &difference.row {
            let text = |row: &Option<String>| clean(row.as_deref().unwrap_or("not there"));
            write!(f, "\n  table {}, row {}", clean(&row.table), clean(&row.key))?;
            write!(f, "\n    {one}:\n      {}\n    {other}:\n      {}", text(&row.one), text(&row.other))?;
        }
        match &difference.fault {
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
            let status = client.projection(name).await?;
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
        let (digest, position) = (verified.rows_digest.to_string(), verified.position);
        let position = position.map_or_else(String::new, |position| format!(" at position {position}"));
        output.line(format_args!(
            "{name} version {version}: {events} events replayed in {seconds:.1} s, {agrees}; digest {}{position}",
            short_digest(&digest)
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
async fn follow(client: &Client, name: &str, version: u32) -> anyhow::Result<String> {
    let mut messages = client.follow_verification(name, version).await?;
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:32} {human_pos}/{human_len} events, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    while let Some(message) = messages.next().await? {
        match message.kind.as_str() {
            "progress" => {
                let progress: ReplayProgress = message.read()?;
                bar.set_length(progress.events);
                bar.set_position(progress.replayed);
            }
            "verified" => {
                bar.finish_and_clear();
                return Ok(message.data);
            }
            "problem" => {
                return Err(Error::Refused(Box::new(message.read()?)).into());
            }
            _ => {}
        }
    }
    anyhow::bail!("the host ended before it was done; ask again")
}
