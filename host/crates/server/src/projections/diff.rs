//! `/v1/projections/{name}/diff`: what differs between two versions, both after the same event: counts and examples,
//! and for a row the events that wrote it in either version. All of it, page by page or in one stream: see
//! [`super::diff_rows`].

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Json;
use kinora_api::differences::{Diff, DiffEvents, ReadDiff, ReadDiffEvents};
use kinora_projection::{FAR_PATIENCE, Line, Projections, RowQuestion};
use kinora_types::{Budget, Position, Progress};

use crate::edge::budget::LongWork;
use crate::edge::parameters::{Path, invalid};
use crate::edge::problem::Problem;
use crate::problems::operations;
use crate::wire::differences;

/// Examples of each kind of change in each table, unless the client says otherwise, and at most.
const DEFAULT_SAMPLES: usize = 5;
const MAX_SAMPLES: usize = 1_000;

/// How long a client may have a comparison wait for a version that is far behind.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);

/// Events that are named for a row, unless the client says otherwise, and at most.
const DEFAULT_EVENTS: usize = 50;
const MAX_EVENTS: usize = 1_000;

/// What differs between two versions, both after the same event
#[utoipa::path(
    get, path = "/v1/projections/{name}/diff", tag = "projections", operation_id = "diff",
    params(("name" = String, Path, description = "The projection"), ReadDiff),
    responses((status = 200, description = "The differences", body = Diff), operations::Diff)
)]
pub async fn diff(
    State(projections): State<Arc<Projections>>,
    LongWork(work): LongWork,
    Path(name): Path<String>,
    parameters: Result<Query<ReadDiff>, QueryRejection>,
) -> Result<Json<Diff>, Problem> {
    let Query(parameters) = parameters.map_err(|cause| invalid(cause.body_text()))?;
    let ReadDiff { from, to, .. } = parameters;
    let samples = parameters.samples.unwrap_or(DEFAULT_SAMPLES);
    if samples > MAX_SAMPLES {
        return Err(invalid(format!("samples {samples} is more than {MAX_SAMPLES}")));
    }
    let patience = patience(parameters.timeout)?;
    let compared = projections.comparisons().compared(&name, from, to, None, patience).await?;
    let comparison = work.run_in(Line::Comparisons, move |budget| compared.compare(samples, budget)).await?;
    Ok(Json(differences::diff(comparison)?))
}

pub fn patience(seconds: Option<f64>) -> Result<Duration, Problem> {
    let Some(seconds) = seconds else { return Ok(FAR_PATIENCE) };
    let timeout = Duration::try_from_secs_f64(seconds).ok().filter(|timeout| *timeout <= MAX_TIMEOUT);
    timeout.ok_or_else(|| invalid(format!("timeout {seconds} is not from 0 to {} seconds", MAX_TIMEOUT.as_secs())))
}

/// For a row, the events that wrote it in either version, and what it was after each
#[utoipa::path(
    get, path = "/v1/projections/{name}/diff/events", tag = "projections", operation_id = "diff_events",
    params(("name" = String, Path, description = "The projection"), ReadDiffEvents),
    responses((status = 200, description = "The events in either version", body = DiffEvents), operations::DiffEvents)
)]
pub async fn events(
    State(projections): State<Arc<Projections>>,
    LongWork(work): LongWork,
    Path(name): Path<String>,
    parameters: Result<Query<ReadDiffEvents>, QueryRejection>,
) -> Result<Json<DiffEvents>, Problem> {
    let Query(parameters) = parameters.map_err(|cause| invalid(cause.body_text()))?;
    let ReadDiffEvents { from, to, table, key, position, limit } = parameters;
    let limit = limit.unwrap_or(DEFAULT_EVENTS);
    if !(1..=MAX_EVENTS).contains(&limit) {
        return Err(invalid(format!("limit {limit} is not from 1 to {MAX_EVENTS}")));
    }
    let upto = position.map(|position| Progress::through(Position(position)));
    let question = RowQuestion { table, key, upto, limit };
    // A replay on the side takes a core, so those of one answer, and of all answers, run one after the other.
    let explain = move |budget: &Budget| {
        let from = differences::trace(projections.row_traces().trace(&name, from, &question, budget)?);
        let to = differences::trace(projections.row_traces().trace(&name, to, &question, budget)?);
        Ok::<_, kinora_projection::Error>(DiffEvents { table: question.table, key: question.key, from, to })
    };
    Ok(Json(work.run_in(Line::Comparisons, explain).await?))
}
