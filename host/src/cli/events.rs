//! Commands about events: appending them, having them decided, following them.

pub mod append;
pub mod decide;
pub mod tail;
pub mod wait;
