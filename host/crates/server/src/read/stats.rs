//! `GET /v1/log`: what the log is and holds.

use axum::extract::State;
use axum::response::Json;
use serde_json::{Value, json};

use kinora_log::Log;

use crate::edge::problem::Problem;
use crate::service::blocking;

pub async fn show(State(log): State<Log>) -> Result<Json<Value>, Problem> {
    let reader = log.clone();
    let stats = blocking(move || reader.stats()).await?;
    let kinds = stats.types.iter().map(
        |kind| json!({"type": kind.kind, "schema": kind.schema, "events": kind.count, "first_position": kind.first.0}),
    );
    Ok(Json(json!({
        "id": log.id(),
        "durability": log.durability(),
        "events": stats.events,
        "streams_estimated": stats.streams,
        "bytes_on_disk": stats.bytes,
        "types": kinds.collect::<Vec<_>>(),
    })))
}
