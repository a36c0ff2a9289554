//! A host that is killed while it decides: what was acknowledged stands, and a command that is sent again is decided
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kinora_tests::{Answer, Api, Program, Seed, module, until};
use serde_json::{Value, json};

const BANK: &str = "bank";
const CLIENTS: u64 = 8;

/// How often the host is killed, unless CRASHES says otherwise.
const KILLS: u64 = 10;

/// A host is killed after fewer answers than this, while the next commands are under way.
const LONGEST_LIFE: u64 = 150;

/// A command with its key: of which account, which, and its data.
type Keyed = (String, String, &'static str, Value);

/// The commands of a client, each with the number that it has for ever: what comes in, goes around and is paid out.
fn command(client: u64, number: u64) -> Keyed {
    let (id, next) = (format!("a{client}"), format!("a{}", (client + 1) % CLIENTS));
    let (name, data) = match number % 3 {
        0 => ("Deposit", json!({"cents": 3})),
        1 => ("Transfer", json!({"to": next, "cents": 1})),
        _ => ("Withdraw", json!({"cents": 1})),
    };
    (format!("{client}.{number}"), id, name, data)
}

async fn send(api: &Api, (key, id, name, data): &Keyed) -> Option<Answer> {
    let request = api.client.post(api.at(&format!("deciders/{BANK}/{id}/{name}"))).json(data);
    let text = api.try_text(request.header("idempotency-key", key)).await.ok()?;
    Some(Answer { status: text.status, version: None, position: None, body: text.json() })
}

/// Sends commands until the host is gone; gives how many were answered, all with yes.
async fn commands(api: Api, client: u64, first: u64, answered: Arc<AtomicU64>) -> u64 {
    for number in first.. {
        match send(&api, &command(client, number)).await {
            Some(answer) => assert_eq!(answer.status, 200, "{answer:?}"),
            None => return number,
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_sent_again_to_a_host_that_was_killed_is_decided_once() {
    let kills = std::env::var("CRASHES").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut seed = Seed::from_environment();
    let dir = tempfile::tempdir().unwrap();
    let mut host = Program::start(dir.path());
    host.api().decider_live(BANK, module("accounts")).await;
    for client in 0..CLIENTS {
        let data = json!({"customer": format!("c{client}"), "iban": format!("DE00{client}")});
        assert_eq!(host.api().command(BANK, &format!("a{client}"), "Open", data).await.status, 200);
    }
    let mut done = vec![0; CLIENTS as usize];
    for _ in 0..kills {
        let answered = Arc::new(AtomicU64::new(0));
        let clients = (0..)
            .zip(&done)
            .map(|(client, first)| tokio::spawn(commands(host.api(), client, *first, Arc::clone(&answered))));
        let clients: Vec<_> = clients.collect();
        let life = 1 + seed.below(LONGEST_LIFE);
        until("answers", async || answered.load(Ordering::Relaxed) >= life).await;
        host.kill();
        host = Program::start(dir.path());
        for (client, running) in (0..).zip(clients) {
            // The one that nobody knows of, and those before it, which were answered.
            let unknown = running.await.unwrap();
            let first: u64 = done[client as usize];
            for number in first..=unknown {
                let again = send(&host.api(), &command(client, number)).await.unwrap();
                assert_eq!(again.status, 200, "{again:?}");
                assert!(number == unknown || again.body["duplicate"] == true, "it was acknowledged: {again:?}");
            }
            done[client as usize] = unknown + 1;
        }
    }
    are_there_once(&host.api(), &done).await;
}

/// All that the clients sent is in the log, and nothing else.
async fn are_there_once(api: &Api, done: &[u64]) {
    let mut there: Vec<(String, String, Value)> = Vec::new();
    for event in api.all_events().await {
        let of = &event["metadata"]["kinora"]["command"];
        if of.is_object() && of["name"] != "Open" {
            let text = |member: &str| of[member].as_str().unwrap().to_owned();
            there.push((text("aggregate"), text("name"), of["data"].clone()));
        }
    }
    let mut sent = Vec::new();
    for (client, done) in (0..).zip(done) {
        for number in 0..*done {
            let (_, id, name, data) = command(client, number);
            sent.push((id, name.to_owned(), data));
        }
    }
    let key = |(id, name, data): &(String, String, Value)| (id.clone(), name.clone(), data.to_string());
    there.sort_by_key(key);
    sent.sort_by_key(key);
    assert_eq!(there, sent);
    assert_eq!(api.audited(BANK).await, CLIENTS + sent.len() as u64);
    let mut total = 0;
    for client in 0..CLIENTS {
        let id = format!("a{client}");
        total += api.state_of(BANK, &id).await["accounts"][&id]["balance"].as_u64().unwrap();
    }
    let count = |name: &str| sent.iter().filter(|(_, found, _)| found == name).count() as u64;
    assert_eq!(total, 3 * count("Deposit") - count("Withdraw"));
}
