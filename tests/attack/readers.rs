//! Readers that ask for everything and read nothing.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::AsyncWriteExt;

use crate::target::Target;

/// Beyond 512 threads, which is what a runtime has for work that waits, if each took one.
const OF_LINES: usize = 700;

/// As many as may follow.
const OF_MESSAGES: usize = 1_000;

const PAUSE: Duration = Duration::from_secs(1);

/// All events as lines.
pub async fn of_lines(target: Target) {
    let ask = |number| deaf(target.clone(), number, "/v1/events", "application/x-ndjson");
    join_all((0..OF_LINES).map(ask)).await;
}

/// Events and rows as they come.
pub async fn of_messages(target: Target) {
    let paths = ["/v1/events", "/v1/read-models/things/things", "/v1/events?types=Noted"];
    let ask = |number: usize| deaf(target.clone(), number, paths[number % paths.len()], "text/event-stream");
    join_all((0..OF_MESSAGES).map(ask)).await;
}

async fn deaf(target: Target, number: usize, path: &'static str, accept: &'static str) {
    let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\n\r\n");
    loop {
        if let Ok(mut stream) = target.connect_deaf(number).await
            && stream.write_all(ask.as_bytes()).await.is_ok()
            && target.answered(&mut stream).await
        {
            // What it was sent lies where it is until the host has had enough.
            while stream.write_all(b"\r\n").await.is_ok() {
                tokio::time::sleep(PAUSE).await;
            }
            target.did("ended by the host", 1);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
