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

/// All indexes of a table, ready to derive entries.
pub struct Indexes {
    table: u16,
    name: String,
    picker: Picker,
    indexes: Vec<Index>,
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
        let indexes = (0..).zip(&spec.indexes).map(index).collect();
        Self { table, name: spec.name.clone(), picker, indexes }
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
    fn what_has_a_null_need_not_be_unique() {
        let row = r#"{"a": 1, "b": null}"#;
        assert_eq!(entries(&["a"], true, row).unique.len(), 1);
        assert_eq!(entries(&["a", "b"], true, row).unique.len(), 0);
    }
}
