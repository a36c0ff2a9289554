//! The log over HTTP: JSON in and out, Server-Sent Events to follow, errors as RFC 9457 problems.
//!
//! This module never touches RocksDB: it parses, calls the log, and formats.

mod append;
mod problem;
mod read;
mod subscribe;
mod wire;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::Uri;
use axum::response::Json;
use axum::routing::{get, post};

use crate::log::Log;

use problem::Problem;

/// JSON takes more room than the data within it: names, ids, tags.
const BODY_BYTES_PER_DATA_BYTE: usize = 2;

/// All routes.
pub fn router(log: Log) -> Router {
    let body_bytes = log.limits().request_bytes.saturating_mul(BODY_BYTES_PER_DATA_BYTE);
    Router::new()
        .route("/v1/streams/{stream}/events", post(append::to_stream).get(read::stream))
        .route("/v1/transactions", post(append::transaction))
        .route("/v1/events", get(read::all))
        .route("/v1/limits", get(limits))
        .route("/healthz", get(|| async { Json(serde_json::json!({"status": "ok"})) }))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(body_bytes))
        .with_state(log)
}

async fn limits(State(log): State<Log>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "log": log.limits() }))
}

async fn unknown_route(uri: Uri) -> Problem {
    Problem::new(404, "unknown-route", format!("there is nothing at {}", uri.path()))
        .hint("the routes are listed in the README, under HTTP")
}

async fn wrong_method(uri: Uri) -> Problem {
    Problem::new(405, "wrong-method", format!("{} does not take this method", uri.path()))
        .hint("the routes are listed in the README, under HTTP")
}
