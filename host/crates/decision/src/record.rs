//! Plain data: commands, and versions of deciders.

pub mod command;
pub mod control;
pub mod report;
