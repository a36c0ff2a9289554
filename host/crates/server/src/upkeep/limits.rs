//! `GET /v1/limits`: the limits in force.

use axum::extract::State;
use axum::response::Json;
use kinora_api::limits::Limits;
use kinora_engine::limits as engine;

use crate::edge::bodies::BODIES_BYTES;
use crate::host::Host;
use crate::problems::operations;
use crate::wire::limits::limits;

/// The limits in force
#[utoipa::path(
    get, path = "/v1/limits", tag = "host", operation_id = "limits",
    responses((status = 200, description = "Limits by name", body = Limits), operations::Limits)
)]
pub async fn show(State(host): State<Host>) -> Json<Limits> {
    let now = engine::Limits { http: *host.http.borrow(), ..host.limits.clone() };
    Json(limits(&now, BODIES_BYTES))
}
