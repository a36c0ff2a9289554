//! `GET /v1/log`: what the log is and holds.

use axum::extract::State;
use axum::response::Json;
use kinora_api::log as api;
use kinora_log::Log;

use crate::edge::problem::Problem;
use crate::host::blocking;
use crate::problems::operations;
use crate::wire::appends::durability;

/// What the log is and holds
#[utoipa::path(
    get, path = "/v1/log", tag = "log", operation_id = "log",
    responses((status = 200, description = "Id, durability, events, types and sizes", body = api::Log), operations::Log)
)]
pub async fn show(State(log): State<Log>) -> Result<Json<api::Log>, Problem> {
    let reader = log.clone();
    let stats = blocking(move || reader.stats()).await?;
    let types = stats.types.into_iter().map(|kind| api::TypeCount {
        events: kind.count,
        first_position: kind.first.0,
        schema: kind.schema,
        kind: kind.kind,
    });
    let incarnations = log.lineage().iter();
    let incarnations = incarnations.map(|(life, since)| api::Incarnation { id: life.0, since: since.0 });
    Ok(Json(api::Log {
        bytes_on_disk: stats.bytes,
        durability: durability(log.durability()),
        events: stats.events,
        id: log.id(),
        incarnations: incarnations.collect(),
        poisoned: log.poisoned().map(|cause| cause.to_string()),
        streams_estimated: stats.streams,
        types: types.collect(),
    }))
}
