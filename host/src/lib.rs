//! The command line of Kinora, a projection engine for event-sourced systems. See `ARCHITECTURE.md` for the code map.

pub mod cli;
pub mod documents;
#[doc(hidden)]
pub mod fuzz;
