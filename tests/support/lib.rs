//! Tools of the tests: logs and events, hosts in this process and as programs, an HTTP interface, guests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
pub mod bench;
mod deciders;
pub mod description;
mod events;
mod followed;
mod handwritten;
mod host;
mod modules;
mod program;
mod seed;
pub mod tokens;
mod wait;

pub use api::{Answer, Api, Text, builder, client};
pub use deciders::together;
pub use events::raw::{delete_raw, put_raw};
pub use events::{copied, event, everything, open, request, to};
pub use followed::{Followed, Message};
pub use handwritten::Handwritten;
pub use host::Host;
pub use modules::{module, module_in, module_path};
pub use program::Program;
pub use seed::{Seed, property};
pub use wait::{until, until_some};
