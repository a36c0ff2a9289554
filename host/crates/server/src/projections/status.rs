//! The state of projections and their versions, and what they wait for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use kinora_api::projections as api;
use kinora_api::rollouts::Checklist;
use kinora_api::versions::Version;
use kinora_projection::Projections;

use crate::edge::budget::Work;
use crate::edge::parameters;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::host::wants_events;
use crate::problems::operations;
use crate::wire::{rollouts, versions};

/// How often a follower of a projection gets its figures.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

/// All projections
#[utoipa::path(
    get, path = "/v1/projections", tag = "projections", operation_id = "list_projections",
    responses((status = 200, description = "Projections", body = api::Projections), operations::ListProjections)
)]
pub async fn list(State(projections): State<Arc<Projections>>) -> Result<Json<api::Projections>, Problem> {
    let found = projections.list()?.into_iter().map(versions::projection).collect();
    Ok(Json(api::Projections { projections: found }))
}

/// A projection, or its status as it changes (Accept: text/event-stream)
#[utoipa::path(
    get, path = "/v1/projections/{name}", tag = "projections", operation_id = "projection",
    params(("name" = String, Path, description = "The projection")),
    responses(
        (
            status = 200,
            description = "The projection; followed, it comes as `status`",
            content((api::Projection = "application/json"), (api::ProjectionMessage = "text/event-stream")),
        ),
        operations::Projection,
    )
)]
pub async fn show(
    State(projections): State<Arc<Projections>>,
    work: Work,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let status = projections.status(&name)?;
    if !wants_events(&headers) {
        return Ok(Json(versions::projection(status)).into_response());
    }
    let work = work.following()?;
    // Ends when the client goes away, or the projections or the host do.
    let begin = (projections, work, name, true);
    let followed = futures::stream::unfold(begin, |(projections, work, name, first)| async move {
        if !first {
            let mut changes = projections.watch();
            tokio::select! {
                () = work.host_ends() => return None,
                _ = tokio::time::timeout(FOLLOW_INTERVAL, changes.changed()) => {}
            }
        }
        let status = versions::projection(projections.status(&name).ok()?);
        let event = Event::default().event("status").json_data(status).ok()?;
        Some((Ok::<_, Infallible>(event), (projections, work, name, false)))
    });
    Ok(Sse::new(followed).keep_alive(KeepAlive::default()).into_response())
}

/// Where a version stands
#[utoipa::path(
    get, path = "/v1/projections/{name}/versions/{version}", tag = "projections", operation_id = "version",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
    ),
    responses((status = 200, description = "The version", body = Version), operations::Version)
)]
pub async fn show_version(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Version>, Problem> {
    Ok(Json(versions::version(projections.version_status(&name, parameters::version(&version)?)?)))
}

/// The gates of a version: whether each is open, and why
#[utoipa::path(
    get, path = "/v1/projections/{name}/versions/{version}/gates", tag = "projections", operation_id = "gates",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
    ),
    responses((status = 200, description = "The checklist", body = Checklist), operations::Gates)
)]
pub async fn gates(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Checklist>, Problem> {
    let checklist = projections.checklists().of(&name, parameters::version(&version)?).await?;
    Ok(Json(rollouts::checklist(checklist)))
}
