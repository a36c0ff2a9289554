//! Operations of a host itself: whether it is well, what it keeps to, backups.

pub mod backups;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod settings;
