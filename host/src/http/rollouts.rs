//! `/v1/projections`: deploying versions, watching them, moving traffic between them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::projection::{Comparison, Deploy, ProjectionStatus, Projections, Promote, VersionStatus};
use crate::readmodel::{Change, Sample, TableDiff};
use crate::sandbox::Digest;

use super::problem::Problem;
use super::{blocking, wants_events};

/// How often a follower of a projection gets its figures.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

/// Examples of each kind of change in each table, unless the client says otherwise, and at most.
const DEFAULT_SAMPLES: usize = 5;
const MAX_SAMPLES: usize = 1_000;

#[derive(Serialize)]
pub struct ProjectionsOut {
    projections: Vec<ProjectionStatus>,
}

pub async fn list(State(projections): State<Arc<Projections>>) -> Result<Json<ProjectionsOut>, Problem> {
    Ok(Json(ProjectionsOut { projections: projections.list()? }))
}

pub async fn show(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let status = projections.status(&name)?;
    if !wants_events(&headers) {
        return Ok(Json(status).into_response());
    }
    // Ends when the client goes away, or the projections do.
    let followed = futures::stream::unfold((projections, name, true), |(projections, name, first)| async move {
        if !first {
            let mut changes = projections.watch();
            let _ = tokio::time::timeout(FOLLOW_INTERVAL, changes.changed()).await;
        }
        let status = projections.status(&name).ok()?;
        let event = Event::default().event("status").json_data(status).ok()?;
        Some((Ok::<_, Infallible>(event), (projections, name, false)))
    });
    Ok(Sse::new(followed).keep_alive(KeepAlive::default()).into_response())
}

pub async fn show_version(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<VersionStatus>, Problem> {
    Ok(Json(projections.version_status(&name, number(&version)?)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployIn {
    module: Digest,
    #[serde(default)]
    upcasters: Vec<Digest>,
    #[serde(default)]
    promote: Promote,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployParameters {
    #[serde(default)]
    promote: Promote,
}

/// A version from modules that were uploaded before, or straight from a projector's Wasm.
pub async fn deploy(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    parameters: Result<Query<DeployParameters>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<VersionStatus>), Problem> {
    let body = body?;
    let is_wasm = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/wasm");
    let deploy = if is_wasm {
        let parameters = parameters.map_err(|cause| invalid(cause.body_text()))?;
        let (status, _) = projections.modules().upload(body.to_vec()).await?;
        Deploy { module: status.digest, upcasters: Vec::new(), promote: parameters.promote }
    } else {
        let deploy: DeployIn = serde_json::from_slice(&body).map_err(|cause| {
            Problem::new(400, "invalid-json", format!("the body cannot be read: {cause}"))
                .hint(r#"send {"module": digest, "upcasters": [digest], "promote": "manual" | "when_ready"}, or Wasm as application/wasm"#)
        })?;
        Deploy { module: deploy.module, upcasters: deploy.upcasters, promote: deploy.promote }
    };
    let status = blocking(move || projections.deploy(&name, deploy)).await?;
    Ok((StatusCode::ACCEPTED, Json(status)))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct PromoteIn {
    expected_live: Option<u32>,
}

pub async fn promote(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    let body = body?;
    let promote: PromoteIn = if body.is_empty() {
        PromoteIn::default()
    } else {
        serde_json::from_slice(&body).map_err(|cause| {
            Problem::new(400, "invalid-json", format!("the body cannot be read: {cause}"))
                .hint(r#"send nothing, or {"expected_live": version}"#)
        })?
    };
    Ok(Json(blocking(move || projections.promote(&name, Some(version), promote.expected_live)).await?))
}

pub async fn rollback(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
) -> Result<Json<ProjectionStatus>, Problem> {
    Ok(Json(blocking(move || projections.rollback(&name)).await?))
}

pub async fn pause(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    Ok(Json(blocking(move || projections.pause(&name, version)).await?))
}

pub async fn resume(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    // It starts a task, so it has to run where the runtime is known: it is, within a blocking task.
    Ok(Json(blocking(move || projections.resume(&name, version)).await?))
}

pub async fn retire(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    Ok(Json(blocking(move || projections.retire(&name, version)).await?))
}

fn number(version: &str) -> Result<u32, Problem> {
    version.parse().map_err(|_| {
        Problem::new(400, "invalid-version", format!("{version:?} is not the number of a version"))
            .hint("versions count from 1; GET /v1/projections/{name} lists them")
    })
}

fn invalid(detail: String) -> Problem {
    Problem::new(400, "invalid-parameter", detail).hint("the routes and their parameters are listed in the README")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffParameters {
    from: u32,
    to: u32,
    samples: Option<usize>,
}

pub async fn diff(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    parameters: Result<Query<DiffParameters>, QueryRejection>,
) -> Result<Json<DiffOut>, Problem> {
    let Query(parameters) = parameters.map_err(|cause| invalid(cause.body_text()))?;
    let samples = parameters.samples.unwrap_or(DEFAULT_SAMPLES);
    if samples > MAX_SAMPLES {
        return Err(invalid(format!("samples {samples} is more than {MAX_SAMPLES}")));
    }
    let comparison = projections.compare(&name, parameters.from, parameters.to, samples).await?;
    Ok(Json(DiffOut::new(comparison)?))
}

#[derive(Serialize)]
pub struct DiffOut {
    from: u32,
    to: u32,
    /// The last event that both have applied.
    position: Option<u64>,
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
    changed_fields: std::collections::BTreeMap<String, u64>,
    samples: Vec<SampleOut>,
}

#[derive(Serialize)]
struct SampleOut {
    key: String,
    change: &'static str,
    from: Option<Box<RawValue>>,
    to: Option<Box<RawValue>>,
}

impl DiffOut {
    fn new(comparison: Comparison) -> Result<Self, Problem> {
        let tables = comparison.diff.tables.into_iter().map(table).collect::<Result<_, _>>()?;
        let position = comparison.progress.last().map(|position| position.0);
        Ok(Self { from: comparison.from, to: comparison.to, position, tables })
    }
}

fn table(diff: TableDiff) -> Result<TableDiffOut, Problem> {
    Ok(TableDiffOut {
        table: diff.table,
        rows_from: diff.rows_from,
        rows_to: diff.rows_to,
        added: diff.added,
        removed: diff.removed,
        changed: diff.changed,
        unchanged: diff.unchanged,
        changed_fields: diff.changed_fields,
        samples: diff.samples.into_iter().map(sample).collect::<Result<_, _>>()?,
    })
}

fn sample(sample: Sample) -> Result<SampleOut, Problem> {
    let change = match sample.change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Changed => "changed",
    };
    let (from, to) = (sample.from.map(super::raw).transpose()?, sample.to.map(super::raw).transpose()?);
    Ok(SampleOut { key: sample.key, change, from, to })
}
