//! A decider that misbehaves on demand: each command says how. `Count` behaves well.
//!
//! The SDK does not let everything through. That is said behind its back: see `lies`, which only the component has.

mod lies;

use std::cell::Cell;
use std::hint::black_box;

use kinora_sdk::{Claim, Context, Decider, JsonSchema, Rejection, Rules, Scope, schemars};
use serde::{Deserialize, Serialize};

thread_local! {
    /// What it should not keep: a state outside of all slots.
    static DECIDED: Cell<u64> = const { Cell::new(0) };
}

/// What counts say, and what is in the way of a save.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct State {
    n: u64,
    filler: String,
    /// A state that has this can be saved, and not be loaded.
    #[serde(default, deserialize_with = "refuse")]
    spoilt: bool,
}

fn refuse<'a, D: serde::Deserializer<'a>>(deserializer: D) -> Result<bool, D::Error> {
    match bool::deserialize(deserializer)? {
        false => Ok(false),
        true => Err(serde::de::Error::custom("it is spoilt")),
    }
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Command {
    /// Adds to the counter of its stream.
    Count {
        n: u64,
    },
    /// Adds to the counters of its stream and of another aggregate, on the state of both.
    CountBoth {
        other: String,
        n: u64,
    },
    /// Adds as much as the counter of everything with a tag says, and has this tag itself.
    CountTagged {
        tag: String,
    },
    /// Says no.
    Refuse,
    /// Has nothing to do.
    Nothing,
    /// Takes a name.
    Take {
        name: String,
    },
    /// Gives a name up, be it its own or not.
    GiveUp {
        name: String,
    },
    /// Never answers.
    Loop,
    Panic,
    Recurse,
    /// Takes all memory that there is.
    Grow,
    /// Decides an event whose fold never ends.
    FoldForever,
    /// Decides an event whose fold panics.
    FoldPanic,
    /// Makes the state as large as this.
    Fill {
        bytes: usize,
    },
    /// Makes a state that can be saved, and not be loaded.
    Spoil,
    /// Decides on how many commands this instance has seen, which no state says.
    Remember,
    /// Says no if this instance has seen an odd number of commands, which no state says.
    RefuseOdd,
    /// Looks at its own time, and no state: the same command decided again is another one if its time is.
    Stamp,
    /// Asks for one more scope whenever it is asked.
    WantForEver,
    /// Asks for as many scopes at once.
    Want {
        scopes: u32,
    },
    /// Decides as many events as this.
    Emit {
        events: u32,
    },
    /// Sends an event into a stream.
    Into {
        stream: String,
    },
    /// Gives an event a tag.
    Tag {
        tag: String,
    },
    /// Says no in many words.
    RefuseAtLength {
        bytes: usize,
    },
    /// Faults.
    Fault,
    /// What the SDK would not say: see `lies`.
    Lie {
        how: Lie,
    },
}

/// An answer that contradicts the contract.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub enum Lie {
    /// An event of a type that is not declared.
    UndeclaredType,
    /// A claim that is not declared.
    UndeclaredClaim,
    /// A claim of an event that there is not.
    ClaimOfNothing,
    /// More events are accepted than there are.
    TooManyEvents,
    /// Fewer events are accepted than there are.
    TooFewEvents,
    /// None are accepted.
    NoEvents,
    /// No outcome for a command.
    NoOutcome,
    /// One outcome too many.
    OneOutcomeTooMany,
    /// Data that is not JSON.
    NotJson,
    /// Data that its schema does not allow.
    NotOfItsSchema,
    /// Columns of different lengths.
    UnequalColumns,
    /// Texts whose ends fall.
    FallingEnds,
    /// A rejection whose details are no object.
    DetailsNoObject,
    /// A rejection without a code.
    NoCode,
    /// It wants nothing.
    WantsNothing,
    /// It wants what it has.
    WantsItsOwn,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    Counted {
        n: u64,
        /// Where it goes, if it is not to its own.
        stream: Option<String>,
        tag: Option<String>,
    },
    Named {
        name: String,
        given_up: bool,
    },
    Filled {
        bytes: usize,
    },
    Spoilt,
    Endless,
    Deadly,
}

pub struct Contrary;

fn counted(n: u64) -> Event {
    Event::Counted { n, stream: None, tag: None }
}

fn recurse(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX { 0 } else { recurse(depth + 1) + black_box(depth) }
}

fn grow() {
    let mut held = Vec::new();
    while black_box(true) {
        held.push(vec![1_u8; 1 << 20]);
    }
}

