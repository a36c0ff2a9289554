//! Deciders: commands, and the versions of the rules that decide them.

pub mod commands;
pub mod deciders;
pub mod wire;
