//! Floods of requests that are cheap one by one, as fast as the host answers them, several at a time on a connection.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::target::{CLIENT, Target};

const CONNECTIONS: usize = 64;

/// Requests that are sent before the first of them is answered.
const AHEAD: usize = 16;

/// As long as a key may be.
const KEY_BYTES: usize = 256;

/// What each answer begins with.
const ANSWER: &[u8] = b"HTTP/1.1 ";

const PAUSE: Duration = Duration::from_millis(100);

pub async fn of_questions(target: Target) {
    let ask = |number: usize| {
        let paths = ["/healthz".to_owned(), format!("/v1/read-models/things/things/thing-{number}")];
        move |n: u64| {
            let path = &paths[usize::from(!n.is_multiple_of(4))];
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nkinora-client: {CLIENT}\r\n\r\n")
        }
    };
    join_all((0..CONNECTIONS).map(|number| flood(target.clone(), number, ask(number)))).await;
}

pub async fn of_appends(target: Target) {
    let append = |number: usize| move |n: u64| appended(number, n, "");
    join_all((0..CONNECTIONS).map(|number| flood(target.clone(), number, append(number)))).await;
}

/// Appends, each with a key that nobody has used before and that the host has to remember.
pub async fn of_keys(target: Target) {
    let append = |number: usize| {
        move |n: u64| {
            let key = format!("{number}-{n}-{}-", std::process::id());
            let key = format!("{key}{}", "k".repeat(KEY_BYTES - key.len()));
            appended(number, n, &format!("idempotency-key: {key}\r\n"))
        }
    };
    join_all((0..CONNECTIONS).map(|number| flood(target.clone(), number, append(number)))).await;
}

fn appended(number: usize, n: u64, header: &str) -> String {
    let body = format!(r#"{{"type":"Noted","data":{{"n":{n}}}}}"#);
    format!(
        "POST /v1/streams/flood-{number}/events HTTP/1.1\r\nhost: localhost\r\nkinora-client: {CLIENT}\r\n{header}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn flood(target: Target, number: usize, request: impl Fn(u64) -> String) {
    let (mut asked, mut answers) = (0, vec![0; 64 << 10]);
    loop {
        let Ok(mut stream) = target.connect(number).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        loop {
            let requests: String = (asked..asked + AHEAD as u64).map(&request).collect();
            asked += AHEAD as u64;
            if stream.write_all(requests.as_bytes()).await.is_err() {
                break;
            }
            let (mut answered, mut kept) = (0, 0);
            while answered < AHEAD {
                let Ok(read @ 1..) = stream.read(&mut answers[kept..]).await else { break };
                let found = &answers[..kept + read];
                answered += found.windows(ANSWER.len()).filter(|window| *window == ANSWER).count();
                // The beginning of one may be at the end of this.
                let rest = found.len().saturating_sub(ANSWER.len() - 1);
                kept = found.len() - rest;
                answers.copy_within(rest..rest + kept, 0);
            }
            target.did("requests", answered as u64);
            if answered < AHEAD {
                break;
            }
        }
    }
}
