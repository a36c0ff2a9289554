//! Writers: one that repeats what was not answered, with the same key, and one of transactions with claims.

use std::collections::BTreeMap;

use kinora_tests::Api;
use serde_json::{Value, json};

use super::life::{Life, counted, numbers};

/// Claims of the last transactions that are looked at.
const CLAIMS: usize = 50;

/// Appends with keys. What is under way when the host is killed is sent again.
#[derive(Default)]
pub struct Keyed {
    next: u64,
    /// Where each number went.
    positions: BTreeMap<u64, u64>,
}

impl Keyed {
    pub const STREAM: &str = "keyed";

    pub async fn live(&mut self, life: &Life) {
        loop {
            let (path, key) = (format!("streams/{}/events", Self::STREAM), format!("key {}", self.next));
            let Some(answer) = life.post_with_key(&path, &key, counted(self.next)).await else { return };
            assert_eq!(answer.status, 201, "{answer:?}");
            self.positions.insert(self.next, answer.body["first_position"].as_u64().unwrap());
            self.next += 1;
        }
    }

    pub async fn check(&self, api: &Api) {
        let numbers = numbers(api, Self::STREAM).await;
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "each is there once: {numbers:?}");
        assert!(numbers.len() >= self.positions.len() && numbers.len() <= self.positions.len() + 1);
        for (number, position) in self.positions.iter().rev().take(CLAIMS) {
            let event = api.get(&format!("events?from={position}&limit=1")).await.body["events"][0].clone();
            assert_eq!(event["data"]["number"], json!(number), "{event}");
        }
    }
}

/// Transactions of two streams, each of which takes a claim, and gives up the one that was taken before.
#[derive(Default)]
pub struct Transactions {
    next: u64,
    /// The claim that is certainly held.
    held: Option<u64>,
    /// Those that are certainly held no more, and those of which that is not certain.
    released: Vec<u64>,
    unknown: Vec<u64>,
    acknowledged: Vec<u64>,
}

impl Transactions {
    pub const STREAMS: [&str; 2] = ["left", "right"];

    fn claim(number: u64) -> Value {
        json!({"scope": "number", "value": number.to_string(), "owner": Self::STREAMS[0]})
    }

    pub async fn live(&mut self, life: &Life) {
        loop {
            let (number, held) = (self.next, self.held);
            let appends = Self::STREAMS.map(|stream| json!({"stream": stream, "events": [counted(number)]}));
            let release: Vec<_> = held.into_iter().map(Self::claim).collect();
            let claims = json!({"take": [Self::claim(number)], "release": release});
            self.next += 1;
            let Some(answer) = life.post("transactions", json!({"appends": appends, "claims": claims})).await else {
                self.unknown.extend(held);
                self.held = None;
                return;
            };
            assert_eq!(answer.status, 201, "{answer:?}");
            self.released.extend(held);
            self.held = Some(number);
            self.acknowledged.push(number);
        }
    }

    pub async fn check(&self, api: &Api) {
        let [left, right] = Self::STREAMS;
        let (left, right) = (numbers(api, left).await, numbers(api, right).await);
        assert_eq!(left, right, "a transaction is there whole or not at all");
        assert!(left.is_sorted_by(|one, next| one < next), "and once: {left:?}");
        for number in &self.acknowledged {
            assert!(left.binary_search(number).is_ok(), "{number} is missing");
        }
        for number in self.released.iter().rev().take(CLAIMS) {
            assert_eq!(api.get(&format!("claims/number/{number}")).await.status, 404, "{number} is given up");
        }
        // Whether the last transaction of a life was made says whether its claim is held, and the one before is not.
        for number in self.unknown.iter().rev().take(CLAIMS) {
            let claim = |number: u64| format!("claims/number/{number}");
            let after = left.binary_search(&(number + 1)).is_ok();
            assert_eq!(api.get(&claim(*number)).await.status, if after { 404 } else { 200 }, "{number}");
            assert_eq!(api.get(&claim(number + 1)).await.status, if after { 200 } else { 404 }, "{number}, the next");
        }
    }
}
