//! `POST /v1/projections/{name}/versions`: a version from modules that were uploaded before, or straight from a
//! projector's Wasm; or, as a dry run, what that would come to.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use kinora_api::headers;
use kinora_api::modules::WasmBytes;
use kinora_api::rollouts as api;
use kinora_api::versions::Version;
use kinora_projection::{Deploy, Gates, Projections, Start};
use kinora_types::{Micros, Position};

use crate::edge::actor::by;
use crate::edge::parameters;
use crate::edge::parameters::{Path, invalid};
use crate::edge::problem::Problem;
use crate::host::blocking;
use crate::problems::operations;
use crate::wire::{rollouts, versions};

const BODY_HINT: &str = "send {\"module\": digest, \"upcasters\": [digest], \"promote\": \"manual\" | \"when_ready\", \
    \"gates\": {...}, \"start\": \"beginning\" | {\"position\": n} | {\"time\": t}, \"continue_from\": version, \
    \"dry_run\": true}, or Wasm as application/wasm";

fn start(start: api::Start) -> Result<Start, Problem> {
    Ok(match start {
        api::Start::Beginning => Start::Beginning,
        api::Start::Position(position) => Start::Position(Position(position)),
        api::Start::Time(time) => {
            let micros = Micros::not_before(time);
            Start::Time(micros.ok_or_else(|| invalid(format!("there was no log at {time}")))?)
        }
    })
}

/// Deploy a version, from modules or straight from a projector's Wasm
#[utoipa::path(
    post, path = "/v1/projections/{name}/versions", tag = "projections", operation_id = "deploy",
    params(("name" = String, Path, description = "The projection"), api::DeployWasm, headers::By),
    request_body(content((api::Deploy = "application/json"), (WasmBytes = "application/wasm"))),
    responses(
        (status = 200, description = "With dry_run: what it would come to", body = api::Preflight),
        (status = 202, description = "It is on its way", body = Version),
        operations::Deploy,
    )
)]
pub async fn deploy(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    query: Result<Query<api::DeployWasm>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (body, by) = (body?, by(&headers)?);
    let is_wasm = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/wasm");
    let (deploy, dry_run) = if is_wasm {
        let parameters = query.map_err(|cause| invalid(cause.body_text()))?;
        let (status, _) = projections.modules().upload(body.to_vec()).await?;
        let (module, promote) = (status.digest, rollouts::promote_in(parameters.promote));
        let continue_from = parameters.continue_from;
        let (gates, start) = (Gates::default(), Start::Beginning);
        (Deploy { module, upcasters: Vec::new(), promote, gates, start, continue_from }, false)
    } else {
        let api::Deploy { module, upcasters, promote, gates, start, continue_from, dry_run } =
            parameters::json(&body, BODY_HINT)?;
        let (promote, gates) = (rollouts::promote_in(promote), rollouts::gates_in(gates));
        (Deploy { module, upcasters, promote, gates, start: self::start(start)?, continue_from }, dry_run)
    };
    if dry_run {
        projections.deployments().settled(&deploy).await?;
        let preflight = blocking(move || projections.deployments().preflight(&name, &deploy)).await?;
        return Ok(Json(rollouts::preflight(preflight)).into_response());
    }
    let deploying = Arc::clone(&projections);
    let status = blocking(move || deploying.deployments().deploy(&name, deploy, &by)).await?;
    projections.recorded().await;
    Ok((StatusCode::ACCEPTED, Json(versions::version(status))).into_response())
}
