//! Bodies that say from the start that they are too large.
//!
//! A client mostly looks for an answer once it has sent everything. If the host answered and closed the connection before,
//! the client would see a broken pipe and not the reason. So the body is heard out, and thrown away.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::json;

use super::problem::Problem;

/// How long a body that is thrown away may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn refuse(State(limit): State<usize>, request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let Some(actual) = length.filter(|length: &usize| *length > limit) else { return next.run(request).await };
    let mut body = request.into_body().into_data_stream();
    let heard_out = async { while let Some(Ok(_)) = body.next().await {} };
    let _ = tokio::time::timeout(PATIENCE, heard_out).await;
    Problem::new(413, "too-large", format!("the body has {actual} bytes, the limit is {limit}"))
        .hint("send less at a time; all limits are at /v1/limits")
        .with("limit", json!(limit))
        .with("actual", json!(actual))
        .into_response()
}
