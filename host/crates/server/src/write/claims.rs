//! `GET /v1/claims/{scope}/{value}`: who holds a value that only one stream may hold.

use axum::extract::State;
use axum::response::Json;
use kinora_api::Kind;
use kinora_api::claims::HeldClaim;
use kinora_log::{ClaimKey, Log};

use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::host::blocking;
use crate::problems::operations;

/// Who holds a claim
#[utoipa::path(
    get, path = "/v1/claims/{scope}/{value}", tag = "log", operation_id = "claim",
    params(
        ("scope" = String, Path, description = "Within what the value stands once"),
        ("value" = String, Path, description = "The value"),
    ),
    responses((status = 200, description = "The stream that holds it, since when", body = HeldClaim), operations::Claim)
)]
pub async fn show(
    State(log): State<Log>,
    Path((scope, value)): Path<(String, String)>,
) -> Result<Json<HeldClaim>, Problem> {
    let key = ClaimKey::new(&scope, &value)?;
    let reader = log.clone();
    let held = blocking(move || reader.claim(&key)).await?;
    // Whether it is held may follow from an append that is not durable yet.
    log.settled().await?;
    match held {
        Some(held) => Ok(Json(HeldClaim { owner: held.owner.to_string(), scope, since: held.since.0, value })),
        None => Err(Problem::new(Kind::NotClaimed, format!("nobody holds {value:?} of {scope}"))
            .hint("POST /v1/transactions takes a claim, along with events")),
    }
}
