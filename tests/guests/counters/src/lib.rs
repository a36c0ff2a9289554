//! A decider over tags: a counter is all events with its tag, and one event may count for several.

use kinora_sdk::{Context, Decider, JsonSchema, Rejection, Rules, Scope, export_decider, schemars};
use serde::{Deserialize, Serialize};

/// What a counter holds at most.
const MOST: u64 = 100;

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct State {
    n: u64,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data", deny_unknown_fields)]
pub enum Command {
    /// Adds to the counter, up to 100.
    Add { n: u64 },
    /// Adds to this counter and to another one by a single event, if both have room.
    AddToBoth { other: String, n: u64 },
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    Count {
        n: u64,
        /// Another counter that it counts for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<String>,
    },
}

pub struct Counters;

fn has_room(state: &State, n: u64) -> Result<(), Rejection> {
    match state.n.checked_add(n) {
        Some(sum) if sum <= MOST => Ok(()),
        _ => Err(Rejection::new("full", "a counter holds 100 at most").detail("n", state.n)),
    }
}

fn tag(id: &str) -> String {
    format!("counter:{id}")
}

impl Decider for Counters {
    type State = State;
    type Command = Command;
    type Event = Event;

    fn describe() -> Rules {
        Rules::new("counters").tag("counter")
    }

    fn decide(state: &State, command: Command, context: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Add { n } => {
                has_room(state, n)?;
                Ok(vec![Event::Count { n, other: None }])
            }
            Command::AddToBoth { other, n } => {
                has_room(state, n)?;
                has_room(context.of(&Scope::tags([tag(&other)]))?, n)?;
                Ok(vec![Event::Count { n, other: Some(other) }])
            }
        }
    }

    fn evolve(state: State, event: Event) -> State {
        let Event::Count { n, .. } = event;
        State { n: state.n.saturating_add(n) }
    }

    fn tags(event: &Event) -> Vec<String> {
        let Event::Count { other, .. } = event;
        other.iter().map(|other| tag(other)).collect()
    }
}

export_decider!(Counters);
