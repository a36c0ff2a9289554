//! What differs between two read models: a merge of their tables, row by row in the order of keys.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::error::Error;
use super::snapshot::Snapshot;
use super::store::parse;
use super::view::row_key;

/// The rows that differ, table by table: those of the first read model, then those that only the second one has.
#[derive(Debug)]
pub struct Diff {
    pub tables: Vec<TableDiff>,
}

#[derive(Debug, Default)]
pub struct TableDiff {
    pub table: String,
    pub rows_from: u64,
    pub rows_to: u64,
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    pub unchanged: u64,
    /// In how many of the changed rows each field differs; fields that came or went count, too.
    pub changed_fields: BTreeMap<String, u64>,
    pub samples: Vec<Sample>,
}

/// One row that differs.
#[derive(Debug)]
pub struct Sample {
    pub change: Change,
    pub key: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Removed,
    Changed,
}

/// Compares two read models, with at most `samples` rows of each kind of change as examples for each table.
pub fn diff(from: &Snapshot, to: &Snapshot, samples: usize) -> Result<Diff, Error> {
    let names = from.tables().iter().map(|table| table.name.as_str());
    let new = to.tables().iter().map(|table| table.name.as_str());
    let new = new.filter(|name| from.table(name).is_err());
    let tables = names.chain(new).map(|name| table(name, from, to, samples)).collect::<Result<_, _>>()?;
    Ok(Diff { tables })
}

/// The rows of one side. A table that is not there has none.
struct Side<'a> {
    entries: Option<super::view::Entries<'a>>,
}

impl<'a> Side<'a> {
    fn new(snapshot: &'a Snapshot, table: &str) -> Self {
        Self { entries: snapshot.table(table).ok().map(|(ordinal, _)| snapshot.rows(ordinal)) }
    }

    fn current(&self) -> Result<Option<(&str, &[u8])>, Error> {
        let Some(entries) = &self.entries else { return Ok(None) };
        match entries.current() {
            Some((key, row)) => Ok(Some((row_key(key)?, row))),
            None => entries.end().map(|()| None),
        }
    }

    fn advance(&mut self) {
        if let Some(entries) = &mut self.entries {
            entries.advance();
        }
    }
}

fn table(name: &str, from: &Snapshot, to: &Snapshot, samples: usize) -> Result<TableDiff, Error> {
    let mut diff = TableDiff { table: name.to_owned(), ..TableDiff::default() };
    let (mut old, mut new) = (Side::new(from, name), Side::new(to, name));
    loop {
        let (left, right) = (old.current()?, new.current()?);
        let order = match (left, right) {
            (None, None) => return Ok(diff),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let (left, right) = (left.filter(|_| order.is_le()), right.filter(|_| order.is_ge()));
        diff.count(left, right, samples)?;
        if order.is_le() {
            old.advance();
        }
        if order.is_ge() {
            new.advance();
        }
    }
}

impl TableDiff {
    fn count(&mut self, from: Option<(&str, &[u8])>, to: Option<(&str, &[u8])>, samples: usize) -> Result<(), Error> {
        self.rows_from += u64::from(from.is_some());
        self.rows_to += u64::from(to.is_some());
        let (change, counter) = match (from, to) {
            (None, None) => return Ok(()),
            (None, Some(_)) => (Change::Added, &mut self.added),
            (Some(_), None) => (Change::Removed, &mut self.removed),
            (Some((key, old)), Some((_, new))) => {
                if old == new || !self.fields(key, old, new)? {
                    self.unchanged += 1;
                    return Ok(());
                }
                (Change::Changed, &mut self.changed)
            }
        };
        *counter += 1;
        if *counter <= samples as u64 {
            let json = |row: (&str, &[u8])| String::from_utf8_lossy(row.1).into_owned();
            let key = from.or(to).map(|(key, _)| key.to_owned()).unwrap_or_default();
            self.samples.push(Sample { change, key, from: from.map(json), to: to.map(json) });
        }
        Ok(())
    }

    /// Counts the fields that differ. `false` if none does: the same values, written in another way.
    fn fields(&mut self, key: &str, old: &[u8], new: &[u8]) -> Result<bool, Error> {
        let (old, new) = (parse(&self.table, key, old)?, parse(&self.table, key, new)?);
        let mut different = Vec::new();
        differing(&old, &new, "", 0, &mut different);
        let any = !different.is_empty();
        for path in different {
            *self.changed_fields.entry(path).or_default() += 1;
        }
        Ok(any)
    }
}

/// How deep fields are told apart: what is nested deeper counts for the field that it is in.
const FIELD_DEPTH: usize = 2;

/// The paths of the fields that differ, came or went, nested ones with dots.
fn differing(old: &Value, new: &Value, path: &str, depth: usize, found: &mut Vec<String>) {
    if old == new {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return found.push(path.to_owned());
    };
    if depth == FIELD_DEPTH {
        return found.push(path.to_owned());
    }
    let gone = old.keys().filter(|field| !new.contains_key(*field));
    for field in new.keys().chain(gone) {
        let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
        match (old.get(field), new.get(field)) {
            (Some(old), Some(new)) => differing(old, new, &path, depth + 1, found),
            _ => found.push(path),
        }
    }
}
