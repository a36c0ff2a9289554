//! `POST /v1/projections/{name}/versions`: a version from modules that were uploaded before, or straight from a
//! projector's Wasm; or, as a dry run, what that would come to.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use kinora_api::headers;
use kinora_api::modules::WasmBytes;
use kinora_api::rollouts as api;
use kinora_api::versions::Version;
use kinora_projection::{Deploy, Gates, Line, Projections, Start};
use kinora_types::{Budget, Micros, Position};

use crate::edge::budget::LongWork;
use crate::edge::change::Change;
use crate::edge::parameters;
use crate::edge::parameters::{Path, invalid};
use crate::edge::problem::Problem;
use crate::host::blocking;
use crate::problems::operations;
use crate::wire::{rollouts, versions};

const BODY_HINT: &str = "send {\"module\": digest, \"upcasters\": [digest], \"promote\": \"manual\" | \"when_ready\", \
    \"gates\": {...}, \"start\": \"beginning\" | {\"position\": n} | {\"time\": t}, \"continue_from\": version, \
    \"skips_of\": version, \"expected_live\": version, \"dry_run\": true}, or Wasm as application/wasm";

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
    LongWork(work): LongWork,
    Path(name): Path<String>,
    query: Result<Query<api::DeployWasm>, QueryRejection>,
    asked: Change,
) -> Result<Response, Problem> {
    let (deploy, expected_live, dry_run) = if asked.is_wasm {
        let parameters = query.map_err(|cause| invalid(cause.body_text()))?;
        let Query(api::DeployWasm { promote, continue_from, skips_of, expected_live }) = parameters;
        let (status, _) = projections.modules().upload(asked.body.to_vec()).await?;
        let (promote, gates) = (rollouts::promote_in(promote), Gates::default());
        let (module, upcasters, start) = (status.digest, Vec::new(), Start::Beginning);
        let deploy = Deploy { module, upcasters, promote, gates, start, continue_from, skips_of };
        (deploy, expected_live, false)
    } else {
        let deploy: api::Deploy = parameters::json(&asked.body, BODY_HINT)?;
        let api::Deploy { module, upcasters, continue_from, skips_of, expected_live, dry_run, .. } = deploy;
        let (promote, gates) = (rollouts::promote_in(deploy.promote), rollouts::gates_in(deploy.gates));
        let start = start(deploy.start)?;
        let deploy = Deploy { module, upcasters, promote, gates, start, continue_from, skips_of };
        (deploy, expected_live, dry_run)
    };
    if dry_run {
        projections.deployments().settled(&deploy).await?;
        let run = move |budget: &Budget| projections.deployments().preflight(&name, &deploy, budget);
        let preflight = work.run_in(Line::Comparisons, run).await?;
        return Ok(Json(rollouts::preflight(preflight)).into_response());
    }
    let (deploying, request) = (Arc::clone(&projections), asked.expecting(expected_live));
    let status = blocking(move || deploying.deployments().deploy(&name, deploy, &request)).await?;
    projections.recorded().await;
    Ok((StatusCode::ACCEPTED, Json(versions::version(status))).into_response())
}
