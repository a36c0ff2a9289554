//! A bare server: axum with handlers that do nothing, under the same attacks. What others notice there is what the
//! attack itself costs on this machine.

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::get;

/// What this program is started with to be it.
pub const ARGUMENT: &str = "--bare";

/// As much as the host takes.
const BODY_BYTES: usize = 32 << 20;

pub async fn serve() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/healthz", get(|| async { "{}" }))
        .fallback(|body: Bytes| async move {
            let status = if body.is_empty() { StatusCode::OK } else { StatusCode::CREATED };
            (status, "{}")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES));
    axum::serve(listener, routes).await.unwrap();
}
