//! Secondary indexes as they are declared, and the entries that a row has in them.

use std::collections::BTreeSet;

use kinora_types::{Column, Elements, IndexSpec, TableSpec};
use serde_json::Value;

use crate::error::Error;
use crate::layout::pick::Picker;
use crate::layout::{keys, order};

/// The values that an array of a row has for a path through its elements.
pub fn values<'a>(path: &'a Elements, array: &'a Value) -> impl Iterator<Item = &'a Value> {
    let elements = array.as_array().map_or(&[][..], Vec::as_slice);
    elements.iter().map(|element| if path.within.is_empty() { element } else { order::at(element, &path.within) })
}

/// Up to how many indexes, none of them through an array, and up to how large a row, its entries are not counted but
/// estimated: they cannot take many times the bytes of the row.
const FEW_INDEXES: usize = 4;
const SMALL_ROW_BYTES: usize = 512;

/// Bytes of a usual entry beside its key.
const ENTRY_BYTES: usize = 48;

/// What holds an entry in memory.
const HOLDER_BYTES: usize = 32;

/// All indexes of a table, ready to derive entries.
pub struct Indexes {
    table: u16,
    name: String,
    picker: Picker,
    indexes: Vec<Index>,
    /// Whether a small row has few, small entries, whatever is in it.
    few: bool,
}

struct Index {
    prefix: Vec<u8>,
    /// Each with the slot of its value, or of its array.
    columns: Vec<(Column, usize)>,
    unique: Option<String>,
}

/// The entries of a row, and of those that have to be unique what comes before the key, with the name of the index.
#[derive(Default)]
pub struct IndexEntries {
    pub all: Vec<Vec<u8>>,
    pub unique: Vec<(Vec<u8>, String)>,
}

impl Indexes {
    pub fn new(table: u16, spec: &TableSpec) -> Self {
        let mut picker = Picker::default();
        let index = |(number, index): (u16, &IndexSpec)| {
            let column = |column: Column| {
                let slot = picker.add(column.array.as_ref().map_or(&column.path, |elements| &elements.array));
                (column, slot)
            };
            let columns = index.columns().into_iter().map(column).collect();
            let unique = index.unique.then(|| index.name.clone());
            Index { prefix: keys::index(table, number), columns, unique }
        };
        let indexes: Vec<Index> = (0..).zip(&spec.indexes).map(index).collect();
        let few = indexes.len() <= FEW_INDEXES && !indexes.iter().any(Index::has_array);
        Self { table, name: spec.name.clone(), picker, indexes, few }
    }

    pub fn table(&self) -> u16 {
        self.table
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }

    pub fn has_unique(&self) -> bool {
        self.indexes.iter().any(|index| index.unique.is_some())
    }

    /// Bytes that the index entries of a row will take, without making them: one row can have gigabytes of them. What
    /// cannot be many is estimated.
    pub fn bytes(&self, key: &str, row: &[u8]) -> Result<usize, Error> {
        if self.few && row.len() <= SMALL_ROW_BYTES {
            return Ok(self.indexes.len() * (ENTRY_BYTES + key.len()));
        }
        let values = self.picker.pick(row).map_err(|cause| not_json(&self.name, key, &cause))?;
        let sizes = self.indexes.iter().map(|index| index.bytes(key, &values));
        Ok(sizes.fold(0, usize::saturating_add))
    }

    /// The index entries of a row.
    pub fn entries(&self, key: &str, row: Option<&[u8]>) -> Result<IndexEntries, Error> {
        let mut found = IndexEntries::default();
        let Some(row) = row else { return Ok(found) };
        let values = self.picker.pick(row).map_err(|cause| not_json(&self.name, key, &cause))?;
        for index in &self.indexes {
            for (mut entry, has_null) in index.values(&values) {
                if let Some(name) = index.unique.as_ref().filter(|_| !has_null) {
                    found.unique.push((entry.clone(), name.clone()));
                }
                entry.extend_from_slice(key.as_bytes());
                found.all.push(entry);
            }
        }
        Ok(found)
    }
}

impl Index {
    fn has_array(&self) -> bool {
        self.columns.iter().any(|(column, _)| column.array.is_some())
    }

