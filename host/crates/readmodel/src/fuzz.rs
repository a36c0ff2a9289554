//! Decoders of read models, and what becomes of queries, for fuzzing.

use serde_json::{Value, json};

use crate::layout::{keys, order};
use crate::query::filter::RowFilter;
use crate::query::list_query::ListQuery;
use crate::query::select::SelectedFields;

/// One of each kind of value, for what is read to be tried on.
fn row() -> Value {
    json!({"a": {"b": [1, "two", null]}, "n": -1.5e300, "t": "a,b\"%_*", "large": u64::MAX, "yes": true})
}

/// Tries a filter on a row.
pub fn filter(filter: &RowFilter) {
    let row = row();
    filter.visit(&mut |test| {
        let _ = test.accepts(order::at(&row, &test.field));
    });
}

/// Takes fields from a row.
pub fn select(selected: &SelectedFields) {
    let taken = selected.apply(&row().to_string());
    assert!(taken.as_deref().is_ok_and(|json| serde_json::from_str::<Value>(json).is_ok()), "{taken:?}");
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
