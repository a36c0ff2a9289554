//! Kinora: a projection engine for event-sourced systems. See `ARCHITECTURE.md` for the code map and the invariants.

pub mod backup;
pub mod cli;
pub mod event;
pub mod files;
#[doc(hidden)]
pub mod fuzz;
pub mod http;
pub mod limits;
pub mod log;
pub mod projection;
pub mod readmodel;
pub mod sandbox;
pub mod serve;
pub mod storage;
