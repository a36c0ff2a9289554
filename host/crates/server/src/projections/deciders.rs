//! Versions of deciders: what they do, and which of them decides.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Json, Response};

use kinora_api::deciders as api;
use kinora_api::events::EventPage;
use kinora_api::projections::ReadHistory;
use kinora_api::{Kind, headers, rollouts};
use kinora_decision::{Accepted, Deciders, Deploy, Error, Status, control_stream};
use kinora_log::Log;
use kinora_projection::Line;

use crate::edge::budget::{LongWork, Work};
use crate::edge::change::Change;
use crate::edge::parameters;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::problems::operations;
use crate::wire::decisions as wire;

/// Goes on with a change to its end, also if whoever asked for it is gone: half of one would leave what is in memory
/// behind what is in the log.
pub async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(change).await {
        Ok(done) => done.map_err(Into::into),
        Err(cause) => Err(Problem::new(Kind::Internal, format!("the change did not end: {cause}"))),
    }
}

/// A change to its end, and what the decider is then.
async fn changed(
    change: impl Future<Output = Result<Status, Error>> + Send + 'static,
) -> Result<Json<api::Decider>, Problem> {
    to_its_end(change).await.map(wire::decider).map(Json)
}

/// All deciders
#[utoipa::path(
    get, path = "/v1/deciders", tag = "deciders", operation_id = "list_deciders",
    responses((status = 200, description = "By name", body = api::Deciders), operations::ListDeciders)
)]
pub async fn list(State(deciders): State<Arc<Deciders>>) -> Json<api::Deciders> {
    Json(api::Deciders { deciders: deciders.list().into_iter().map(wire::decider).collect() })
}

/// A decider, with its versions
#[utoipa::path(
    get, path = "/v1/deciders/{name}", tag = "deciders", operation_id = "decider",
    params(("name" = String, Path, description = "The decider")),
    responses((status = 200, description = "As it is", body = api::Decider), operations::Decider)
)]
pub async fn show(
    State(deciders): State<Arc<Deciders>>,
    Path(name): Path<String>,
) -> Result<Json<api::Decider>, Problem> {
    Ok(Json(wire::decider(deciders.status(&name)?)))
}

/// Deploy a version, which proves itself before it can decide
#[utoipa::path(
    post, path = "/v1/deciders/{name}/versions", tag = "deciders", operation_id = "deploy_decider",
    params(("name" = String, Path, description = "The decider"), headers::By),
    request_body = api::DeployDecider,
    responses((status = 202, description = "It proves itself", body = api::Decider), operations::DeployDecider)
)]
pub async fn deploy(
    State(deciders): State<Arc<Deciders>>,
    Path(name): Path<String>,
    asked: Change,
) -> Result<(StatusCode, Json<api::Decider>), Problem> {
    let hint = r#"send {"module": DIGEST, "upcasters": [DIGEST, ...], "owns": true}"#;
    let api::DeployDecider { module, upcasters, owns } = parameters::json(&asked.body, hint)?;
    let deployed = changed(async move {
        deciders.deploy(&name, Deploy { module, upcasters, owns }, &asked.by).await?;
        deciders.status(&name)
    });
    Ok((StatusCode::ACCEPTED, deployed.await?))
}

/// What a promotion of a version would ask, as it is now
#[utoipa::path(
    get, path = "/v1/deciders/{name}/versions/{version}/gates", tag = "deciders", operation_id = "decider_gates",
    params(
        ("name" = String, Path, description = "The decider"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
    ),
    responses((status = 200, description = "Each gate", body = api::DeciderChecklist), operations::DeciderGates)
)]
pub async fn gates(
    State(deciders): State<Arc<Deciders>>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<api::DeciderChecklist>, Problem> {
    let version = parameters::version(&version)?;
    let found = deciders.gates(&name, version).await?;
    Ok(Json(wire::checklist(name, version, found)))
}

/// Have a version decide, from the next command on
#[utoipa::path(
    post, path = "/v1/deciders/{name}/promote", tag = "deciders", operation_id = "promote_decider",
    params(("name" = String, Path, description = "The decider"), headers::By),
    request_body = api::PromoteDecider,
    responses((status = 200, description = "As it is then", body = api::Decider), operations::PromoteDecider)
)]
pub async fn promote(
    State(deciders): State<Arc<Deciders>>,
    Path(name): Path<String>,
    asked: Change,
) -> Result<Json<api::Decider>, Problem> {
    let hint = r#"send {"version": NUMBER, "expected_live": NUMBER, "accept_differences": true}"#;
    let promote: api::PromoteDecider = parameters::json(&asked.body, hint)?;
    let api::PromoteDecider { version, expected_live, accept_differences, accept_stops, accept_one_way } = promote;
    let accepted = Accepted { differences: accept_differences, stops: accept_stops, one_way: accept_one_way };
    changed(async move {
        deciders.promote(&name, version, expected_live, accepted, &asked.by).await?;
        deciders.status(&name)
    })
    .await
}

