//! Differences between two versions.

use kinora_api::differences as api;
use kinora_projection::{Comparison, RowTrace};
use kinora_readmodel::{Change, Difference, TableDiff};

use crate::edge::problem::Problem;
use crate::host::raw;
use crate::wire::versions;

pub fn diff(comparison: Comparison) -> Result<api::Diff, Problem> {
    let Comparison { id, from, to, progress, diff } = comparison;
    let tables = diff.tables.into_iter().map(table).collect::<Result<_, _>>()?;
    Ok(api::Diff { from, to, position: progress.last().map(|position| position.0), comparison: id, tables })
}

fn table(diff: TableDiff) -> Result<api::TableDiff, Problem> {
    let samples = diff.samples.into_iter().map(|sample| difference(None, sample)).collect::<Result<_, _>>()?;
    Ok(api::TableDiff {
        table: diff.table,
        rows_from: diff.rows_from,
        rows_to: diff.rows_to,
        added: diff.added,
        removed: diff.removed,
        changed: diff.changed,
        unchanged: diff.unchanged,
        changed_fields: diff.changed_fields,
        samples,
    })
}

/// A row that differs; with its table where rows of several come together.
pub fn difference(table: Option<&str>, found: Difference) -> Result<api::Difference, Problem> {
    let (from, to) = (found.from.map(raw).transpose()?, found.to.map(raw).transpose()?);
    let (table, change) = (table.map(str::to_owned), change(found.change));
    Ok(api::Difference { table, key: found.key, change, fields: found.fields, from, to })
}

pub fn change(change: Change) -> api::Change {
    match change {
        Change::Added => api::Change::Added,
        Change::Removed => api::Change::Removed,
        Change::Changed => api::Change::Changed,
    }
}

pub fn trace(found: RowTrace) -> api::RowTrace {
    let events = found.events.into_iter().map(|step| api::TraceStep {
        position: step.position,
        stream: step.stream,
        kind: step.kind,
        schema: step.schema,
        row: step.row,
    });
    api::RowTrace {
        version: found.version,
        position: found.position,
        complete: found.complete,
        events: events.collect(),
        fault: found.fault.map(versions::fault),
    }
}
