//! The host itself: backups, limits, settings, health.

pub mod backups;
pub mod health;
pub mod limits;
pub mod settings;
