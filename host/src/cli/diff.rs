//! `kinora diff`: what differs between two versions, both at the same position.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::answers::ProjectionStatus;
use crate::cli::client::{Client, with_parameters};
use crate::cli::output::{Fields, Output, cell, clean, note, shortened, table};

/// Show what differs between two versions, both after the same event
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    name: String,
    /// The version to compare with [default: the live one]
    #[arg(long)]
    from: Option<u64>,
    /// The version to look at [default: the newest one]
    #[arg(long)]
    to: Option<u64>,
    /// Examples of each kind of change in each table
    #[arg(long, default_value_t = 3)]
    samples: usize,
    /// Every row that differs, instead of counts and examples; with -o json a document a line
    #[arg(long)]
    all: bool,
    /// Of all rows, those of this table
    #[arg(long, requires = "all")]
    table: Option<String>,
    /// Of all rows, those with keys from this one on
    #[arg(long, value_name = "KEY", requires = "all")]
    start: Option<String>,
    /// Of all rows, those with keys before this one
    #[arg(long, value_name = "KEY", requires = "all")]
    end: Option<String>,
    /// Go on behind a row that has been seen
    #[arg(long, value_name = "TABLE/KEY", requires = "all")]
    after: Option<String>,
    /// For this row, the events that wrote it in either version, and what it was after each
    #[arg(long, value_name = "TABLE/KEY", conflicts_with = "all", value_parser = row)]
    row: Option<(String, String)>,
    /// How long to wait for a version that is far behind, in seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
}

fn row(text: &str) -> Result<(String, String), String> {
    let (table, key) = text.split_once('/').ok_or("a row is named as table/key")?;
    Ok((table.to_owned(), key.to_owned()))
}

#[derive(Deserialize)]
struct Diff {
    from: u64,
    to: u64,
    position: Option<u64>,
    tables: Vec<TableDiff>,
}

#[derive(Deserialize)]
struct TableDiff {
    table: String,
    rows_from: u64,
    rows_to: u64,
    added: u64,
    removed: u64,
    changed: u64,
    unchanged: u64,
    changed_fields: BTreeMap<String, u64>,
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    key: String,
    change: String,
    from: Option<Box<RawValue>>,
    to: Option<Box<RawValue>>,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let status: ProjectionStatus = client.get(client.url(&["v1", "projections", &arguments.name])?).await?.parse()?;
    let newest = status.versions.iter().filter(|version| !version.state.is_gone());
    let to = arguments.to.or_else(|| newest.map(|version| version.version).max());
    let (Some(from), Some(to)) = (arguments.from.or(status.live), to) else {
        anyhow::bail!("no version of {} is live: say which to compare with --from and --to", arguments.name);
    };
    if from == to {
        note(format_args!("version {from} is compared with itself: name others with --from and --to"));
    }
    let mut parameters = vec![("from", from.to_string()), ("to", to.to_string())];
    if let Some((table, key)) = &arguments.row {
        parameters.extend([("table", table.clone()), ("key", key.clone())]);
        let url = client.url(&["v1", "projections", &arguments.name, "diff", "events"])?;
        let answer = client.get(with_parameters(url, parameters)).await?;
        return if output.is_json() { output.json(answer.text()) } else { print_events(output, &answer.parse()?) };
    }
    parameters.extend(arguments.timeout.map(|seconds| ("timeout", seconds.to_string())));
    if arguments.all {
        return all(client, output, &arguments, parameters).await;
    }
    parameters.push(("samples", arguments.samples.to_string()));
    let url = client.url(&["v1", "projections", &arguments.name, "diff"])?;
    let answer = client.get(with_parameters(url, parameters)).await?;
    if output.is_json() {
        return output.json(answer.text());
    }
    print(output, &answer.parse()?)
}

