//! `GET /v1/settings`: what the host was started with.

use axum::extract::State;
use axum::response::Json;
use kinora_api::settings::Settings;

use crate::host::Host;
use crate::problems::operations;

/// What the host was started with, and whether an option, the environment or a file says so
#[utoipa::path(
    get, path = "/v1/settings", tag = "host", operation_id = "settings",
    responses((status = 200, description = "Options and limits", body = Settings), operations::Settings)
)]
pub async fn show(State(host): State<Host>) -> Json<Settings> {
    Json(host.settings.clone())
}
