//! The words between a host and its clients: requests, answers, problems, and the grammar of queries.
//!
//! One definition of each: the server writes these types, the client reads them, and the description at `/openapi.json`
//! is made of them. They are plain data. How they follow from what a host knows is the server's business.

pub mod grammar;
pub mod headers;
mod host;
pub mod log;
mod object;
pub mod problems;
pub mod queries;
mod rollout;

pub use host::{backups, health, limits, settings};
pub use log::{appends, claims, commands, events};
pub use problems::{Kind, Problem};
pub use rollout::{deciders, differences, modules, projections, rollouts, upcasters, verifications, versions};
