//! `kinora gates`, and the gates of `kinora deploy`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::answers::{ProjectionStatus, VersionStatus};
use crate::cli::client::Client;
use crate::cli::output::{Output, clean, note, table};

/// Show what has to hold before a version goes live, and what does not hold yet
///
/// Ends with 3 if a gate is closed.
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    name: String,
    /// The version [default: the newest one]
    version: Option<u64>,
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
    bounds: Vec<(String, Map<String, Value>)>,
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

fn bound(text: &str) -> Result<(String, Map<String, Value>), String> {
    let help = || "a bound looks like carriers:added=0,removed=0,changed=10".to_owned();
    let (table, bounds) = text.split_once(':').ok_or_else(help)?;
    let mut found = Map::new();
    for bound in bounds.split(',') {
        let (what, rows) = bound.split_once('=').ok_or_else(help)?;
        if !["added", "removed", "changed"].contains(&what) {
            return Err(help());
        }
        let rows: u64 = rows.parse().map_err(|_| help())?;
        found.insert(what.to_owned(), json!(rows));
    }
    Ok((table.to_owned(), found))
}

impl GateArguments {
    pub fn to_json(&self) -> Value {
        let mut gates = Map::new();
        gates.insert("reviewed".into(), json!(self.reviewed));
        gates.insert("ready_for_seconds".into(), json!(self.ready_for));
        let bounds = self.bounds.iter().cloned().map(|(table, bounds)| (table, Value::Object(bounds)));
        gates.insert("difference".into(), Value::Object(bounds.collect()));
        if let Some(lag) = self.max_lag {
            gates.insert("max_lag".into(), json!(lag));
        }
        if let Some(query) = &self.check {
            let arguments = self.check_arguments.as_deref().unwrap_or("{}");
            // What is no JSON is refused by the host, with its words.
            let arguments = serde_json::from_str::<Value>(arguments).unwrap_or_else(|_| json!(arguments));
            gates.insert("check".into(), json!({"query": query, "arguments": arguments}));
        }
        gates.into()
    }
}

#[derive(Deserialize)]
struct Checklist {
    version: u64,
    passed: bool,
    gates: Vec<Gate>,
}

#[derive(Deserialize)]
struct Gate {
    gate: String,
    passed: bool,
    reason: String,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let version = match arguments.version {
        Some(version) => version,
        None => {
            let url = client.url(&["v1", "projections", &arguments.name])?;
            let status: ProjectionStatus = client.get(url).await?.parse()?;
            let newest = status.versions.iter().filter(|version| !version.state.is_gone());
            let newest = newest.map(|version| version.version).max();
            newest.ok_or_else(|| anyhow::anyhow!("{} has no version that could go live", arguments.name))?
        }
    };
    let answer = client.get(address(client, &arguments.name, version)?).await?;
    let checklist: Checklist = answer.parse()?;
    if output.is_json() {
        output.json(answer.text())?;
    } else {
        note(format_args!("version {} of {}", checklist.version, arguments.name));
        let mut found = table(&["gate", "", "reason"], &[]);
        for gate in &checklist.gates {
            let mark = if gate.passed { "passed" } else { "closed" };
            found.add_row([clean(&gate.gate), mark.to_owned(), clean(&gate.reason)]);
        }
        output.table(&found)?;
    }
    output.flush()?;
    if checklist.passed { Ok(()) } else { Err(crate::cli::GatesClosed.into()) }
}

fn address(client: &Client, name: &str, version: u64) -> Result<reqwest::Url, crate::cli::client::Error> {
    client.url(&["v1", "projections", name, "versions", &version.to_string(), "gates"])
}

/// Says which gates a version waits for, whenever that has changed.
pub async fn note_closed(client: &Client, version: &VersionStatus, known: &mut String) -> anyhow::Result<()> {
    let checklist: Checklist = client.get(address(client, &version.projection, version.version)?).await?.parse()?;
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
        assert_eq!((table.as_str(), Value::from(bounds)), ("carriers", json!({"added": 0, "changed": 10})));
        for wrong in ["carriers", "carriers:added", "carriers:new=1", "carriers:added=x"] {
            assert!(bound(wrong).is_err(), "{wrong}");
        }
    }
}
