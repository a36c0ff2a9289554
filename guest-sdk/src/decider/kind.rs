//! A kind of command or event: a variant of the enum of all.

use serde_json::{Value, json};

/// A command or an event, as a variant of its enum says.
pub struct Kind {
    pub name: String,
    pub description: String,
    /// The version of its schema, from 1. Commands have none.
    pub version: u32,
    /// What its data is, as a JSON Schema; `None` for a variant without data.
    pub data: Option<Value>,
}

impl Kind {
    /// What its data has to be, as text.
    pub fn schema(&self, nothing: &Value) -> String {
        self.data.as_ref().unwrap_or(nothing).to_string()
    }
}

/// The data of a command without: some libraries send null for it.
pub fn no_data_read() -> Value {
    json!({"type": ["object", "null"], "additionalProperties": false})
}

/// The data of an event without.
pub fn no_data_written() -> Value {
    json!({"type": "object", "additionalProperties": false})
}
