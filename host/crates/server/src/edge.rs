//! The edge that all requests pass: bodies, callers, sessions, problems, counters.

pub mod accept;
pub mod actor;
pub mod around;
pub mod bodies;
pub mod budget;
pub mod caller;
pub mod change;
pub mod described;
pub mod head;
pub mod parameters;
pub mod problem;
pub mod request_key;
pub mod requests;
pub mod session;
