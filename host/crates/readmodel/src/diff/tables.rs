//! Differences between two read models: a merge of their tables, row by row in the order of keys. It holds one row of
//! each side at a time, whatever their size, and can begin behind any key. What is hidden from
//! readers makes no difference.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use kinora_types::{Budget, TableSpec};

use crate::diff::fields::differing;
use crate::error::Error;
use crate::layout::keys;
use crate::layout::shown::shown_bytes;
use crate::rows::range::KeyRange;
use crate::rows::snapshot::Snapshot;
use crate::rows::view::{Entries, row_key};

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
    pub samples: Vec<Difference>,
}

/// One row that differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    pub change: Change,
    pub key: String,
    /// The fields that differ, if it is in both.
    pub fields: Vec<String>,
    pub from: Option<String>,
    pub to: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Removed,
    Changed,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// The tables of two read models, each once.
pub fn tables<'a>(from: &'a Snapshot, to: &'a Snapshot) -> Vec<&'a str> {
    let names = from.tables().iter().map(|table| table.name.as_str());
    let new = to.tables().iter().map(|table| table.name.as_str()).filter(|name| from.table(name).is_err());
    names.chain(new).collect()
}

/// Compares two read models, with at most `samples` rows of each kind of change as examples for each table.
///
/// # Errors
/// [`Error::Exhausted`], too, if the examples need more memory than the budget has.
pub fn diff(from: &Snapshot, to: &Snapshot, samples: usize, budget: &Budget) -> Result<Diff, Error> {
    let tables = tables(from, to).into_iter().map(|name| table(name, from, to, samples, budget));
    Ok(Diff { tables: tables.collect::<Result<_, _>>()? })
}

fn table(name: &str, from: &Snapshot, to: &Snapshot, samples: usize, budget: &Budget) -> Result<TableDiff, Error> {
    let mut diff = TableDiff { table: name.to_owned(), ..TableDiff::default() };
    walk(name, from, to, &KeyRange::default(), budget, |row| {
        diff.count(row, samples, budget)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(diff)
}

/// How far a walk through differences came.
#[derive(Debug)]
pub struct Passed {
    /// The key of the last row that was gone past, whether it differs or not.
    pub last: Option<String>,
    /// Whether that is all.
    pub complete: bool,
}

/// The rows of a table that differ, of a range of keys, until `visit` breaks off at one that it does not take, or so
/// many rows were gone past.
pub fn differences(
    name: &str,
    from: &Snapshot,
    to: &Snapshot,
    range: &KeyRange,
    rows: usize,
    budget: &Budget,
    mut visit: impl FnMut(Difference) -> ControlFlow<()>,
) -> Result<Passed, Error> {
    let (mut last, mut passed, mut complete) = (Vec::new(), 0, true);
    walk(name, from, to, range, budget, |row| {
        let going_on = if passed == rows {
            ControlFlow::Break(())
        } else if let Some((change, fields)) = row.change(name)? {
            visit(row.difference(change, fields)?)
        } else {
            ControlFlow::Continue(())
        };
        match going_on {
            ControlFlow::Break(()) => complete = false,
            ControlFlow::Continue(()) => {
                row.entry.clone_into(&mut last);
                passed += 1;
            }
        }
        Ok(going_on)
    })?;
    let last = if passed == 0 { None } else { Some(row_key(&last)?.to_owned()) };
    Ok(Passed { last, complete })
}

/// A key, and what either side has under it.
#[derive(Clone, Copy)]
struct Pair<'a> {
    /// As the database has it, of one of the sides.
    entry: &'a [u8],
    from: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
}

/// Bytes of memory that the count of a field takes besides its name, and a row besides its text.
const FIELD_BYTES: usize = 64;

impl Pair<'_> {
    /// About how many bytes of memory it takes to keep it.
    fn bytes(&self) -> usize {
        let length = |row: Option<&[u8]>| row.map_or(0, <[u8]>::len);
        FIELD_BYTES + self.entry.len() + length(self.from) + length(self.to)
    }

    /// What differs, and in which fields; `None` if it says the same, be it written in another way.
    fn change(&self, table: &str) -> Result<Option<(Change, Vec<String>)>, Error> {
        Ok(match (self.from, self.to) {
            (None, None) => None,
            (None, Some(_)) => Some((Change::Added, Vec::new())),
            (Some(_), None) => Some((Change::Removed, Vec::new())),
            (Some(old), Some(new)) if old == new => None,
            (Some(old), Some(new)) => {
                let fields = differing(old, new).map_err(|cause| {
                    let key = row_key(self.entry).unwrap_or_default();
                    Error::Corrupt(format!("row {key:?} of table {table:?} is not JSON: {cause}"))
                })?;
                (!fields.is_empty()).then_some((Change::Changed, fields))
            }
        })
    }

    fn difference(&self, change: Change, fields: Vec<String>) -> Result<Difference, Error> {
        let json = |row: &[u8]| String::from_utf8_lossy(row).into_owned();
        let key = row_key(self.entry)?.to_owned();
        Ok(Difference { change, key, fields, from: self.from.map(json), to: self.to.map(json) })
    }
}

