//! The flights of 2013 as events: scheduled, departed, arrived, cancelled, one stream for each flight, in the order in
//! which they happened.
//!
//! Departures of flights that were to leave before July are in schema 1, with New York's local time as `HHMM` integers;
//! later ones are in schema 2, in UTC. That is how history looks: nobody rewrites it.

mod airports;
mod event;
mod feed;
mod flight;
mod names;
mod row;
mod timeline;

pub use event::Event;
pub use feed::{Fed, Feed, FeedError};
pub use timeline::{Error, Timeline};
