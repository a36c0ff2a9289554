//! `kinora diff`: what differs between two versions, both at the same position.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answers::{ProjectionStatus, State};
use super::client::{Client, with_parameters};
use super::output::{Fields, Output, cell, clean, note, shortened, table};

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
    let newest = status.versions.iter().filter(|version| version.state != State::Retired);
    let to = arguments.to.or_else(|| newest.map(|version| version.version).max());
    let (Some(from), Some(to)) = (arguments.from.or(status.live), to) else {
        anyhow::bail!("no version of {} is live: say which to compare with --from and --to", arguments.name);
    };
    if from == to {
        note(format_args!("version {from} is compared with itself: name others with --from and --to"));
    }
    let url = client.url(&["v1", "projections", &arguments.name, "diff"])?;
    let parameters = [("from", from), ("to", to), ("samples", arguments.samples as u64)];
    let url = with_parameters(url, parameters.map(|(name, value)| (name, value.to_string())));
    let answer = client.get(url).await?;
    if output.is_json() {
        return output.json(answer.text());
    }
    print(output, &answer.parse()?)
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
