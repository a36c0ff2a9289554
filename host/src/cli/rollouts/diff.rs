//! `kinora diff`: what differs between two versions, both at the same position.

use kinora_client::Client;
use kinora_client::api::differences::{
    Change, Diff, DiffEvents, DiffFormat, Difference, ReadDiff, ReadDiffEvents, ReadDiffRows, RowTrace, TableDiff,
    TraceStep,
};
use serde_json::value::RawValue;

use crate::cli::output::{Fields, Output, cell, clean, note, shortened, table};

/// Examples of each kind of change, if nobody says how many.
const SAMPLES: usize = 3;

/// Show what differs between two versions, both after the same event
///
/// For example: kinora diff ontime; every row of a table: kinora diff ontime --all --table routes;
/// the events behind one: kinora diff ontime --row routes/EWR-IAH
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    pub name: String,
    /// The version to compare with [default: the live one]
    #[arg(long)]
    from: Option<u32>,
    /// The version to look at [default: the newest one]
    #[arg(long)]
    to: Option<u32>,
    /// Examples of each kind of change in each table
    #[arg(long, default_value_t = SAMPLES)]
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

/// What has changed from one version to another, with some rows of each table.
pub async fn show(client: &Client, output: &mut Output, name: &str, from: u32, to: u32) -> anyhow::Result<()> {
    let answer = client.diff(name, &ReadDiff { from, to, samples: Some(SAMPLES), timeout: None }).await?;
    if output.is_json() { output.json(answer.text()) } else { print(output, &answer) }
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let name = arguments.name.as_str();
    let status = client.projection(name).await?;
    let to = arguments.to.or_else(|| status.newest_there().map(|version| version.version));
    let (Some(from), Some(to)) = (arguments.from.or(status.live), to) else {
        anyhow::bail!("no version of {name} is live: say which to compare with --from and --to");
    };
    if from == to {
        note(format_args!("version {from} is compared with itself: name others with --from and --to"));
    }
    if let Some((table, key)) = arguments.row {
        let read = ReadDiffEvents { from, to, table, key, position: None, limit: None };
        let answer = client.diff_events(name, &read).await?;
        return if output.is_json() { output.json(answer.text()) } else { print_events(output, &answer) };
    }
    let Arguments { samples, timeout, .. } = arguments;
    if arguments.all {
        let format = if output.is_json() { DiffFormat::Ndjson } else { DiffFormat::Text };
        let Arguments { table, start, end, after, .. } = arguments;
        let read =
            ReadDiffRows { table, start, end, after, timeout, format: Some(format), ..ReadDiffRows::of(from, to) };
        let mut pieces = client.all_diff_rows(name, &read).await?;
        while let Some(piece) = pieces.next().await? {
            output.raw(&piece)?;
        }
        return Ok(());
    }
    let answer = client.diff(name, &ReadDiff { from, to, samples: Some(samples), timeout }).await?;
    if output.is_json() { output.json(answer.text()) } else { print(output, &answer) }
}

/// What each version made of the row, and the first event after which they differ.
fn print_events(output: &mut Output, events: &DiffEvents) -> anyhow::Result<()> {
    for side in [&events.from, &events.to] {
        output.line(format_args!("version {}", side.version))?;
        for event in &side.events {
            let row = event.row.as_ref().map_or("(deleted)", |row| row.get());
            let TraceStep { position, stream, kind, schema, .. } = event;
            output.line(format_args!("  {position:>8}  {} {}/{schema}  {}", clean(stream), clean(kind), clean(row)))?;
        }
        if !side.complete {
            output.line(format_args!("  ... and maybe more"))?;
        }
    }
    let written = |side: &RowTrace, position: u64| {
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
            output.line(format_args!("  {} {}", sample.change.as_str(), clean(&sample.key)))?;
            for line in fields(sample)? {
                output.line(format_args!("      {line}"))?;
            }
        }
        let left_out = left_out(found);
        if !left_out.is_empty() {
            output.line(format_args!("  ... and {} (--all shows every row)", left_out.join(", ")))?;
        }
    }
    Ok(())
}

/// How many rows of each kind are not among the examples.
fn left_out(found: &TableDiff) -> Vec<String> {
    let kinds = [(Change::Added, found.added), (Change::Removed, found.removed), (Change::Changed, found.changed)];
    let left_out = kinds.into_iter().filter_map(|(change, rows)| {
        let shown = found.samples.iter().filter(|sample| sample.change == change).count() as u64;
        let left = rows.saturating_sub(shown);
        (left > 0).then(|| format!("{left} more {}", change.as_str()))
    });
    left_out.collect()
}

/// The fields that differ, old and new.
fn fields(sample: &Difference) -> anyhow::Result<Vec<String>> {
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