/// Asks for scopes until there are no more numbers, one after the other.
fn want_for_ever(context: &Context<'_, Contrary>) -> Result<Vec<Event>, Rejection> {
    for other in 0..u64::MAX {
        context.other(&other.to_string())?;
    }
    Ok(Vec::new())
}

#[allow(clippy::panic)]
impl Decider for Contrary {
    type State = State;
    type Command = Command;
    type Event = Event;

    fn describe() -> Rules {
        Rules::new("contrary").category("contrary").claim("name", "name_taken", "another has this name")
    }

    fn decide(state: &State, command: Command, context: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
        DECIDED.set(DECIDED.get() + 1);
        match command {
            Command::Count { n } => Ok(vec![counted(n)]),
            Command::CountBoth { other, n } => {
                let sum = state.n + context.other(&other)?.n + n;
                let stream = Some(format!("contrary-{other}"));
                Ok(vec![counted(sum), Event::Counted { n: sum, stream, tag: None }])
            }
            Command::CountTagged { tag } => {
                let n = context.of(&Scope::tags([tag.as_str()]))?.n + 1;
                Ok(vec![Event::Counted { n, stream: None, tag: Some(tag) }])
            }
            Command::Refuse => Err(Rejection::new("as_told", "no").detail("n", state.n)),
            Command::Nothing => Ok(Vec::new()),
            Command::Take { name } => Ok(vec![Event::Named { name, given_up: false }]),
            Command::GiveUp { name } => Ok(vec![Event::Named { name, given_up: true }]),
            Command::Loop => loop {
                black_box(state);
            },
            Command::Panic => panic!("as told"),
            Command::Recurse => Ok(vec![counted(recurse(0))]),
            Command::Grow => {
                grow();
                Ok(Vec::new())
            }
            Command::FoldForever => Ok(vec![Event::Endless]),
            Command::FoldPanic => Ok(vec![Event::Deadly]),
            Command::Fill { bytes } => Ok(vec![Event::Filled { bytes }]),
            Command::Spoil => Ok(vec![Event::Spoilt]),
            Command::Remember => Ok(vec![counted(DECIDED.get())]),
            Command::RefuseOdd if DECIDED.get() % 2 == 1 => Err(Rejection::new("odd", "an odd number")),
            Command::RefuseOdd => Ok(vec![counted(1)]),
            Command::Stamp => Ok(vec![counted(context.time())]),
            Command::WantForEver => want_for_ever(context),
            Command::Want { scopes } => {
                context.each((0..scopes).map(|other| context.scope(&other.to_string())))?;
                Ok(vec![counted(1)])
            }
            Command::Emit { events } => Ok((0..events).map(|_| counted(1)).collect()),
            Command::Into { stream } => Ok(vec![Event::Counted { n: 1, stream: Some(stream), tag: None }]),
            Command::Tag { tag } => Ok(vec![Event::Counted { n: 1, stream: None, tag: Some(tag) }]),
            Command::RefuseAtLength { bytes } => Err(Rejection::new("as_told", "no ".repeat(bytes / 3))),
            Command::Fault => Err(Rejection::new("Not A Code", "the SDK makes a fault of this")),
            Command::Lie { how: Lie::NoCode | Lie::DetailsNoObject } => Err(Rejection::new("as_told", "no")),
            Command::Lie { .. } => Ok(vec![counted(1), Event::Named { name: "liar".into(), given_up: false }]),
        }
    }

    fn evolve(mut state: State, event: Event) -> State {
        match event {
            Event::Counted { n, .. } => state.n = state.n.saturating_add(n),
            Event::Named { .. } => {}
            Event::Filled { bytes } => state.filler = "x".repeat(bytes),
            Event::Spoilt => state.spoilt = true,
            Event::Endless => while black_box(true) {},
            Event::Deadly => panic!("as told"),
        }
        state
    }

    fn stream(event: &Event, _id: &str) -> Option<String> {
        match event {
            Event::Counted { stream, .. } => stream.clone(),
            _ => None,
        }
    }

    fn tags(event: &Event) -> Vec<String> {
        match event {
            Event::Counted { tag, .. } => tag.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    fn claims(event: &Event) -> Vec<Claim> {
        match event {
            Event::Named { name, given_up: false } => vec![Claim::take("name", name)],
            Event::Named { name, given_up: true } => vec![Claim::release("name", name)],
            _ => Vec::new(),
        }
    }
}
