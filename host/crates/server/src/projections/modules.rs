//! `/v1/modules`: uploading components, and what became of them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Json;
use kinora_api::modules as api;
use kinora_decision::Deciders;
use kinora_projection::Projections;
use kinora_sandbox::Error;

use crate::edge::parameters;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::host::blocking;
use crate::problems::operations;
use crate::wire::decisions;
use crate::wire::modules::{module, used};

/// Upload a core module or a component; it compiles in the background
///
/// Poll its digest.
#[utoipa::path(
    post, path = "/v1/modules", tag = "modules", operation_id = "upload_module",
    request_body(content = api::WasmBytes, content_type = "application/wasm"),
    responses(
        (status = 200, description = "A known module", body = api::Module),
        (status = 201, description = "A new module", body = api::Module),
        operations::UploadModule,
    )
)]
pub async fn upload(
    State(projections): State<Arc<Projections>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<api::Module>), Problem> {
    let (status, new) = projections.modules().upload(body?.into()).await?;
    let code = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((code, Json(module(status))))
}

/// All modules
#[utoipa::path(
    get, path = "/v1/modules", tag = "modules", operation_id = "list_modules",
    responses((status = 200, description = "Modules", body = api::Modules), operations::ListModules)
)]
pub async fn list(State(projections): State<Arc<Projections>>) -> Json<api::Modules> {
    Json(api::Modules { modules: projections.modules().list().into_iter().map(module).collect() })
}

/// Where a module stands
#[utoipa::path(
    get, path = "/v1/modules/{digest}", tag = "modules", operation_id = "module",
    params(("digest" = String, Path, description = "Its SHA-256")),
    responses((status = 200, description = "The module", body = api::Module), operations::Module)
)]
pub async fn show(
    State(projections): State<Arc<Projections>>,
    Path(digest): Path<String>,
) -> Result<Json<api::Module>, Problem> {
    let digest = parameters::digest(&digest)?;
    let status = projections.modules().status(digest).ok_or(Error::Unknown(digest))?;
    Ok(Json(module(status)))
}

/// Delete a module that no version uses
#[utoipa::path(
    delete, path = "/v1/modules/{digest}", tag = "modules", operation_id = "delete_module",
    params(("digest" = String, Path, description = "Its SHA-256")),
    responses((status = 204, description = "It is gone"), operations::DeleteModule)
)]
pub async fn remove(
    State(projections): State<Arc<Projections>>,
    State(deciders): State<Arc<Deciders>>,
    Path(digest): Path<String>,
) -> Result<StatusCode, Problem> {
    let digest = parameters::digest(&digest)?;
    let remove = move || projections.deployments().remove_module(digest).map_err(Problem::from);
    blocking(move || deciders.remove_module(digest, remove)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The versions that a module is part of
#[utoipa::path(
    get, path = "/v1/modules/{digest}/uses", tag = "modules", operation_id = "module_uses",
    params(("digest" = String, Path, description = "Its SHA-256")),
    responses((status = 200, description = "The versions", body = api::Uses), operations::ModuleUses)
)]
pub async fn uses(
    State(projections): State<Arc<Projections>>,
    State(deciders): State<Arc<Deciders>>,
    Path(digest): Path<String>,
) -> Result<Json<api::Uses>, Problem> {
    let digest = parameters::digest(&digest)?;
    projections.modules().status(digest).ok_or(Error::Unknown(digest))?;
    let uses = projections.upcasters().uses(digest)?.into_iter().map(used).collect();
    Ok(Json(api::Uses { uses, deciders: deciders.uses(digest).into_iter().map(decisions::used).collect() }))
}