/// Have the version decide that did before
#[utoipa::path(
    post, path = "/v1/deciders/{name}/rollback", tag = "deciders", operation_id = "roll_back_decider",
    params(("name" = String, Path, description = "The decider"), headers::By),
    request_body = Option<rollouts::Change>,
    responses((status = 200, description = "As it is then", body = api::Decider), operations::RollBackDecider)
)]
pub async fn roll_back(
    State(deciders): State<Arc<Deciders>>,
    Path(name): Path<String>,
    asked: Change,
) -> Result<Json<api::Decider>, Problem> {
    let rollouts::Change { expected_live } = asked.optional(r#"send nothing, or {"expected_live": NUMBER}"#)?;
    changed(async move {
        deciders.roll_back(&name, expected_live, &asked.by).await?;
        deciders.status(&name)
    })
    .await
}

/// Give a version up
#[utoipa::path(
    post, path = "/v1/deciders/{name}/retire", tag = "deciders", operation_id = "retire_decider",
    params(("name" = String, Path, description = "The decider"), headers::By),
    request_body = api::RetireDecider,
    responses((status = 200, description = "As it is then", body = api::Decider), operations::RetireDecider)
)]
pub async fn retire(
    State(deciders): State<Arc<Deciders>>,
    Path(name): Path<String>,
    asked: Change,
) -> Result<Json<api::Decider>, Problem> {
    let api::RetireDecider { version } = parameters::json(&asked.body, r#"send {"version": NUMBER}"#)?;
    changed(async move {
        deciders.retire(&name, version, &asked.by).await?;
        deciders.status(&name)
    })
    .await
}

/// Decide every recorded command again, each by the version of that time
#[utoipa::path(
    post, path = "/v1/deciders/{name}/audit", tag = "deciders", operation_id = "audit_decider",
    params(("name" = String, Path, description = "The decider")),
    responses((status = 200, description = "What came of it", body = api::DecisionReport), operations::AuditDecider)
)]
pub async fn audit(
    State(deciders): State<Arc<Deciders>>,
    LongWork(work): LongWork,
    Path(name): Path<String>,
) -> Result<Json<api::DecisionReport>, Problem> {
    let audit = deciders.audit(&name).await?;
    let report = work.run_in(Line::Comparisons, audit).await?;
    Ok(Json(wire::report(report)))
}

/// Commands that were rejected lately
#[utoipa::path(
    get, path = "/v1/deciders/{name}/rejections", tag = "deciders", operation_id = "rejections",
    params(("name" = String, Path, description = "The decider")),
    responses((status = 200, description = "The last one first", body = api::Rejections), operations::Rejections)
)]
pub async fn rejections(
    State(deciders): State<Arc<Deciders>>,
    Path(name): Path<String>,
) -> Result<Json<api::Rejections>, Problem> {
    wire::rejections(&deciders.rejections(&name)?).map(Json)
}

/// What happened to a decider, and who did it
#[utoipa::path(
    get, path = "/v1/deciders/{name}/history", tag = "deciders", operation_id = "decider_history",
    params(("name" = String, Path, description = "The decider"), ReadHistory, headers::Known),
    responses(
        (status = 200, description = "A page of the history", body = EventPage),
        (status = 304, description = "The page has not changed"),
        operations::DeciderHistory,
    )
)]
pub async fn history(
    State(log): State<Log>,
    State(deciders): State<Arc<Deciders>>,
    work: Work,
    Path(name): Path<String>,
    parameters: Result<Query<ReadHistory>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(asked) = parameters.map_err(|cause| parameters::invalid(cause.body_text()))?;
    deciders.status(&name)?;
    let url = format!("/v1/deciders/{name}/history");
    crate::projections::history::history(log, work, control_stream(&name)?, asked, &url, &headers).await
}
