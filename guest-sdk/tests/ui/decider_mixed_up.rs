use kinora_sdk::{Context, Decider, JsonSchema, Rejection, Rules, Steps, Upcaster, schemars};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
enum Command {
    Open,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
enum Event {
    Opened,
}

struct Accounts;

impl Decider for Accounts {
    type State = u32;
    type Command = Command;
    type Event = Event;

    fn describe() -> Rules {
        Rules::new("accounts")
    }

    fn decide(_: &u32, _: Command, _: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
        Ok(vec![Event::Opened])
    }

    fn evolve(accounts: u32, _: Event) -> u32 {
        accounts + 1
    }
}

struct Names;

impl Upcaster for Names {
    fn describe() -> Steps {
        Steps::new("names")
    }
}

mod upcaster {
    kinora_sdk::export_upcaster!(crate::Accounts);
}

mod decider {
    kinora_sdk::export_decider!(super::Names);
}

fn main() {}
