//! The limit of HTTP: a server of the same kind whose handler parses the same body, and does nothing with it; and the
//! limit of HTTP and the disk, one after the other: a handler that also commits it to RocksDB by itself, synced.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::extract::{Path, State};
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
    let answer = json!({
        "first_position": bytes, "last_position": bytes, "revision": 0, "duplicate": false, "durability": "sync"
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

async fn commit(
    State(db): State<Arc<rocksdb::DB>>,
    path: Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    static COMMITS: AtomicU64 = AtomicU64::new(0);
    static SYNCED: LazyLock<rocksdb::WriteOptions> = LazyLock::new(|| {
        let mut options = rocksdb::WriteOptions::default();
        options.set_sync(true);
        options
    });
    let key = COMMITS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    db.put_opt(key, &body, &SYNCED).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    append(path, body).await
}

pub async fn serve() {
    let dir = tempfile::tempdir().unwrap();
    let options = kinora_storage::Storage::default().database_options(dir.path());
    let db = Arc::new(rocksdb::DB::open(&options, dir.path()).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/v1/streams/{stream}/events", post(append))
        .route("/v1/streams/{stream}/commits", post(commit))
        .with_state(db);
    axum::serve(listener, router).await.unwrap();
}
