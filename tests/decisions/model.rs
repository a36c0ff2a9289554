//! The bank against a model of a few lines: random commands of many clients at once, retried, with appends of strangers
//! in between, restarts, and versions that follow each other.
//!
//! Whatever was accepted is in the log at its place, once. The log is folded natively, event by event, and has to obey
//! the rules of the bank all along.

use std::collections::{BTreeMap, HashMap};

use accounts::{Accounts, Bank, DAILY_LIMIT_CENTS, Event};
use futures::future::join_all;
use kinora_sdk::Decider;
use kinora_tests::{Answer, Api, Host, Seed, module};
use serde_json::{Value, json};

use crate::BANK;

const ACCOUNTS: [&str; 6] = ["a0", "a1", "a2", "b0", "b1", "c0"];
const CLIENTS: u64 = 12;
const COMMANDS: u64 = 12;
const ROUNDS: u64 = 10;

/// The first letter of an account says who owns it.
fn owner(id: &str) -> &str {
    &id[..1]
}

/// A command that a client draws: of which account, which, and its data.
fn drawn(seed: &mut Seed) -> (&'static str, &'static str, Value) {
    let one = |seed: &mut Seed| ACCOUNTS[seed.below(ACCOUNTS.len() as u64) as usize];
    let (id, cents) = (one(seed), 1 + seed.below(DAILY_LIMIT_CENTS / 12));
    match seed.below(10) {
        0 => (id, "Open", json!({"customer": owner(id), "iban": format!("DE00{}", one(seed))})),
        1..=3 => (id, "Deposit", json!({"cents": cents})),
        4..=6 => (id, "Withdraw", json!({"cents": cents})),
        _ => (id, "Transfer", json!({"to": one(seed), "cents": cents})),
    }
}

