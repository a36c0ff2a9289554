//! Events as a person reads them, where they are not those that were expected.

use serde::Serialize;
use serde_json::Value;

pub fn shown<E: Serialize>(events: &[E]) -> Vec<Value> {
    events.iter().map(|event| serde_json::to_value(event).unwrap_or_default()).collect()
}

/// An event a line.
pub fn lines<E: Serialize>(events: &[E]) -> String {
    shown(events).iter().fold("events".to_owned(), |all, event| format!("{all}\n    {event}"))
}
