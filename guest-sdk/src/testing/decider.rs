//! Unit tests of deciders, without WebAssembly: given events, when a command comes, then what is decided.
//!
//! ```
//! use kinora_sdk::testing::decider::given;
//! # use kinora_sdk::{Context, Decider, JsonSchema, Rejection, Rules, schemars};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Clone, Deserialize, JsonSchema)]
//! # #[serde(tag = "type", content = "data")]
//! # enum Command { Enter, Leave }
//! # #[derive(Clone, Serialize, Deserialize, JsonSchema)]
//! # #[serde(tag = "type", content = "data")]
//! # enum Event { Entered { at: u64 }, Left }
//! # struct Room;
//! # impl Decider for Room {
//! #     type State = u32;
//! #     type Command = Command;
//! #     type Event = Event;
//! #     fn describe() -> Rules {
//! #         Rules::new("room")
//! #     }
//! #     fn decide(inside: &u32, command: Command, context: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
//! #         match command {
//! #             Command::Enter if *inside == 2 => Err(("room_full", "there is room for two"))?,
//! #             Command::Enter => Ok(vec![Event::Entered { at: context.time() }]),
//! #             Command::Leave if *inside == 0 => Ok(vec![]),
//! #             Command::Leave => Ok(vec![Event::Left]),
//! #         }
//! #     }
//! #     fn evolve(inside: u32, event: Event) -> u32 {
//! #         match event {
//! #             Event::Entered { .. } => inside + 1,
//! #             Event::Left => inside - 1,
//! #         }
//! #     }
//! # }
//!
//! given::<Room>([Event::Entered { at: 5 }])
//!     .when("7", Command::Enter).at(8)
//!     .then([Event::Entered { at: 8 }])
//!     // What was decided has happened: the story goes on.
//!     .when("7", Command::Enter)
//!     .then_rejected("room_full")
//!     .when("8", Command::Leave)
//!     .then_unchanged();
//! ```
//!
//! A command gets the states that it asks for, folded from everything that was given, and claims are checked as a log
//! checks them. Beyond what is asserted, each decision is made twice, and each state is folded in one go, and from one
//! event to the next with a save and a load between them. A decider that comes to something else fails the test.

mod run;
mod then;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::decider::{Claim, Decider, Rejection, Scope};

use run::{Given, Happened};
pub use then::When;

/// Begins a story with events of the aggregate that the first command is for.
pub fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Story<D> {
    let mut story = Story { log: Vec::new(), held: BTreeMap::new(), time: 0, commands: 0 };
    story.log.extend(events.into_iter().map(Given::OfTheFirst));
    story
}

/// What has happened, and may be followed by a command.
pub struct Story<D: Decider> {
    log: Vec<Given<D::Event>>,
    /// The streams that hold claims, by scope and value.
    held: BTreeMap<(&'static str, String), String>,
    /// That of the next command, unless it says otherwise.
    time: u64,
    /// The commands so far.
    commands: u64,
}

/// What was decided.
#[derive(Clone, Debug)]
pub enum Decided<E> {
    /// These events have happened.
    Accepted(Vec<E>),
    /// All is as the command wants it.
    Unchanged,
    /// The rules, or a claim, say no.
    Rejected(Rejection),
}

impl<E> Decided<E> {
    /// The code of a rejection.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Rejected(rejection) => Some(rejection.code()),
            Self::Accepted(_) | Self::Unchanged => None,
        }
    }
}

/// Where events stand in a log: as the decider would have put them there, except for what is given.
struct Place<'a> {
    id: Option<&'a str>,
    stream: Option<&'a str>,
    tags: &'a [&'a str],
}

impl<D: Decider> Story<D> {
    /// Events as the aggregate with this id would have decided them.
    #[track_caller]
    pub fn given_for(self, id: &str, events: impl IntoIterator<Item = D::Event>) -> Self {
        self.given_at(&Place { id: Some(id), stream: None, tags: &[] }, events)
    }

