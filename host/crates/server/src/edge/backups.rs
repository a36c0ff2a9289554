//! `POST /v1/backups` makes a backup of the host, `GET /v1/backups` lists them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use kinora_engine::backup::Backups;
use kinora_log::Backup;

use crate::edge::problem::Problem;
use crate::edge::wire;
use crate::service::{Host, blocking};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CreateIn {
    /// How many to keep: older ones are deleted.
    keep: Option<usize>,
}

pub async fn create(State(host): State<Host>, body: Bytes) -> Result<(StatusCode, Json<Value>), Problem> {
    let CreateIn { keep } = if body.is_empty() {
        CreateIn::default()
    } else {
        serde_json::from_slice(&body).map_err(|cause| wire::invalid_json(&cause))?
    };
    let backups = backups(&host)?;
    let backup = blocking(move || backups.create(keep)).await?;
    Ok((StatusCode::CREATED, Json(shown(&backup))))
}

pub async fn list(State(host): State<Host>) -> Result<Json<Value>, Problem> {
    let backups = backups(&host)?;
    let found = blocking(move || backups.list()).await?;
    Ok(Json(json!({"backups": found.iter().map(shown).collect::<Vec<_>>()})))
}

fn backups(host: &Host) -> Result<Arc<Backups>, Problem> {
    host.backups.clone().ok_or_else(|| {
        Problem::new(409, "no-backups", "this host has no folder for backups")
            .hint("start it with --backups FOLDER, on another disk if there is one")
    })
}

fn shown(backup: &Backup) -> Value {
    let time = Timestamp::from_second(backup.time).ok();
    json!({"number": backup.number, "time": time, "bytes": backup.bytes})
}
