//! A whole host without HTTP: its data folder, its limits and its backups.

pub mod backup;
pub mod limits;
