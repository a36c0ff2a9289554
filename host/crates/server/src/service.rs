//! The service: all routes of a host.

use std::convert::Infallible;
use std::fmt::Write;
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{Json, Response};
use axum::routing::{get, post};
use serde_json::value::RawValue;
use tower_service::Service;

use kinora_engine::backup::Backups;
use kinora_engine::limits::Limits;
use kinora_log::Log;
use kinora_projection::Projections;
use kinora_readmodel::Budget;

use crate::edge::problem::Problem;
use crate::edge::{around, backups, health, large};
use crate::projections::{deploy, diff, diff_rows, faults, history, modules, rollouts, upcasters, verify};
use crate::query;
use crate::read::{events as read, stats};
use crate::write::{append, claims, direct};

/// JSON takes more room than the data within it: names, ids, tags.
const BODY_BYTES_PER_DATA_BYTE: usize = 2;

/// The description of all routes; a test holds it against them.
const OPENAPI: &str = include_str!("openapi.json");

/// What the handlers work on.
#[derive(Clone)]
pub(crate) struct Host(Arc<Parts>);

/// They are behind one pointer, since a host is cloned for each request and each layer that it goes through.
pub(crate) struct Parts {
    pub(crate) log: Log,
    pub(crate) projections: Arc<Projections>,
    /// `None`: this host makes none.
    pub(crate) backups: Option<Arc<Backups>>,
    pub(crate) requests: health::Requests,
    pub(crate) limits: Limits,
    pub(crate) bodies: large::Bodies,
}

impl Deref for Host {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<Host> for Log {
    fn from_ref(host: &Host) -> Self {
        host.log.clone()
    }
}

impl FromRef<Host> for Arc<Projections> {
    fn from_ref(host: &Host) -> Self {
        Arc::clone(&host.projections)
    }
}

/// The route that is asked most often.
pub(crate) const APPEND: &str = "/v1/streams/{stream}/events";

/// All that a host answers.
pub fn service(
    log: Log,
    projections: Arc<Projections>,
    backups: Option<Arc<Backups>>,
    limits: Limits,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static {
    let body_bytes = log.limits().request_bytes.saturating_mul(BODY_BYTES_PER_DATA_BYTE);
    // A byte more than the limit, so that the limit itself can say no, with its figures.
    let module_bytes = projections.modules().limits().module_bytes.saturating_add(1);
    let deployment = post(deploy::deploy).layer(DefaultBodyLimit::max(module_bytes));
    let upload = get(modules::list).post(modules::upload).layer(DefaultBodyLimit::max(module_bytes));
    let bodies = large::Bodies::new(body_bytes.max(module_bytes));
    let requests = health::Requests::default();
    let host = Host(Arc::new(Parts { log, projections, backups, requests, limits, bodies }));
    let routes = Router::new()
        .route(APPEND, post(append::to_stream).get(read::stream))
        .route("/v1/transactions", post(append::transaction))
        .route("/v1/claims/{scope}/{value}", get(claims::show))
        .route("/v1/events", get(read::all))
        .route("/v1/log", get(stats::show))
        .route("/v1/backups", get(backups::list).post(backups::create))
        .route("/v1/modules", upload)
        .route("/v1/modules/{digest}", get(modules::show).delete(modules::remove))
        .route("/v1/modules/{digest}/uses", get(upcasters::uses))
        .route("/v1/upcasters/dry-run", post(upcasters::dry_run))
        .route("/v1/upcasters/follow", post(upcasters::follow))
        .route("/v1/projections", get(rollouts::list))
        .route("/v1/projections/{name}", get(rollouts::show).patch(rollouts::set))
        .route("/v1/projections/{name}/history", get(history::show))
        .route("/v1/projections/{name}/versions", deployment)
        .route("/v1/projections/{name}/versions/{version}", get(rollouts::show_version))
        .route("/v1/projections/{name}/versions/{version}/promote", post(rollouts::promote))
        .route("/v1/projections/{name}/versions/{version}/gates", get(rollouts::gates))
        .route("/v1/projections/{name}/versions/{version}/review", post(rollouts::review))
        .route("/v1/projections/{name}/versions/{version}/retry", post(rollouts::retry))
        .route("/v1/projections/{name}/versions/{version}/abort", post(rollouts::abort))
        .route("/v1/projections/{name}/versions/{version}/pause", post(rollouts::pause))
        .route("/v1/projections/{name}/versions/{version}/resume", post(rollouts::resume))
        .route("/v1/projections/{name}/versions/{version}/retire", post(rollouts::retire))
        .route("/v1/projections/{name}/versions/{version}/reproduction", get(faults::reproduction))
        .route("/v1/projections/{name}/versions/{version}/skip", post(faults::skip))
        .route("/v1/projections/{name}/versions/{version}/digest", get(verify::digest))
        .route("/v1/projections/{name}/versions/{version}/verification", get(verify::verification))
        .route("/v1/projections/{name}/rollback", post(rollouts::rollback))
        .route("/v1/projections/{name}/diff", get(diff::diff))
        .route("/v1/projections/{name}/diff/rows", get(diff_rows::rows))
        .route("/v1/projections/{name}/diff/events", get(diff::events))
        .route("/v1/read-models/{name}", get(query::model::model))
        .route("/v1/read-models/{name}/queries/{query}", get(query::model::named))
        .route("/v1/read-models/{name}/{table}", get(query::list::list))
        .route("/v1/read-models/{name}/{table}/{*key}", get(query::model::row))
        .route("/v1/limits", get(show_limits))
        .route("/healthz", get(|| async { Json(serde_json::json!({"status": "ok"})) }))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) }))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(around::Around { host: host.clone(), body_bytes })
        .with_state(host.clone());
    direct::Direct { host, routes }
}

async fn show_limits(State(host): State<Host>) -> Json<serde_json::Value> {
    let Limits { log, sandbox, queries, projections } = &host.limits;
    Json(serde_json::json!({
        "log": log,
        "bodies": {"bytes_at_once": large::BODIES_BYTES},
        "sandbox": sandbox,
        "queries": queries,
        "budget": Budget::default(),
        "projections": projections,
    }))
}

/// Runs what may wait for a disk or a thread where that holds up nobody.
pub(crate) async fn blocking<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(cause) => Err(Problem::new(500, "internal", format!("the work did not end: {cause}"))),
    }
}

/// Whether the client wants to follow rather than to look.
pub(crate) fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// A text that mostly has no more than so many bytes: it does not grow piece by piece, as with `format!`.
pub(crate) fn written(bytes: usize, text: std::fmt::Arguments<'_>) -> String {
    let mut out = String::with_capacity(bytes);
    // A string takes everything.
    let _ = out.write_fmt(text);
    out
}

/// JSON text that has been checked when it was written.
pub(crate) fn raw(text: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(text).map_err(|cause| Problem::new(500, "internal", format!("a row is damaged: {cause}")))
}

async fn unknown_route(uri: Uri) -> Problem {
    Problem::new(404, "unknown-route", format!("there is nothing at {}", uri.path()))
        .hint("the routes are listed in host/docs/http.md, and described at /openapi.json")
}

async fn wrong_method(uri: Uri) -> Problem {
    Problem::new(405, "wrong-method", format!("{} does not take this method", uri.path()))
        .hint("the routes are listed in host/docs/http.md, and described at /openapi.json")
}
