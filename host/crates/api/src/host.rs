//! The host itself: backups, limits, health.

pub mod backups;
pub mod health;
pub mod limits;
