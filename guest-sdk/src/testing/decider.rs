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
mod shown;
mod story;

pub use story::{Decided, Story, When, given};

#[cfg(test)]
mod tests;
