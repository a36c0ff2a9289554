//! The limit of HTTP: a server of the same kind whose handler parses the same body, and does nothing with it.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// This program is started again with this argument to be the server.
pub const SERVER: &str = "--bare-server";

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Box<RawValue>,
}

async fn append(Path(stream): Path<String>, body: Bytes) -> Result<(StatusCode, Json<Value>), StatusCode> {
    let event: Event = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let bytes = stream.len() + event.kind.len() + event.data.get().len();
    let answer = json!({"first_position": bytes, "last_position": bytes, "revision": 0, "duplicate": false, "durability": "sync"});
    Ok((StatusCode::CREATED, Json(answer)))
}

pub async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    axum::serve(listener, Router::new().route("/v1/streams/{stream}/events", post(append))).await.unwrap();
}