/// Every row that differs, as it comes.
async fn all(
    client: &Client,
    output: &mut Output,
    arguments: &Arguments,
    mut parameters: Vec<(&str, String)>,
) -> anyhow::Result<()> {
    let Arguments { table, start, end, after, .. } = arguments;
    for (name, value) in [("table", table), ("start", start), ("end", end), ("after", after)] {
        parameters.extend(value.clone().map(|value| (name, value)));
    }
    let url = client.url(&["v1", "projections", &arguments.name, "diff", "rows"])?;
    let accept = if output.is_json() { "application/x-ndjson" } else { "text/plain" };
    let mut response = client.stream(with_parameters(url, parameters), accept).await?;
    while let Some(piece) = Client::piece(&mut response).await? {
        output.raw(&piece)?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Events {
    from: Explanation,
    to: Explanation,
}

#[derive(Deserialize)]
struct Explanation {
    version: u64,
    complete: bool,
    events: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    position: u64,
    stream: String,
    #[serde(rename = "type")]
    kind: String,
    schema: u32,
    row: Option<Box<RawValue>>,
}

/// What each version made of the row, and the first event after which they differ.
fn print_events(output: &mut Output, events: &Events) -> anyhow::Result<()> {
    for side in [&events.from, &events.to] {
        output.line(format_args!("version {}", side.version))?;
        for event in &side.events {
            let row = event.row.as_ref().map_or("(deleted)", |row| row.get());
            let Written { position, stream, kind, schema, .. } = event;
            output.line(format_args!("  {position:>8}  {} {}/{schema}  {}", clean(stream), clean(kind), clean(row)))?;
        }
        if !side.complete {
            output.line(format_args!("  ... and maybe more"))?;
        }
    }
    let written = |side: &Explanation, position: u64| {
        let event = side.events.iter().rev().find(|event| event.position <= position)?;
        event.row.as_ref().map(|row| row.get().to_owned())
    };
    let mut positions: Vec<u64> =
        [&events.from, &events.to].iter().flat_map(|side| &side.events).map(|event| event.position).collect();
    positions.sort_unstable();
    let first = positions.into_iter().find(|at| written(&events.from, *at) != written(&events.to, *at));
    if let Some(position) = first {
        note(format_args!("the first event after which they differ is at position {position}"));
    }
    Ok(())
}

fn print(output: &mut Output, diff: &Diff) -> anyhow::Result<()> {
    let position = diff.position.map_or_else(|| "the beginning".to_owned(), |position| format!("position {position}"));
    note(format_args!("version {} -> version {}, both at {position}", diff.from, diff.to));
    let header = ["table", "rows before", "rows after", "added", "removed", "changed", "unchanged"];
    let mut overview = table(&header, &[1, 2, 3, 4, 5, 6]);
    for found in &diff.tables {
        let counts = [found.rows_from, found.rows_to, found.added, found.removed, found.changed, found.unchanged];
        overview.add_row(std::iter::once(found.table.clone()).chain(counts.map(|count| count.to_string())));
    }
    output.table(&overview)?;
    for found in &diff.tables {
        if !found.changed_fields.is_empty() {
            let fields = found.changed_fields.iter().map(|(field, rows)| format!("{} ({rows})", clean(field)));
            let fields: Vec<_> = fields.collect();
            output.line(format_args!("\n{}: fields that changed (rows): {}", found.table, fields.join(", ")))?;
        }
        for sample in &found.samples {
            output.line(format_args!("  {} {}", sample.change, clean(&sample.key)))?;
            for line in fields(sample)? {
                output.line(format_args!("      {line}"))?;
            }
        }
    }
    Ok(())
}

/// The fields that differ, old and new.
fn fields(sample: &Sample) -> anyhow::Result<Vec<String>> {
    let parse = |row: &Option<Box<RawValue>>| -> anyhow::Result<Option<Fields>> {
        Ok(row.as_ref().map(|row| serde_json::from_str(row.get())).transpose()?)
    };
    let (Some(old), Some(new)) = (parse(&sample.from)?, parse(&sample.to)?) else { return Ok(Vec::new()) };
    let shown = |value: Option<&RawValue>| value.map_or_else(|| "(none)".to_owned(), |value| shortened(&cell(value)));
    let names = new.0.iter().chain(old.0.iter().filter(|(name, _)| new.get(name).is_none())).map(|(name, _)| name);
    let mut lines = Vec::new();
    for name in names {
        let (old, new) = (old.get(name), new.get(name));
        if old.map(RawValue::get) != new.map(RawValue::get) {
            lines.push(format!("{}: {} -> {}", clean(name), shown(old), shown(new)));
        }
    }
    Ok(lines)
}
