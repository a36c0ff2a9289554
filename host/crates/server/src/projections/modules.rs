//! `/v1/modules`: uploading components, and what became of them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::Serialize;
use serde_json::Value;

use kinora_projection::Projections;
use kinora_sandbox::{Manifest, ModuleState, Status};
use kinora_types::Digest;

use crate::edge::problem::Problem;

#[derive(Serialize)]
pub struct ModuleOut {
    digest: Digest,
    state: &'static str,
    kind: &'static str,
    /// Bytes that were uploaded.
    bytes: u64,
    compiling_for_ms: Option<u64>,
    compile_ms: Option<u64>,
    error: Option<Value>,
    manifest: Option<Manifest>,
}

impl From<Status> for ModuleOut {
    fn from(status: Status) -> Self {
        let manifest = status.manifest();
        let mut out = Self {
            digest: status.digest,
            state: "compiling",
            kind: status.kind.as_str(),
            bytes: status.bytes,
            compiling_for_ms: None,
            compile_ms: None,
            error: None,
            manifest,
        };
        match status.state {
            ModuleState::Compiling { since } => {
                out.compiling_for_ms = Some(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
            }
            ModuleState::Ready { compile_ms, .. } => {
                out.state = "ready";
                out.compile_ms = Some(compile_ms);
            }
            ModuleState::Refused(error) => {
                out.state = "refused";
                out.error = Some(Problem::from(error).into_json());
            }
        }
        out
    }
}

/// 201 for a new module, 200 for a known one. It compiles in the background: poll its digest.
pub async fn upload(
    State(projections): State<Arc<Projections>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ModuleOut>), Problem> {
    let (status, new) = projections.modules().upload(body?.to_vec()).await?;
    let code = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((code, Json(status.into())))
}

#[derive(Serialize)]
pub struct ModulesOut {
    modules: Vec<ModuleOut>,
}

pub async fn list(State(projections): State<Arc<Projections>>) -> Json<ModulesOut> {
    Json(ModulesOut { modules: projections.modules().list().into_iter().map(ModuleOut::from).collect() })
}

pub async fn show(
    State(projections): State<Arc<Projections>>,
    Path(digest): Path<String>,
) -> Result<Json<ModuleOut>, Problem> {
    let digest = parse(&digest)?;
    let status = projections.modules().status(digest).ok_or(kinora_sandbox::Error::Unknown(digest))?;
    Ok(Json(status.into()))
}

pub async fn remove(
    State(projections): State<Arc<Projections>>,
    Path(digest): Path<String>,
) -> Result<StatusCode, Problem> {
    let digest = parse(&digest)?;
    crate::service::blocking(move || projections.deployments().remove_module(digest)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub fn parse(digest: &str) -> Result<Digest, Problem> {
    digest.parse().map_err(|cause: kinora_types::InvalidDigest| {
        Problem::new(400, "invalid-digest", cause.to_string()).hint("an upload answers with the module's digest")
    })
}
