//! A host that is killed at random moments under load keeps every append that it acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kinora_tests::{Api, Program, Seed, until};
use serde_json::{Value, json};

/// How often the host is killed, unless CRASHES says otherwise.
const ROUNDS: u64 = 12;

/// After so many kills a log is looked at from its beginning to its end, and another one begins.
const ROUNDS_OF_A_LOG: u64 = 250;
const CLIENTS: u64 = 8;
const EVENTS_OF_A_REQUEST: u64 = 3;

/// A host is killed after fewer acknowledgements than this, while the next ones are under way.
const LONGEST_LIFE: u64 = 400;

/// Appends until the host is gone; returns what was acknowledged: first position -> number of the request.
async fn load(api: Api, path: String, first: u64, answered: Arc<AtomicU64>) -> BTreeMap<u64, u64> {
    let mut acknowledged = BTreeMap::new();
    for n in 0.. {
        let number = first + n;
        let event = |part: u64| json!({"type": "Part", "data": {"request": number, "part": part}});
        let events: Vec<_> = (0..EVENTS_OF_A_REQUEST).map(event).collect();
        match api.try_text(api.client.post(api.at(&path)).json(&events)).await {
            Ok(answer) if answer.status == 201 => {
                acknowledged.insert(answer.json()["first_position"].as_u64().unwrap(), number);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => break,
        }
    }
    acknowledged
}

async fn everything(api: &Api) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = Some("/v1/events?limit=1000".to_owned());
    while let Some(path) = next {
        let mut page = api.send(api.client.get(format!("{}{path}", api.url))).await.body;
        all.append(page["events"].as_array_mut().unwrap());
        next = page["next"].as_str().map(str::to_owned);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_keeps_what_it_acknowledged_and_nothing_by_halves() {
    let rounds = std::env::var("CRASHES").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let (mut seed, mut done) = (Seed::from_environment(), 0);
    while done < rounds {
        let of_log = ROUNDS_OF_A_LOG.min(rounds - done);
        lives(&mut seed, of_log).await;
        done += of_log;
    }
}

async fn lives(seed: &mut Seed, rounds: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..rounds {
        let answered = Arc::new(AtomicU64::new(0));
        let host = Program::start(dir.path());
        let loads = (0..CLIENTS).map(|writer| {
            let path = format!("streams/s{writer}/events");
            let first = (round * CLIENTS + writer) * 1_000_000;
            tokio::spawn(load(host.api(), path, first, Arc::clone(&answered)))
        });
        let loads: Vec<_> = loads.collect();
        let life = 1 + seed.below(LONGEST_LIFE);
        until("acknowledgements", async || answered.load(Ordering::Relaxed) >= life).await;
        host.kill();
        for load in loads {
            acknowledged.append(&mut load.await.unwrap());
        }
    }
    assert!(acknowledged.len() as u64 >= rounds);

    let host = Program::start(dir.path());
    let all = everything(&host.api()).await;
    for (position, event) in all.iter().enumerate() {
        assert_eq!(event["position"], json!(position));
    }
    assert_eq!(all.len() as u64 % EVENTS_OF_A_REQUEST, 0, "a request is there whole or not at all");
    for request in all.chunks(EVENTS_OF_A_REQUEST as usize) {
        let parts: Vec<_> = request.iter().map(|event| event["data"]["part"].as_u64().unwrap()).collect();
        assert_eq!(parts, [0, 1, 2]);
        assert!(request.iter().all(|event| event["data"]["request"] == request[0]["data"]["request"]));
    }
    for (position, number) in acknowledged {
        let event = all.get(position as usize).expect("an acknowledged event is there");
        assert_eq!(event["data"]["request"], json!(number));
    }
}
