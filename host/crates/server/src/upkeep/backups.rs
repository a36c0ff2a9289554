//! `POST /v1/backups` makes a backup of the host, `GET /v1/backups` lists them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Json;
use jiff::Timestamp;
use kinora_api::Kind;
use kinora_api::backups as api;
use kinora_engine::backup::Backups;
use kinora_log::Backup;

use crate::edge::parameters;
use crate::edge::problem::Problem;
use crate::host::{Host, blocking};
use crate::problems::operations;

/// Make a backup while everything goes on
#[utoipa::path(
    post, path = "/v1/backups", tag = "host", operation_id = "create_backup",
    request_body = Option<api::CreateBackup>,
    responses((status = 201, description = "Made", body = api::Backup), operations::CreateBackup)
)]
pub async fn create(
    State(host): State<Host>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<api::Backup>), Problem> {
    let api::CreateBackup { keep } =
        parameters::optional(&body?, r#"send nothing, or {"keep": how many of the newest stay}"#)?;
    let backups = backups(&host)?;
    let backup = blocking(move || backups.create(keep)).await?;
    Ok((StatusCode::CREATED, Json(shown(&backup))))
}

/// List the backups
#[utoipa::path(
    get, path = "/v1/backups", tag = "host", operation_id = "list_backups",
    responses((status = 200, description = "Oldest first", body = api::Backups), operations::ListBackups)
)]
pub async fn list(State(host): State<Host>) -> Result<Json<api::Backups>, Problem> {
    let backups = backups(&host)?;
    let found = blocking(move || backups.list()).await?;
    Ok(Json(api::Backups { backups: found.iter().map(shown).collect() }))
}

fn backups(host: &Host) -> Result<Arc<Backups>, Problem> {
    host.backups.clone().ok_or_else(|| {
        Problem::new(Kind::NoBackups, "this host has no folder for backups")
            .hint("start it with --backups FOLDER, on another disk if there is one")
    })
}

fn shown(backup: &Backup) -> api::Backup {
    let time = Timestamp::from_second(backup.time).ok();
    api::Backup { bytes: backup.bytes, number: backup.number, time }
}
