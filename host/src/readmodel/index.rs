//! Secondary indexes as they are declared, and the entries that a row has in them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::Error;
use super::pick::Picker;
use super::{IndexSpec, TableSpec, keys, order};

/// One field of an index: `delay.mean`, `-flights` (greater values first), `tags[]` or `stops[].airport` (an entry for
/// each element of an array).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As filters name it, so without the sign.
    pub path: String,
    pub descending: bool,
    pub array: Option<Elements>,
}

/// A path through the elements of an array: that of the array, and the one within an element (may be empty).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements {
    pub array: String,
    pub within: String,
}

impl Elements {
    /// `None` if a path leads through no array.
    pub fn of(path: &str) -> Option<Self> {
        let (array, within) = path.split_once("[]")?;
        Some(Self { array: array.to_owned(), within: within.trim_start_matches('.').to_owned() })
    }

    pub fn values<'a>(&'a self, array: &'a Value) -> impl Iterator<Item = &'a Value> {
        let elements = array.as_array().map_or(&[][..], Vec::as_slice);
        elements.iter().map(|element| if self.within.is_empty() { element } else { order::at(element, &self.within) })
    }
}

impl Column {
    pub fn new(path: &str) -> Self {
        let (path, descending) = path.strip_prefix('-').map_or((path, false), |path| (path, true));
        Self { path: path.to_owned(), descending, array: Elements::of(path) }
    }

    /// Why a path cannot stand in an index, if it cannot.
    pub fn problem(path: &str) -> Option<&'static str> {
        let column = Self::new(path);
        let plain = |path: &str| path.split('.').all(|field| !field.is_empty() && !field.contains(['[', ']']));
        match &column.array {
            None if !plain(&column.path) => Some("a path has no empty fields"),
            Some(Elements { array, within }) if !plain(array) || !(within.is_empty() || plain(within)) => {
                Some("a path leads through one array at most, such as tags[] or stops[].airport")
            }
            _ => None,
        }
    }
}

/// The columns of an index.
pub fn columns(index: &IndexSpec) -> Vec<Column> {
    index.paths.iter().map(|path| Column::new(path)).collect()
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
pub struct Entries {
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
            let columns = columns(index).into_iter().map(column).collect();
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
    pub fn entries(&self, key: &str, row: Option<&[u8]>) -> Result<Entries, Error> {
        let mut found = Entries::default();
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
                Some(elements) => {
                    starts.iter().flat_map(|start| elements.values(value).map(move |value| add(start, value))).collect()
                }
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

    fn entries(paths: &[&str], unique: bool, row: &str) -> Entries {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let indexes = vec![IndexSpec { name: "it".into(), paths, unique }];
        let spec = TableSpec { name: "rows".into(), key: "key".into(), indexes, history: None };
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

    #[test]
    fn paths_that_mean_nothing_are_found() {
        for path in ["a", "-a.b", "a[]", "a.b[].c", "-a[]"] {
            assert_eq!(Column::problem(path), None, "{path}");
        }
        for path in ["", "-", "a..b", "a[].b[]", "[]", "a[", "a[0]"] {
            assert!(Column::problem(path).is_some(), "{path}");
        }
    }
}
