//! What a host and its clients say to each other: requests, answers, problems, and the grammar of queries.

pub mod grammar;
