//! Documents of a program that shows them where it runs: an address for each, pages of HTML, and a search.
//!
//! The documents themselves come from whoever embeds them, so that a changed word builds no more than that.

mod document;
mod page;
mod search;

pub use document::{Document, Documents};
pub use search::Found;
