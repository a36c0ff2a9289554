//! `/v1/projections/{name}/diff`: what differs between two versions, both after the same event: counts and examples, and
//! for a row the events that wrote it in either version. All of it, page by page or in one stream: see
//! [`super::diff_rows`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Json;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use kinora_projection::{Comparison, FAR_PATIENCE, Projections, RowQuestion, RowTrace};
use kinora_readmodel::{Change, Difference, TableDiff};
use kinora_types::{Position, Progress};

use crate::edge::problem::Problem;
use crate::projections::rollouts::invalid;
use crate::service::blocking;

/// Examples of each kind of change in each table, unless the client says otherwise, and at most.
const DEFAULT_SAMPLES: usize = 5;
const MAX_SAMPLES: usize = 1_000;

/// How long a client may have a comparison wait for a version that is far behind.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);

/// Events that are named for a row, unless the client says otherwise, and at most.
const DEFAULT_EVENTS: usize = 50;
const MAX_EVENTS: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffParameters {
    from: u32,
    to: u32,
    samples: Option<usize>,
    timeout: Option<f64>,
}

pub async fn diff(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    parameters: Result<Query<DiffParameters>, QueryRejection>,
) -> Result<Json<DiffOut>, Problem> {
    let Query(parameters) = parameters.map_err(|cause| invalid(cause.body_text()))?;
    let DiffParameters { from, to, .. } = parameters;
    let samples = parameters.samples.unwrap_or(DEFAULT_SAMPLES);
    if samples > MAX_SAMPLES {
        return Err(invalid(format!("samples {samples} is more than {MAX_SAMPLES}")));
    }
    let patience = patience(parameters.timeout)?;
    let comparison = projections.comparisons().compare_and_keep(&name, from, to, samples, patience).await?;
    Ok(Json(DiffOut::new(comparison)?))
}

pub fn patience(seconds: Option<f64>) -> Result<Duration, Problem> {
    let Some(seconds) = seconds else { return Ok(FAR_PATIENCE) };
    let timeout = Duration::try_from_secs_f64(seconds).ok().filter(|timeout| *timeout <= MAX_TIMEOUT);
    timeout.ok_or_else(|| invalid(format!("timeout {seconds} is not from 0 to {} seconds", MAX_TIMEOUT.as_secs())))
}

#[derive(Serialize)]
pub struct DiffOut {
    from: u32,
    to: u32,
    /// The last event that both have applied.
    position: Option<u64>,
    /// Names this comparison, for pages of its rows.
    comparison: Uuid,
    tables: Vec<TableDiffOut>,
}

#[derive(Serialize)]
struct TableDiffOut {
    table: String,
    rows_from: u64,
    rows_to: u64,
    added: u64,
    removed: u64,
    changed: u64,
    unchanged: u64,
    changed_fields: BTreeMap<String, u64>,
    samples: Vec<DifferenceOut>,
}

/// A row that differs.
#[derive(Serialize)]
pub struct DifferenceOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    pub key: String,
    pub change: Change,
    pub fields: Vec<String>,
    pub from: Option<Box<RawValue>>,
    pub to: Option<Box<RawValue>>,
}

impl DiffOut {
    fn new(comparison: Comparison) -> Result<Self, Problem> {
        let Comparison { id, from, to, progress, diff } = comparison;
        let tables = diff.tables.into_iter().map(table).collect::<Result<_, _>>()?;
        Ok(Self { from, to, position: progress.last().map(|position| position.0), comparison: id, tables })
    }
}

fn table(diff: TableDiff) -> Result<TableDiffOut, Problem> {
    let samples = diff.samples.into_iter().map(|sample| DifferenceOut::new(None, sample)).collect::<Result<_, _>>()?;
    Ok(TableDiffOut {
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

impl DifferenceOut {
    pub fn new(table: Option<&str>, found: Difference) -> Result<Self, Problem> {
        let (from, to) =
            (found.from.map(crate::service::raw).transpose()?, found.to.map(crate::service::raw).transpose()?);
        let table = table.map(str::to_owned);
        Ok(Self { table, key: found.key, change: found.change, fields: found.fields, from, to })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsParameters {
    from: u32,
    to: u32,
    table: String,
    key: String,
    /// Up to this position.
    position: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub struct EventsOut {
    table: String,
    key: String,
    from: RowTrace,
    to: RowTrace,
}

/// The events that wrote a row in either version, and what it was after each.
pub async fn events(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    parameters: Result<Query<EventsParameters>, QueryRejection>,
) -> Result<Json<EventsOut>, Problem> {
    let Query(parameters) = parameters.map_err(|cause| invalid(cause.body_text()))?;
    let EventsParameters { from, to, table, key, position, limit } = parameters;
    let limit = limit.unwrap_or(DEFAULT_EVENTS);
    if !(1..=MAX_EVENTS).contains(&limit) {
        return Err(invalid(format!("limit {limit} is not from 1 to {MAX_EVENTS}")));
    }
    let upto = position.map(|position| Progress::through(Position(position)));
    let question = RowQuestion { table, key, upto, limit };
    // A replay on the side takes a core, so those of one answer, and of all answers, run one after the other.
    let explain = move || {
        let from = projections.row_traces().trace(&name, from, &question)?;
        let to = projections.row_traces().trace(&name, to, &question)?;
        Ok::<_, kinora_projection::Error>(EventsOut { table: question.table, key: question.key, from, to })
    };
    Ok(Json(blocking(explain).await?))
}