    /// Bytes of the entries of a row, with what holds them; two elements that are the same count twice.
    fn bytes(&self, key: &str, values: &[Value]) -> usize {
        let value = |slot: &usize| values.get(*slot).unwrap_or(&Value::Null);
        let plain = self.columns.iter().filter(|(column, _)| column.array.is_none());
        let plain: usize = plain.map(|(_, slot)| order::size(value(slot))).sum();
        let each = HOLDER_BYTES + self.prefix.len() + plain + key.len();
        let array = self.columns.iter().find_map(|(column, slot)| Some((column.array.as_ref()?, slot)));
        let Some((elements, slot)) = array else { return each };
        let sizes = self::values(elements, value(slot)).map(|element| each + order::size(element));
        sizes.fold(0, usize::saturating_add)
    }

    /// What stands before the key in each entry of a row, and whether a null is among it.
    fn values(&self, values: &[Value]) -> BTreeSet<(Vec<u8>, bool)> {
        let mut starts = BTreeSet::from([(self.prefix.clone(), false)]);
        for (column, slot) in &self.columns {
            let value = values.get(*slot).unwrap_or(&Value::Null);
            let add = |(start, has_null): &(Vec<u8>, bool), value: &Value| {
                let mut start = start.clone();
                order::encode_directed(value, column.descending, &mut start);
                (start, *has_null || value.is_null())
            };
            starts = match &column.array {
                None => starts.iter().map(|start| add(start, value)).collect(),
                Some(elements) => starts
                    .iter()
                    .flat_map(|start| self::values(elements, value).map(move |value| add(start, value)))
                    .collect(),
            };
        }
        starts
    }
}

pub fn not_json(table: &str, key: &str, cause: &serde_json::Error) -> Error {
    Error::Corrupt(format!("row {key:?} of table {table:?} is not JSON: {cause}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entries(paths: &[&str], unique: bool, row: &str) -> IndexEntries {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let indexes = vec![IndexSpec { name: "it".into(), paths, unique }];
        let spec = TableSpec { name: "rows".into(), key: "key".into(), schema: None, indexes, history: None };
        Indexes::new(0, &spec).entries("k", Some(row.as_bytes())).unwrap()
    }

    #[test]
    fn an_array_has_an_entry_for_each_of_its_elements() {
        let row = r#"{"tags": ["b", "a", "b"], "stops": [{"at": "EWR"}, {}], "n": 1}"#;
        assert_eq!(entries(&["tags[]"], false, row).all.len(), 2);
        assert_eq!(entries(&["n", "stops[].at"], false, row).all.len(), 2);
        assert_eq!(entries(&["n[]"], false, row).all.len(), 0);
        assert_eq!(entries(&["tags"], false, row).all.len(), 1);
    }

    #[test]
    fn entries_are_counted_without_making_them() {
        let count = |paths: &[&str], row: &str| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            let indexes = vec![IndexSpec { name: "it".into(), paths, unique: false }];
            let spec = TableSpec { name: "rows".into(), key: "key".into(), schema: None, indexes, history: None };
            Indexes::new(0, &spec).bytes("k", row.as_bytes()).unwrap()
        };
        let made = |paths: &[&str], row: &str| entries(paths, false, row).all.iter().map(Vec::len).sum::<usize>();
        let texts: Vec<String> = (0..1_000).map(|n| format!("\"{n:05}\"")).collect();
        let row = format!("{{\"n\": 7, \"tags\": [{}]}}", texts.join(","));
        for paths in [&["tags[]"][..], &["n", "tags[]"], &["tags[]", "n"], &["n"]] {
            let (counted, made) = (count(paths, &row), made(paths, &row));
            assert!(counted >= made && counted < made + 50 * 1_000, "{paths:?}: {counted} for {made}");
        }
        assert_eq!(count(&["tags[]"], r#"{"tags": 7}"#), 0);
        assert_eq!(count(&["n"], r#"{"n": "few"}"#), 1 + ENTRY_BYTES);
    }

    #[test]
    fn what_has_a_null_need_not_be_unique() {
        let row = r#"{"a": 1, "b": null}"#;
        assert_eq!(entries(&["a"], true, row).unique.len(), 1);
        assert_eq!(entries(&["a", "b"], true, row).unique.len(), 0);
    }
}
