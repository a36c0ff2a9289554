//! The words between a host and its clients: requests, answers, problems, and the grammar of queries.
//!
//! One definition of each: the server writes these types, the client reads them, and the description at `/openapi.json`
//! is made of them. They are plain data. How they follow from what a host knows is the server's business.

pub mod appends;
pub mod backups;
pub mod claims;
pub mod differences;
pub mod events;
pub mod grammar;
pub mod headers;
pub mod health;
pub mod limits;
pub mod log;
pub mod modules;
pub mod problems;
pub mod projections;
pub mod queries;
pub mod rollouts;
pub mod upcasters;
pub mod verifications;
pub mod versions;

pub use problems::{Kind, Problem};