/// A command that was accepted: its key, what it was, and the answer.
type Accepted = (String, &'static str, Answer);

/// Sends commands, and some of them twice at once. Gives those that were accepted.
async fn client(api: Api, mut seed: Seed, name: String) -> Vec<Accepted> {
    let mut accepted = Vec::new();
    for number in 0..COMMANDS {
        let (key, (id, command, data)) = (format!("{name}.{number}"), drawn(&mut seed));
        let headers: &[(&str, &str)] = &[("idempotency-key", &key)];
        let send = async || api.command_with(BANK, (id, command, &data), headers).await;
        let times = if seed.below(4) == 0 { 2 } else { 1 };
        for answer in join_all((0..times).map(async |_| send().await)).await {
            match answer.status {
                200 if answer.body["outcome"] == "accepted" => accepted.push((key.clone(), id, answer)),
                200 => assert_eq!(answer.body["outcome"], "unchanged"),
                _ => assert!(answer.is("command-rejected"), "{id} {command} {data}: {answer:?}"),
            }
        }
    }
    accepted
}

/// Appends to accounts without asking anybody.
async fn stranger(api: Api, mut seed: Seed) {
    for _ in 0..COMMANDS {
        let id = ACCOUNTS[seed.below(ACCOUNTS.len() as u64) as usize];
        let data = json!({"account": id, "customer": owner(id), "cents": 1 + seed.below(1_000)});
        let event = json!({"type": "Deposited", "data": data, "tags": [format!("customer:{}", owner(id))]});
        // Nobody is told that there is no such account, so there has to be one.
        let answer = api.send(
            api.client.post(api.at(&format!("streams/account-{id}/events"))).header("if-match", "*").json(&event),
        );
        let status = answer.await.status;
        assert!(status == 201 || status == 412, "{status}");
    }
}

/// Has one version follow the other, and sometimes deploys another one.
async fn switcher(api: Api, module: String, round: u64) {
    if round % 4 == 1 {
        api.deploy_decider(BANK, &module).await;
    }
    let decider = api.get("deciders/bank").await.body;
    let last = decider["versions"].as_array().unwrap().last().unwrap()["version"].clone();
    if decider["live"] != last {
        let promoted = api.promote_decider(BANK, json!({"version": last})).await;
        assert_eq!(promoted.status, 200, "{promoted:?}");
    }
    if last != 1 {
        let back = api.post("deciders/bank/rollback", json!({})).await;
        assert_eq!(back.status, 200, "{back:?}");
    }
}

/// What the log says, folded event by event.
#[derive(Default)]
struct Model {
    accounts: BTreeMap<String, Accounts>,
    customers: BTreeMap<String, Accounts>,
    ibans: HashMap<String, String>,
    paid_in: u64,
    paid_out: u64,
    commands: u64,
}

impl Model {
    /// One more event, which the rules have to allow.
    fn fold(&mut self, event: &Value) {
        let parsed: Event = serde_json::from_value(json!({"type": event["type"], "data": event["data"]})).unwrap();
        let (id, customer) = (parsed.account().to_owned(), parsed.customer().to_owned());
        assert_eq!(event["stream"], format!("account-{id}"));
        let (account, all) =
            (self.accounts.entry(id.clone()).or_default(), self.customers.entry(customer).or_default());
        match &parsed {
            Event::Withdrawn { cents, day, .. } | Event::TransferredOut { cents, day, .. } => {
                assert!(account.get(&id).unwrap().balance >= *cents, "there is not so much: {event}");
                assert!(all.spent_on(*day) + cents <= DAILY_LIMIT_CENTS, "more than may leave: {event}");
            }
            Event::Opened { iban, .. } => {
                assert!(account.get(&id).is_none(), "it was opened before: {event}");
                assert!(self.ibans.insert(iban.clone(), id).is_none(), "two have this IBAN: {event}");
            }
            _ => {}
        }
        match &parsed {
            Event::Deposited { cents, .. } => self.paid_in += cents,
            Event::Withdrawn { cents, .. } => self.paid_out += cents,
            _ => {}
        }
        self.commands += u64::from(event["metadata"]["kinora"]["command"].is_object());
        *account = Bank::evolve(std::mem::take(account), parsed.clone());
        *all = Bank::evolve(std::mem::take(all), parsed);
    }

    fn of(events: &[Value]) -> Self {
        let mut model = Self::default();
        let streams = |event: &&Value| event["stream"].as_str().unwrap().starts_with("account-");
        events.iter().filter(streams).for_each(|event| model.fold(event));
        model
    }
}

/// Each command that was accepted is in the log where it was said to be, and new once.
fn are_there(accepted: &[Accepted], events: &[Value]) -> u64 {
    let mut keys: HashMap<&str, (u64, &Value)> = HashMap::new();
    for (key, _, answer) in accepted {
        for told in answer.body["events"].as_array().unwrap() {
            let there = &events[told["position"].as_u64().unwrap() as usize];
            for member in ["id", "stream", "type", "data", "revision"] {
                assert_eq!(told[member], there[member], "{key}: {told} {there}");
            }
        }
        let (new, of_key) = keys.entry(key).or_insert((0, &answer.body["events"]));
        assert_eq!(**of_key, answer.body["events"], "{key}");
        *new += u64::from(answer.body["duplicate"] == false);
    }
    for (key, (new, _)) in &keys {
        assert_eq!(*new, 1, "{key}");
    }
    keys.len() as u64
}

async fn compare(api: &Api, accepted: &[Accepted]) {
    let events = api.all_events().await;
    let model = Model::of(&events);
    let total: u64 = model.accounts.values().map(Accounts::total).sum();
    assert_eq!(total, model.paid_in - model.paid_out);
    for (id, account) in &model.accounts {
        assert_eq!(api.state_of(BANK, id).await, serde_json::to_value(account).unwrap(), "{id}");
    }
    assert_eq!(are_there(accepted, &events), model.commands);
    assert_eq!(api.audited(BANK).await, model.commands);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_keeps_its_rules_whatever_many_clients_ask_of_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut seed = Seed::from_environment();
    let mut host = Host::start(dir.path());
    let digest = host.api().decider_live(BANK, module("accounts")).await;
    let mut accepted = Vec::new();
    for round in 0..ROUNDS {
        let api = host.api();
        let clients = (0..CLIENTS)
            .map(|name| tokio::spawn(client(api.clone(), Seed::of(seed.number()), format!("{round}.{name}"))));
        let clients: Vec<_> = clients.collect();
        let stranger = tokio::spawn(stranger(api.clone(), Seed::of(seed.number())));
        let switcher = tokio::spawn(switcher(api.clone(), digest.clone(), round));
        for client in clients {
            accepted.append(&mut client.await.unwrap());
        }
        stranger.await.unwrap();
        switcher.await.unwrap();
        compare(&api, &accepted).await;
        if seed.below(3) == 0 {
            host.stop();
            host = Host::start(dir.path());
        }
    }
    let of_limit = Model::of(&host.api().all_events().await).customers["a"].clone();
    println!(
        "{} accepted, {} left the accounts of a",
        accepted.len(),
        serde_json::to_value(&of_limit).unwrap()["spent"]
    );
}