/// Goes through the rows of both sides.
fn walk(
    name: &str,
    from: &Snapshot,
    to: &Snapshot,
    range: &KeyRange,
    budget: &Budget,
    mut visit: impl FnMut(Pair<'_>) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let (from_table, to_table) = (from.table(name).ok(), to.table(name).ok());
    let mut old = from_table.map(|(ordinal, _)| from.rows_of(ordinal, range, budget));
    let mut new = to_table.map(|(ordinal, _)| to.rows_of(ordinal, range, budget));
    loop {
        let (left, right) = (current(&old)?, current(&new)?);
        let order = match (left, right) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((left, _)), Some((right, _))) => behind_prefix(left).cmp(behind_prefix(right)),
        };
        let (left, right) = (left.filter(|_| order.is_le()), right.filter(|_| order.is_ge()));
        let entry = left.or(right).map(|(entry, _)| entry).unwrap_or_default();
        let (left, right) = (seen(from_table, left)?, seen(to_table, right)?);
        if visit(Pair { entry, from: left.as_deref(), to: right.as_deref() })?.is_break() {
            return Ok(());
        }
        if order.is_le() {
            old.iter_mut().for_each(Entries::advance);
        }
        if order.is_ge() {
            new.iter_mut().for_each(Entries::advance);
        }
    }
}

/// A row of a side, as readers get it.
fn seen<'a>(table: Option<(u16, &TableSpec)>, row: Option<Entry<'a>>) -> Result<Option<Cow<'a, [u8]>>, Error> {
    table.zip(row).map(|((_, table), (_, row))| shown_bytes(table, row)).transpose()
}

/// A row as the database has it: its key there, and its text.
type Entry<'a> = (&'a [u8], &'a [u8]);

/// The row that a side stands at. A table that is not there has none.
fn current<'a>(entries: &'a Option<Entries<'_>>) -> Result<Option<Entry<'a>>, Error> {
    let Some(entries) = entries else { return Ok(None) };
    match entries.current() {
        Some(row) => Ok(Some(row)),
        None => entries.end().map(|()| None),
    }
}

/// The key of a row: tables may have other numbers on the other side.
fn behind_prefix(entry: &[u8]) -> &[u8] {
    entry.get(keys::ROW_PREFIX_BYTES..).unwrap_or_default()
}

impl TableDiff {
    fn count(&mut self, row: Pair<'_>, samples: usize, budget: &Budget) -> Result<(), Error> {
        self.rows_from += u64::from(row.from.is_some());
        self.rows_to += u64::from(row.to.is_some());
        let Some((change, fields)) = row.change(&self.table)? else {
            self.unchanged += 1;
            return Ok(());
        };
        let counter = match change {
            Change::Added => &mut self.added,
            Change::Removed => &mut self.removed,
            Change::Changed => &mut self.changed,
        };
        *counter += 1;
        let is_sample = *counter <= samples as u64;
        for field in &fields {
            match self.changed_fields.get_mut(field) {
                Some(rows) => *rows += 1,
                None => {
                    budget.take(field.len() + FIELD_BYTES)?;
                    self.changed_fields.insert(field.clone(), 1);
                }
            }
        }
        if is_sample {
            budget.take(row.bytes())?;
            self.samples.push(row.difference(change, fields)?);
        }
        Ok(())
    }
}
