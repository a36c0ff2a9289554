//! Bodies: those that say from the start that they are too large, and how much of them is in memory at once.
//!
//! A client mostly looks for an answer once it has sent everything. If the host answered and closed the connection before,
//! the client would see a broken pipe and not the reason. So the body is heard out, and thrown away.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::json;
use tokio::sync::Semaphore;

use super::problem::Problem;

/// How long a body that is thrown away may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a body waits for the memory that it needs. Those that wait are served in turn.
const WAIT: Duration = Duration::from_secs(1);

/// Bytes of all bodies that are read and worked on at once.
pub const BODIES_BYTES: usize = 256 << 20;

/// A permit stands for so many bytes: a semaphore counts in 32 bits.
const PERMIT_BYTES: usize = 1 << 10;

pub struct Bodies {
    /// Bytes that one body may have.
    limit: usize,
    permits: Semaphore,
}

impl Bodies {
    pub fn new(limit: usize) -> Self {
        Self { limit, permits: Semaphore::new(BODIES_BYTES.max(limit) / PERMIT_BYTES) }
    }
}

/// Passes a request on once there is room for its body.
pub async fn bound(bodies: &Bodies, request: Request, next: Next) -> Response {
    if *request.method() == Method::GET {
        return next.run(request).await;
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(actual) = length.filter(|length: &usize| *length > bodies.limit) {
        hear_out(request).await;
        return Problem::new(413, "too-large", format!("the body has {actual} bytes, the limit is {}", bodies.limit))
            .hint("send less at a time; all limits are at /v1/limits")
            .with("limit", json!(bodies.limit))
            .with("actual", json!(actual))
            .into_response();
    }
    // One that does not say how long it is may be as long as any.
    let permits = u32::try_from(length.unwrap_or(bodies.limit) / PERMIT_BYTES).unwrap_or(u32::MAX);
    if permits == 0 {
        return next.run(request).await;
    }
    match tokio::time::timeout(WAIT, bodies.permits.acquire_many(permits)).await {
        Ok(_room) => next.run(request).await,
        Err(_) => {
            hear_out(request).await;
            Problem::new(503, "busy", "the bodies of other requests fill the memory that there is for them")
                .hint("try again a little later")
                .into_response()
        }
    }
}

async fn hear_out(request: Request) {
    let mut body = request.into_body().into_data_stream();
    let heard_out = async { while let Some(Ok(_)) = body.next().await {} };
    let _ = tokio::time::timeout(PATIENCE, heard_out).await;
}
