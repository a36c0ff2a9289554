//! Changes of a projection and its versions: moving traffic between them, holding them, ending them. Each
//! answers with the projection as it is then, once it stands in the history, too. One that comes again by its key is
//! done once, and answered as the first time.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;
use kinora_api::headers;
use kinora_api::projections as api;
use kinora_api::projections::Projection;
use kinora_api::rollouts;
use kinora_api::rollouts::{Promotion, Review};
use kinora_projection as projection;
use kinora_projection::{OnFault, ProjectionStatus, Projections, SettingsChange};

use crate::edge::change::Change;
use crate::edge::parameters;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::host::blocking;
use crate::problems::operations;
use crate::wire::versions;

/// Make a version live, in one step
#[utoipa::path(
    post, path = "/v1/projections/{name}/versions/{version}/promote", tag = "projections", operation_id = "promote",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        headers::By,
    ),
    request_body = Option<Promotion>,
    responses((status = 200, description = "The projection as it is then", body = Projection), operations::Promote)
)]
pub async fn promote(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let version = parameters::version(&version)?;
    let Promotion { expected_live, force } =
        asked.optional(r#"send nothing, or {"expected_live": version, "force": true to pass over the gates}"#)?;
    let promotion = projection::Promotion { version: Some(version), force };
    let status = projections.promotions().promote(&name, promotion, asked.expecting(expected_live)).await?;
    projections.recorded().await;
    Ok(Json(versions::projection(status)))
}

/// Say that what differs from the live version is right
#[utoipa::path(
    post, path = "/v1/projections/{name}/versions/{version}/review", tag = "projections", operation_id = "review",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        headers::By,
    ),
    request_body = Option<Review>,
    responses((status = 200, description = "The projection as it is then", body = Projection), operations::Review)
)]
pub async fn review(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let version = parameters::version(&version)?;
    let Review { against, expected_live } =
        asked.optional(r#"send nothing, or {"against": the version that it was compared with}"#)?;
    let request = asked.expecting(expected_live);
    change(projections, move |projections| projections.lifecycle().review(&name, version, against, &request)).await
}

/// Go back to the version that was live before, in one step
#[utoipa::path(
    post, path = "/v1/projections/{name}/rollback", tag = "projections", operation_id = "rollback",
    params(("name" = String, Path, description = "The projection"), headers::By),
    request_body = Option<rollouts::Change>,
    responses((status = 200, description = "The projection as it is then", body = Projection), operations::Rollback)
)]
pub async fn rollback(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let request = asked.plain()?;
    change(projections, move |projections| projections.promotions().rollback(&name, &request)).await
}

/// Stop projecting, and keep the rows
#[utoipa::path(
    post, path = "/v1/projections/{name}/versions/{version}/pause", tag = "projections", operation_id = "pause",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        headers::By,
    ),
    request_body = Option<rollouts::Change>,
    responses((status = 200, description = "The projection as it is then", body = Projection), operations::Pause)
)]
pub async fn pause(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let (version, request) = (parameters::version(&version)?, asked.plain()?);
    change(projections, move |projections| projections.lifecycle().pause(&name, version, &request)).await
}

/// Go on from the checkpoint, also after a fault
#[utoipa::path(
    post, path = "/v1/projections/{name}/versions/{version}/resume", tag = "projections", operation_id = "resume",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        headers::By,
    ),
    request_body = Option<rollouts::Change>,
    responses((status = 200, description = "The projection as it is then", body = Projection), operations::Resume)
)]
pub async fn resume(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let (version, request) = (parameters::version(&version)?, asked.plain()?);
    change(projections, move |projections| projections.lifecycle().resume(&name, version, &request)).await
}

/// Throw the rows away and begin anew
#[utoipa::path(
    post, path = "/v1/projections/{name}/versions/{version}/retry", tag = "projections", operation_id = "retry",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        headers::By,
    ),
    request_body = Option<rollouts::Change>,
    responses((status = 200, description = "The projection as it is then", body = Projection), operations::Retry)
)]
pub async fn retry(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let (version, request) = (parameters::version(&version)?, asked.plain()?);
    change(projections, move |projections| projections.lifecycle().retry(&name, version, &request)).await
}

/// End a version that was never live, and remove its rows
#[utoipa::path(
    post, path = "/v1/projections/{name}/versions/{version}/abort", tag = "projections", operation_id = "abort",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        headers::By,
    ),
    request_body = Option<rollouts::Change>,
    responses((status = 200, description = "The projection as it is then", body = Projection), operations::Abort)
)]
pub async fn abort(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let (version, request) = (parameters::version(&version)?, asked.plain()?);
    change(projections, move |projections| projections.lifecycle().abort(&name, version, &request)).await
}

/// End a version, and remove its rows
#[utoipa::path(
    post, path = "/v1/projections/{name}/versions/{version}/retire", tag = "projections", operation_id = "retire",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        headers::By,
    ),
    request_body = Option<rollouts::Change>,
    responses((status = 200, description = "The projection as it is then", body = Projection), operations::Retire)
)]
pub async fn retire(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let (version, request) = (parameters::version(&version)?, asked.plain()?);
    change(projections, move |projections| projections.lifecycle().retire(&name, version, &request)).await
}

/// Change what holds for all versions
#[utoipa::path(
    patch, path = "/v1/projections/{name}", tag = "projections", operation_id = "set",
    params(("name" = String, Path, description = "The projection"), headers::By),
    request_body = Option<api::SettingsChange>,
    responses((status = 200, description = "The projection as it is then", body = Projection), operations::Set)
)]
pub async fn set(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let api::SettingsChange { retain, on_fault, expected_live } = asked
        .optional(r#"send {"retain": versions on standby to keep, or null for all, "on_fault": "refuse" | "stale"}"#)?;
    let on_fault = on_fault.map(|on_fault| match on_fault {
        api::OnFault::Refuse => OnFault::Refuse,
        api::OnFault::Stale => OnFault::Stale,
    });
    let (settings, request) = (SettingsChange { retain, on_fault }, asked.expecting(expected_live));
    change(projections, move |projections| projections.lifecycle().set(&name, settings, &request)).await
}

/// Does something that waits for disks and threads, and answers once it stands in the history, too.
async fn change(
    projections: Arc<Projections>,
    change: impl FnOnce(&Projections) -> Result<ProjectionStatus, projection::Error> + Send + 'static,
) -> Result<Json<Projection>, Problem> {
    let changing = Arc::clone(&projections);
    let status = blocking(move || change(&changing)).await?;
    projections.recorded().await;
    Ok(Json(versions::projection(status)))
}
