//! `/healthz` and `/readyz`: for load balancers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use kinora_api::health::{Health, Readiness, Waiting};
use kinora_projection::{Projections, State as VersionState, VersionStatus};

use crate::edge::problem::Problem;
use crate::problems::operations;
use crate::wire::versions;

/// Whether the host is there
#[utoipa::path(
    get, path = "/healthz", tag = "host", operation_id = "health",
    responses((status = 200, description = "It is", body = Health), operations::Health)
)]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok".into() })
}

/// Whether the log takes appends, and every live version runs
///
/// A host without projections is ready.
#[utoipa::path(
    get, path = "/readyz", tag = "host", operation_id = "readiness",
    responses(
        (status = 200, description = "They do", body = Readiness),
        (status = 503, description = "What does not", body = Readiness),
        operations::Readiness,
    )
)]
pub async fn ready(State(projections): State<Arc<Projections>>) -> Result<(StatusCode, Json<Readiness>), Problem> {
    let mut waiting = Vec::new();
    for projection in projections.list()? {
        let live = projection.versions.iter().find(|version| Some(version.version) == projection.live);
        let stands =
            |version: &&VersionStatus| version.state != VersionState::Live || version.stalled_seconds.is_some();
        if let Some(version) = live.filter(stands) {
            waiting.push(Waiting {
                projection: projection.name.clone(),
                stalled_seconds: version.stalled_seconds,
                state: versions::state(version.state),
                version: version.version,
            });
        }
    }
    let log_poisoned = projections.log().poisoned().map(|cause| cause.to_string());
    let ready = waiting.is_empty() && log_poisoned.is_none();
    let (code, status) = if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    Ok((code, Json(Readiness { status: status.into(), log_poisoned, waiting })))
}
