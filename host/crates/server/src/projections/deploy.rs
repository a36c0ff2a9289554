//! `POST /v1/projections/{name}/versions`: a version from modules that were uploaded before, or straight from a projector's
//! Wasm; or, as a dry run, what that would come to.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use jiff::Timestamp;
use serde::Deserialize;

use kinora_projection::{Deploy, Gates, Projections, Promote, Start};
use kinora_types::Digest;
use kinora_types::{Micros, Position};

use crate::edge::actor::by;
use crate::edge::problem::Problem;
use crate::projections::rollouts::invalid;
use crate::service::blocking;

const BODY_HINT: &str = r#"send {"module": digest, "upcasters": [digest], "promote": "manual" | "when_ready", "gates": {...}, "start": "beginning" | {"position": n} | {"time": t}, "continue_from": version, "dry_run": true}, or Wasm as application/wasm"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployIn {
    module: Digest,
    #[serde(default)]
    upcasters: Vec<Digest>,
    #[serde(default)]
    promote: Promote,
    #[serde(default)]
    gates: Gates,
    #[serde(default)]
    start: StartIn,
    continue_from: Option<u32>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum StartIn {
    #[default]
    Beginning,
    Position(u64),
    Time(Timestamp),
}

impl TryFrom<StartIn> for Start {
    type Error = Problem;

    fn try_from(start: StartIn) -> Result<Self, Problem> {
        Ok(match start {
            StartIn::Beginning => Self::Beginning,
            StartIn::Position(position) => Self::Position(Position(position)),
            StartIn::Time(time) => {
                let micros = Micros::not_before(time);
                Self::Time(micros.ok_or_else(|| invalid(format!("there was no log at {time}")))?)
            }
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployParameters {
    #[serde(default)]
    promote: Promote,
    continue_from: Option<u32>,
}

pub async fn deploy(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    parameters: Result<Query<DeployParameters>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (body, by) = (body?, by(&headers)?);
    let is_wasm = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/wasm");
    let (deploy, dry_run) = if is_wasm {
        let parameters = parameters.map_err(|cause| invalid(cause.body_text()))?;
        let (status, _) = projections.modules().upload(body.to_vec()).await?;
        let (module, promote) = (status.digest, parameters.promote);
        let continue_from = parameters.continue_from;
        let (gates, start) = (Gates::default(), Start::Beginning);
        (Deploy { module, upcasters: Vec::new(), promote, gates, start, continue_from }, false)
    } else {
        let DeployIn { module, upcasters, promote, gates, start, continue_from, dry_run } =
            serde_json::from_slice(&body).map_err(|cause| {
                Problem::new(400, "invalid-json", format!("the body cannot be read: {cause}")).hint(BODY_HINT)
            })?;
        (Deploy { module, upcasters, promote, gates, start: start.try_into()?, continue_from }, dry_run)
    };
    if dry_run {
        projections.deployments().settled(&deploy).await?;
        let preflight = blocking(move || projections.deployments().preflight(&name, &deploy)).await?;
        return Ok(Json(preflight).into_response());
    }
    let deploying = Arc::clone(&projections);
    let status = blocking(move || deploying.deployments().deploy(&name, deploy, &by)).await?;
    projections.recorded().await;
    Ok((StatusCode::ACCEPTED, Json(status)).into_response())
}
