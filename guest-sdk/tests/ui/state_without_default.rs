use kinora_sdk::{Context, Decider, JsonSchema, Rejection, Rules, export_decider, schemars};
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

#[derive(Clone, Serialize, Deserialize)]
struct Opened {
    accounts: u32,
}

struct Accounts;

impl Decider for Accounts {
    type State = Opened;
    type Command = Command;
    type Event = Event;

    fn describe() -> Rules {
        Rules::new("accounts")
    }

    fn decide(_: &Opened, _: Command, _: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
        Ok(vec![Event::Opened])
    }

    fn evolve(opened: Opened, _: Event) -> Opened {
        Opened { accounts: opened.accounts + 1 }
    }
}

export_decider!(Accounts);

fn main() {}
