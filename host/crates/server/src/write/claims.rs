//! `GET /v1/claims/{scope}/{value}`: who holds a value that only one stream may hold.

use axum::extract::{Path, State};
use axum::response::Json;
use serde_json::{Value, json};

use kinora_log::{ClaimKey, Log};

use crate::edge::problem::Problem;
use crate::service::blocking;

pub async fn show(
    State(log): State<Log>,
    Path((scope, value)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let key = ClaimKey::new(&scope, &value)?;
    let reader = log.clone();
    let held = blocking(move || reader.claim(&key)).await?;
    // Whether it is held may follow from an append that is not durable yet.
    log.settled().await;
    match held {
        Some(held) => {
            Ok(Json(json!({"scope": scope, "value": value, "owner": held.owner.as_str(), "since": held.since.0})))
        }
        None => Err(Problem::new(404, "not-claimed", format!("nobody holds {value:?} of {scope}"))
            .hint("POST /v1/transactions takes a claim, along with events")),
    }
}
