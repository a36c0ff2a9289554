//! A whole host without HTTP: [`Engine`] opens a [data folder](data::DataFolder) with its log, modules and projections,
//! makes backups of it, and stops in order.
//!
//! This crate knows nothing of HTTP, and of sockets and signals neither: that is for those who serve it.

pub mod backup;
pub mod data;
pub mod doctor;
mod engine;
pub mod limits;

pub use kinora_files::descriptors;

pub use data::DataFolder;
pub use engine::{Engine, Error, Options};
