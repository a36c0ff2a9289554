//! `kinora gates`, and the gates of `kinora deploy`.

use anyhow::Context;
use kinora_client::Client;
use kinora_client::api::rollouts::{Bounds, Check, Gates};
use kinora_client::api::versions::Version;

use crate::cli::output::{Output, clean, note};
use crate::cli::problems;

/// Show what has to hold before a version goes live, and what does not hold yet
///
/// Ends with 3 if a gate is closed. For example: kinora gates ontime
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    pub name: String,
    /// The version [default: the newest one]
    version: Option<u32>,
}

/// What has to hold before the version goes live
#[derive(clap::Args)]
pub struct GateArguments {
    /// Events that it may be behind
    #[arg(long, value_name = "EVENTS")]
    max_lag: Option<u64>,
    /// Somebody has to have said `kinora review`
    #[arg(long)]
    reviewed: bool,
    /// Rows of a table (`*`: every table) that may differ at most, such as carriers:added=0,removed=0,changed=10
    #[arg(long = "bound", value_name = "BOUND", value_parser = bound)]
    bounds: Vec<(String, Bounds)>,
    /// Seconds that it has to have been ready
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    ready_for: u64,
    /// A named query that has to answer `true`
    #[arg(long, value_name = "QUERY")]
    check: Option<String>,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "check")]
    check_arguments: Option<String>,
}

fn bound(text: &str) -> Result<(String, Bounds), String> {
    let help = || "a bound looks like carriers:added=0,removed=0,changed=10".to_owned();
    let (table, bounds) = text.split_once(':').ok_or_else(help)?;
    let mut found = Bounds::default();
    for bound in bounds.split(',') {
        let (what, rows) = bound.split_once('=').ok_or_else(help)?;
        let named = match what {
            "added" => &mut found.added,
            "removed" => &mut found.removed,
            "changed" => &mut found.changed,
            _ => return Err(help()),
        };
        *named = Some(rows.parse().map_err(|_| help())?);
    }
    Ok((table.to_owned(), found))
}

impl GateArguments {
    pub fn gates(&self) -> anyhow::Result<Gates> {
        let check = self.check.as_ref().map(|query| -> anyhow::Result<Check> {
            let arguments = self.check_arguments.as_deref().unwrap_or("{}");
            let arguments = serde_json::from_str(arguments).context("--check-arguments is not a JSON object")?;
            Ok(Check { query: query.clone(), arguments })
        });
        let unless_given = Gates::default();
        Ok(Gates {
            max_lag: self.max_lag.unwrap_or(unless_given.max_lag),
            reviewed: self.reviewed,
            difference: self.bounds.iter().cloned().collect(),
            ready_for_seconds: self.ready_for,
            check: check.transpose()?,
        })
    }
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let version = match arguments.version {
        Some(version) => version,
        None => newest(client, &arguments.name).await?,
    };
    let checklist = client.gates(&arguments.name, version).await?;
    if output.is_json() {
        output.json(checklist.text())?;
    } else {
        note(format_args!("version {} of {}", checklist.version, arguments.name));
        output.table(&problems::gates(&checklist.gates))?;
    }
    output.flush()?;
    if checklist.passed { Ok(()) } else { Err(crate::cli::outcome::GatesClosed.into()) }
}

/// The version that is meant unless one is named: the newest whose rows are there.
pub async fn newest(client: &Client, name: &str) -> anyhow::Result<u32> {
    let status = client.projection(name).await?;
    let newest = status.newest_there().map(|version| version.version);
    newest.ok_or_else(|| anyhow::anyhow!("{name} has no version that could go live"))
}

/// Says which gates a version waits for, whenever that has changed.
pub async fn note_closed(client: &Client, version: &Version, known: &mut String) -> anyhow::Result<()> {
    let checklist = client.gates(&version.projection, version.version).await?;
    let closed = checklist.gates.iter().filter(|gate| !gate.passed).map(|gate| clean(&gate.gate));
    let closed = closed.collect::<Vec<_>>().join(", ");
    if closed != *known {
        if !closed.is_empty() {
            note(format_args!(
                "ready, and waits for: {closed} (see `kinora gates {} {}`)",
                version.projection, version.version
            ));
        }
        *known = closed;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn bounds_are_read_as_they_are_written() {
        let (table, bounds) = bound("carriers:added=0,changed=10").unwrap();
        let expected = Bounds { added: Some(0), removed: None, changed: Some(10) };
        assert_eq!((table.as_str(), bounds), ("carriers", expected));
        for wrong in ["carriers", "carriers:added", "carriers:new=1", "carriers:added=x"] {
            assert!(bound(wrong).is_err(), "{wrong}");
        }
    }
}
