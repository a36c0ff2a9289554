//! A well-behaved client: one request after the other, with a pause between them, and how long each took.

use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode};

/// What it asks for by turns.
pub const ASKED: [&str; 4] = ["append", "query", "append of 16 KiB", "healthz of operators"];

/// Between two rounds of requests.
const PAUSE: Duration = Duration::from_millis(2);

/// After so long it has no answer.
const PATIENCE: Duration = Duration::from_secs(10);

const LARGER_BYTES: usize = 16 << 10;

pub struct Bystander {
    client: Client,
    url: String,
    operators: String,
}

/// By what was asked: seconds, and how many were not answered as they should be.
#[derive(Clone, Default)]
pub struct Seen {
    pub times: [Vec<f64>; ASKED.len()],
    pub refused: [u64; ASKED.len()],
}

impl Bystander {
    pub fn new(url: &str, operators: &str) -> Self {
        Self { client: kinora_tests::client(), url: url.to_owned(), operators: operators.to_owned() }
    }

    fn requests(&self, n: usize) -> [RequestBuilder; ASKED.len()] {
        let Self { client, url, operators } = self;
        let append = |text: &str| {
            let request = client.post(format!("{url}/v1/streams/bystander/events"));
            let body = format!(r#"{{"type":"Told","data":{{"n":{n},"text":"{text}"}}}}"#);
            request.header("content-type", "application/json").body(body)
        };
        let things = format!("{url}/v1/read-models/things/things");
        let query = match n % 2 {
            0 => client.get(format!("{things}/thing-{}", n % 1_000)),
            _ => client.get(format!("{things}?resources%5B%5D=eq.r{}&order=n.desc&limit=10", n % 50)),
        };
        let health = client.get(format!("{operators}/healthz"));
        [append("small"), query, append(&"x".repeat(LARGER_BYTES)), health]
    }

    /// Asks by turns, for so long.
    pub async fn look(&self, span: Duration) -> Seen {
        let (mut seen, started) = (Seen::default(), Instant::now());
        for n in 0.. {
            for (at, request) in self.requests(n).into_iter().enumerate() {
                let asked = Instant::now();
                let good = is_answered(request, PATIENCE).await;
                seen.times[at].push(asked.elapsed().as_secs_f64());
                seen.refused[at] += u64::from(!good);
            }
            if started.elapsed() > span {
                return seen;
            }
            tokio::time::sleep(PAUSE).await;
        }
        seen
    }

    /// Asks for everything, again and again, until all of it is answered within a second; gives how long that took,
    /// or nothing if it took longer than `patience`.
    pub async fn is_served_within(&self, patience: Duration) -> Option<Duration> {
        let started = Instant::now();
        while started.elapsed() < patience {
            let mut good = true;
            for request in self.requests(0) {
                good &= is_answered(request, patience).await;
            }
            if good {
                return Some(started.elapsed());
            }
        }
        None
    }
}

async fn is_answered(request: RequestBuilder, patience: Duration) -> bool {
    let answered = async {
        let response = request.send().await.ok()?;
        let status = response.status();
        response.bytes().await.ok()?;
        Some(matches!(status, StatusCode::OK | StatusCode::CREATED))
    };
    tokio::time::timeout(patience, answered).await.ok().flatten().unwrap_or(false)
}
