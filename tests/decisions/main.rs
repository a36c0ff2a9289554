//! Commands, decided by guests: what is decided stands on what it was decided on, whatever runs beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod commands;
mod hostile;
mod model;
mod owners;
mod races;
mod shadows;
mod snapshots;
mod switches;
mod tagged;
mod trains;
mod versions;

use kinora_tests::{Answer, Api};
use serde_json::json;

/// The name of the decider that most tests have.
const BANK: &str = "bank";

/// Opens an account of a customer, and puts something on it.
async fn account(api: &Api, id: &str, customer: &str, cents: u64) {
    let opened = api.command(BANK, id, "Open", json!({"customer": customer, "iban": format!("DE00{id}")})).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    if cents > 0 {
        let paid = api.command(BANK, id, "Deposit", json!({"cents": cents})).await;
        assert_eq!(paid.status, 200, "{paid:?}");
    }
}

async fn balance(api: &Api, id: &str) -> u64 {
    api.state_of(BANK, id).await["accounts"][id]["balance"].as_u64().unwrap()
}

/// The code of a rejection; none of what was decided.
fn rejected(answer: &Answer) -> Option<&str> {
    match answer.status {
        200 => None,
        422 if answer.is("command-rejected") => answer.body["code"].as_str(),
        _ => panic!("{answer:?}"),
    }
}
