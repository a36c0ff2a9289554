//! JSON as people read it.

use maud::{Markup, html};
use serde_json::Value;
use serde_json::value::RawValue;

/// Characters of a value in a cell of a table: the row itself shows all of it.
const CELL: usize = 60;

/// Over several lines.
pub fn block(text: &str) -> Markup {
    let pretty = serde_json::from_str::<Value>(text).and_then(|value| serde_json::to_string_pretty(&value));
    html! { pre.json tabindex="0" { (pretty.unwrap_or_else(|_| text.to_owned())) } }
}

/// In one line, cut where it gets long.
pub fn inline(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    };
    cut(&text, CELL)
}

pub fn line(raw: &RawValue, characters: usize) -> String {
    cut(raw.get(), characters)
}

fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
