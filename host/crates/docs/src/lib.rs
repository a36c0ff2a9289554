//! Kinora's documents, inside the program: whoever runs a host has them at hand, and of the same version.

mod document;
mod page;
mod search;

pub use document::{Document, all, document};
pub use page::html;
pub use search::{Found, find};
