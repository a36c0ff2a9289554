//! What can be done about an event that stopped a version: reproduce it elsewhere, or pass it over for a reason.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;

use kinora_projection::{ProjectionStatus, Projections};

use crate::edge::actor::by;
use crate::edge::problem::Problem;
use crate::projections::rollouts::number;
use crate::service::blocking;

/// The bundle that `kinora repro` runs.
pub async fn reproduction(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let version = number(&version)?;
    let file = format!("attachment; filename=\"{name}-{version}.repro.json\"");
    let bundle = blocking(move || projections.reproductions().of(&name, version)).await?;
    Ok(([(header::CONTENT_DISPOSITION, file)], Json(bundle)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkipIn {
    position: u64,
    reason: String,
}

pub async fn skip(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ProjectionStatus>, Problem> {
    let by = by(&headers)?;
    let version = number(&version)?;
    let skip: SkipIn = serde_json::from_slice(&body?).map_err(|cause| {
        Problem::new(400, "invalid-json", format!("the body cannot be read: {cause}"))
            .hint(r#"send {"position": where the version stopped, "reason": why this event may be passed over}"#)
    })?;
    let skipping = Arc::clone(&projections);
    let skipped = blocking(move || skipping.skipping().skip(&name, version, skip.position, &skip.reason, &by)).await?;
    projections.recorded().await;
    Ok(Json(skipped))
}
