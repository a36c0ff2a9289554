//! Commands about a data folder as a whole.

pub mod backup;
pub mod config;
pub mod doctor;
pub mod keys;