    /// Events in a stream, with the tags that [`Decider::tags`] gives them.
    #[track_caller]
    pub fn given_in(self, stream: &str, events: impl IntoIterator<Item = D::Event>) -> Self {
        self.given_at(&Place { id: None, stream: Some(stream), tags: &[] }, events)
    }

    /// Events in a stream, with these tags besides those that [`Decider::tags`] gives them.
    #[track_caller]
    pub fn given_tagged(self, stream: &str, tags: &[&str], events: impl IntoIterator<Item = D::Event>) -> Self {
        self.given_at(&Place { id: None, stream: Some(stream), tags }, events)
    }

    #[track_caller]
    fn given_at(mut self, place: &Place<'_>, events: impl IntoIterator<Item = D::Event>) -> Self {
        for event in events {
            self.happen(place, &event);
        }
        self
    }

    /// A command for the aggregate with this id. Its outcome is looked at by what follows.
    #[track_caller]
    pub fn when(self, id: &str, command: D::Command) -> When<D>
    where
        D::Command: Clone,
    {
        When::new(self, id, Box::new(move |_| Ok(command.clone())))
    }

    /// The same as it comes over the wire: the name of a command, and JSON text as its data.
    #[track_caller]
    pub fn when_data(self, id: &str, command: &str, data: &str) -> When<D> {
        let (command, data) = (command.to_owned(), data.to_owned());
        When::new(self, id, Box::new(move |declared| run::read_command::<D>(declared, &command, &data)))
    }

    /// The state of an aggregate.
    #[track_caller]
    pub fn state(&self, id: &str) -> D::State {
        self.state_of(&run::declared::<D>().rules.own.scope(id))
    }

    /// The state of a scope.
    #[track_caller]
    pub fn state_of(&self, scope: &Scope) -> D::State {
        let text = run::fold::<D>(&self.happened(), scope).to_string();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn happened(&self) -> Vec<&Happened> {
        self.log.iter().filter_map(Given::happened).collect()
    }

    /// Appends an event, with its claims.
    #[track_caller]
    fn happen(&mut self, place: &Place<'_>, event: &D::Event) {
        let happened = run::write::<D>(place, event);
        for Claim { scope, value, released } in D::claims(event) {
            match released {
                true => self.held.remove(&(scope, value)),
                false => self.held.insert((scope, value), happened.stream.clone()),
            };
        }
        self.log.push(Given::Happened(happened));
    }

    /// The events of the aggregate of the first command become those of this one.
    #[track_caller]
    fn begin(&mut self, id: &str) {
        for given in std::mem::take(&mut self.log) {
            match given {
                Given::OfTheFirst(event) => self.happen(&Place { id: Some(id), stream: None, tags: &[] }, &event),
                happened @ Given::Happened(_) => self.log.push(happened),
            }
        }
    }

    /// What a log would refuse of these events: releases go first, so that a value can be handed over.
    fn claim_that_fails(&self, id: &str, events: &[D::Event]) -> Option<Rejection> {
        let rules = run::declared::<D>().rules;
        let own = rules.own.stream(id);
        let claims = events.iter().flat_map(|event| {
            let stream = D::stream(event, id).unwrap_or_else(|| own.clone());
            D::claims(event).into_iter().map(move |claim| (claim, stream.clone()))
        });
        let (released, taken): (Vec<_>, Vec<_>) = claims.partition(|(claim, _)| claim.released);
        let mut held = self.held.clone();
        for (Claim { scope, value, released }, stream) in released.into_iter().chain(taken) {
            let key = (scope, value);
            let holder = held.get(&key);
            if holder.is_some_and(|holder| *holder != stream) || (released && holder.is_none()) {
                let declared = rules.claims.iter().find(|claim| claim.scope == scope);
                return declared.map(|claim| Rejection::new(claim.code, claim.message));
            }
            if released {
                held.remove(&key)
            } else {
                held.insert(key, stream)
            };
        }
        None
    }
}

/// Events as a person reads them.
fn shown<E: serde::Serialize>(events: &[E]) -> Vec<Value> {
    events.iter().map(|event| serde_json::to_value(event).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests;
