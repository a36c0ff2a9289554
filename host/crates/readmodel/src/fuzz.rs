//! The decoders of read models, for fuzzing.

use serde_json::{Value, json};

use crate::query::filter::condition;
use crate::query::list::{ListQuery, Order};
use crate::query::select::Selection;
use crate::query::statistics::Figure;
use crate::rows::{keys, order};

/// One of each kind of value, for what is read to be tried on.
fn row() -> Value {
    json!({"a": {"b": [1, "two", null]}, "n": -1.5e300, "t": "a,b\"%_*", "large": u64::MAX, "yes": true})
}

/// A parameter of a query: `flights=gte.100`, `order=-flights`, `select=a,b.c`, `aggregate=sum(flights)`.
pub fn parameter(bytes: &[u8]) {
    let Some((name, value)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('=')) else { return };
    let row = row();
    match name {
        "order" => drop(Order::parse(value)),
        "aggregate" => drop(Figure::parse(value)),
        "select" => {
            if let Ok(selection) = Selection::parse(value) {
                let selected = selection.apply(&row.to_string());
                assert!(
                    selected.as_deref().is_ok_and(|json| serde_json::from_str::<Value>(json).is_ok()),
                    "{selected:?}"
                );
            }
        }
        _ => {
            if let Ok(condition) = condition(name, value) {
                condition.visit(&mut |test| {
                    let _ = test.accepts(order::at(&row, &test.field));
                });
            }
        }
    }
}

/// What follows the fingerprint of a cursor.
pub fn cursor(bytes: &[u8]) {
    let mut query = ListQuery { table: "t".to_owned(), limit: 1, ..ListQuery::default() };
    let cursor = hex::encode([&query.fingerprint(), bytes].concat());
    query.cursor = Some(cursor.clone());
    if let Ok(Some(read)) = query.read_cursor() {
        assert_eq!(query.write_cursor(&read), cursor);
    }
}

/// An entry of the database: the values within an index, or a version of a row and its place in the queue.
pub fn entry(bytes: &[u8]) {
    for descending in [false, true] {
        assert!(order::length(bytes, descending).is_none_or(|length| length > 0 && length <= bytes.len()));
    }
    let behind_prefix = bytes.get(keys::ROW_PREFIX_BYTES..);
    if let Some((key, progress)) = keys::version_parts(bytes) {
        assert_eq!(keys::version(0, key, progress).get(keys::ROW_PREFIX_BYTES..), behind_prefix);
    }
    if let Some((progress, key)) = keys::queued_parts(bytes) {
        assert_eq!(keys::queued(0, progress, key).get(keys::ROW_PREFIX_BYTES..), behind_prefix);
    }
}
