//! `/v1/projections`: watching versions, moving traffic between them, ending them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use kinora_projection as projection;
use kinora_projection::{
    By, Checklist, OnFault, ProjectionStatus, Projections, Promotion, SettingsChange, VersionStatus,
};

use crate::edge::actor::by;
use crate::edge::problem::Problem;
use crate::service::{blocking, wants_events};

/// How often a follower of a projection gets its figures.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PromoteIn {
    expected_live: Option<u32>,
    force: bool,
}

pub async fn promote(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ProjectionStatus>, Problem> {
    let (version, by) = (number(&version)?, by(&headers)?);
    let PromoteIn { expected_live, force } =
        optional(&body?, r#"send nothing, or {"expected_live": version, "force": true to pass over the gates}"#)?;
    let promotion = Promotion { version: Some(version), expected_live, force };
    let status = projections.promotions().promote(&name, promotion, by).await?;
    projections.recorded().await;
    Ok(Json(status))
}

/// The gates of a version, each with whether it is open, and why.
pub async fn gates(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Checklist>, Problem> {
    Ok(Json(projections.checklists().of(&name, number(&version)?).await?))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ReviewIn {
    against: Option<u32>,
}

pub async fn review(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    let ReviewIn { against } =
        optional(&body?, r#"send nothing, or {"against": the version that it was compared with}"#)?;
    change(projections, headers, move |projections, by| projections.lifecycle().review(&name, version, against, by))
        .await
}

pub async fn rollback(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<ProjectionStatus>, Problem> {
    change(projections, headers, move |projections, by| projections.promotions().rollback(&name, by)).await
}

pub async fn pause(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    change(projections, headers, move |projections, by| projections.lifecycle().pause(&name, version, by)).await
}

pub async fn resume(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    change(projections, headers, move |projections, by| projections.lifecycle().resume(&name, version, by)).await
}

pub async fn retry(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    change(projections, headers, move |projections, by| projections.lifecycle().retry(&name, version, by)).await
}

pub async fn abort(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    change(projections, headers, move |projections, by| projections.lifecycle().abort(&name, version, by)).await
}

pub async fn retire(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<ProjectionStatus>, Problem> {
    let version = number(&version)?;
    change(projections, headers, move |projections, by| projections.lifecycle().retire(&name, version, by)).await
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SettingsIn {
    /// `null` is something else than nothing.
    #[serde(deserialize_with = "present")]
    retain: Option<Option<u32>>,
    on_fault: Option<OnFault>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(value).map(Some)
}

pub async fn set(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ProjectionStatus>, Problem> {
    let SettingsIn { retain, on_fault } = optional(
        &body?,
        r#"send {"retain": versions on standby to keep, or null for all, "on_fault": "refuse" | "stale"}"#,
    )?;
    let settings = SettingsChange { retain, on_fault };
    change(projections, headers, move |projections, by| projections.lifecycle().set(&name, settings, by)).await
}

/// Does something that waits for disks and threads, and answers once it stands in the history, too.
async fn change(
    projections: Arc<Projections>,
    headers: HeaderMap,
    change: impl FnOnce(&Projections, &By) -> Result<ProjectionStatus, projection::Error> + Send + 'static,
) -> Result<Json<ProjectionStatus>, Problem> {
    let by = by(&headers)?;
    let changing = Arc::clone(&projections);
    let status = blocking(move || change(&changing, &by)).await?;
    projections.recorded().await;
    Ok(Json(status))
}

/// A JSON body that may be missing.
fn optional<T: DeserializeOwned + Default>(body: &[u8], hint: &'static str) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body)
        .map_err(|cause| Problem::new(400, "invalid-json", format!("the body cannot be read: {cause}")).hint(hint))
}

pub fn number(version: &str) -> Result<u32, Problem> {
    version.parse().map_err(|_| {
        Problem::new(400, "invalid-version", format!("{version:?} is not the number of a version"))
            .hint("versions count from 1; GET /v1/projections/{name} lists them")
    })
}

pub fn invalid(detail: String) -> Problem {
    Problem::new(400, "invalid-parameter", detail)
        .hint("the routes and their parameters are listed in host/docs/http.md")
}
