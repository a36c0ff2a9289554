//! Rows that a guest has written and nobody has committed yet.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::ops::Bound;

use crate::rows::range::KeyRange;

/// A row to put, or `None` to delete one.
pub type Write<'a> = Option<&'a [u8]>;

/// What a row takes in memory beside its bytes, about: without it, many small rows would hardly count.
const ROW_OVERHEAD_BYTES: usize = 64;

/// The uncommitted rows of all tables. Keys are sorted, so a commit writes in the order that RocksDB likes best.
#[derive(Default)]
pub struct Writes {
    tables: BTreeMap<u16, Table>,
    bytes: usize,
}

/// A row that stands aside, and what else it takes.
#[derive(Default)]
struct Late {
    row: Option<Box<[u8]>>,
    weight: u32,
}

/// The writes of a table. A guest mostly writes its rows in order, once each: those make a run. What comes out of
/// order, or again, stands aside. Several guests make a run each, none of which has a row of another.
#[derive(Default)]
struct Table {
    runs: Vec<Run>,
    late: BTreeMap<Box<str>, Late>,
}

/// Rows in the order of their keys, one after the other in memory, without an allocation for each.
#[derive(Default)]
struct Run {
    keys: String,
    values: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where a key and its value end; they begin where those before end.
struct Entry {
    key_end: usize,
    value_end: usize,
    deletes: bool,
    /// What else it takes, see [`Writes::set_weighing`].
    weight: u32,
}

impl Run {
    fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
        self.entries.clear();
    }

    fn start(&self, index: usize) -> (usize, usize) {
        let before = index.checked_sub(1).and_then(|before| self.entries.get(before));
        before.map_or((0, 0), |entry| (entry.key_end, entry.value_end))
    }

    fn key(&self, index: usize) -> Option<&str> {
        self.keys.get(self.start(index).0..self.entries.get(index)?.key_end)
    }

    fn value(&self, index: usize) -> Write<'_> {
        let entry = self.entries.get(index).filter(|entry| !entry.deletes)?;
        self.values.get(self.start(index).1..entry.value_end)
    }

    fn last_key(&self) -> Option<&str> {
        self.key(self.entries.len().checked_sub(1)?)
    }

    /// How many keys stand in order before this one.
    fn before(&self, key: &str) -> usize {
        let (mut low, mut high) = (0, self.entries.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle).is_some_and(|found| found < key) { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn get(&self, key: &str) -> Option<(Write<'_>, u32)> {
        let index = self.before(key);
        let entry = self.entries.get(index).filter(|_| self.key(index) == Some(key))?;
        Some((self.value(index), entry.weight))
    }

    fn push(&mut self, key: &str, row: Write<'_>, weight: u32) {
        self.keys.push_str(key);
        self.values.extend_from_slice(row.unwrap_or_default());
        let (key_end, value_end) = (self.keys.len(), self.values.len());
        self.entries.push(Entry { key_end, value_end, deletes: row.is_none(), weight });
    }

    fn range(&self, range: &KeyRange) -> Rows<'_> {
        let from = range.start.as_deref().map_or(0, |start| self.before(start));
        let to = range.end.as_deref().map_or(self.entries.len(), |end| self.before(end));
        let rows = (from..to).filter_map(|index| Some((self.key(index)?, self.value(index))));
        if range.reverse { Box::new(rows.rev()) } else { Box::new(rows) }
    }
}

impl Table {
    fn is_empty(&self) -> bool {
        self.runs.iter().all(|run| run.entries.is_empty()) && self.late.is_empty()
    }

    fn clear(&mut self) {
        self.runs.truncate(1);
        self.runs.iter_mut().for_each(Run::clear);
        self.late.clear();
    }

    fn get(&self, key: &str) -> Option<(Write<'_>, u32)> {
        if let Some(late) = self.late.get(key) {
            return Some((late.row.as_deref(), late.weight));
        }
        self.runs.iter().find_map(|run| run.get(key))
    }

    /// The run that this key goes on, if it does.
    fn open_run(&mut self, key: &str) -> Option<&mut Run> {
        if self.runs.is_empty() {
            self.runs.push(Run::default());
        }
        match self.runs.as_mut_slice() {
            [run] => run.last_key().is_none_or(|last| last < key).then_some(run),
            _ => None,
        }
    }

    fn all(&self) -> Merged<'_> {
        self.range(&KeyRange::default())
    }

    /// The rows of a range that does not end before it starts.
    fn range(&self, range: &KeyRange) -> Merged<'_> {
        let start = range.start.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let late = self.late.range::<str, _>((start, end)).map(|(key, late)| (&**key, late.row.as_deref()));
        let late: Rows<'_> = if range.reverse { Box::new(late.rev()) } else { Box::new(late) };
        let runs = self.runs.iter().map(|run| run.range(range).peekable()).collect();
        Merged { runs, late: late.peekable(), reverse: range.reverse }
    }
}

type Rows<'a> = Box<dyn Iterator<Item = (&'a str, Write<'a>)> + 'a>;

/// Rows in order, each once: what stands aside is newer.
struct Merged<'a> {
    runs: Vec<Peekable<Rows<'a>>>,
    late: Peekable<Rows<'a>>,
    reverse: bool,
}

impl<'a> Merged<'a> {
    /// The run whose next row comes first, and that row's key.
    fn first(&mut self) -> Option<(usize, &'a str)> {
        let mut first: Option<(usize, &'a str)> = None;
        for (index, run) in self.runs.iter_mut().enumerate() {
            if let Some((key, _)) = run.peek()
                && first.is_none_or(|(_, before)| if self.reverse { before < *key } else { *key < before })
            {
                first = Some((index, key));
            }
        }
        first
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = (&'a str, Write<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (first, late) = (self.first(), self.late.peek().map(|(late, _)| *late));
        let Some((index, key)) = first else { return self.late.next() };
        let order = late.map(|late| if self.reverse { late.cmp(key) } else { key.cmp(late) });
        if order == Some(Ordering::Greater) {
            return self.late.next();
        }
        let entry = self.runs.get_mut(index).and_then(Iterator::next);
        if order == Some(Ordering::Equal) { self.late.next() } else { entry }
    }
}

impl Writes {
    pub fn set(&mut self, table: u16, key: &str, row: Write<'_>) {
        self.set_weighing(table, key, row, 0);
    }

    /// The same for a row that will take so many bytes more when it is committed: those of its index entries.
    pub fn set_weighing(&mut self, table: u16, key: &str, row: Write<'_>, weight: usize) {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let table = self.tables.entry(table).or_default();
        let bytes =
            |row: Write<'_>, weight: u32| ROW_OVERHEAD_BYTES + key.len() + row.map_or(0, <[u8]>::len) + weight as usize;
        self.bytes += bytes(row, weight);
        // What comes in order is not there yet, so nobody has to look.
        if let Some(run) = table.open_run(key) {
            return run.push(key, row, weight);
        }
        if let Some((replaced, weight)) = table.get(key) {
            self.bytes -= bytes(replaced, weight);
        }
        table.late.insert(key.into(), Late { row: row.map(Into::into), weight });
    }

    /// What was written under this key, if anything was.
    pub fn get(&self, table: u16, key: &str) -> Option<Write<'_>> {
        self.tables.get(&table)?.get(key).map(|(row, _)| row)
    }

    /// Bytes of keys, rows and what they take beside, and what holds them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.tables.values().all(Table::is_empty)
    }

    /// Forgets all rows, and keeps the memory for the next ones.
    pub fn clear(&mut self) {
        self.tables.values_mut().for_each(Table::clear);
        self.bytes = 0;
    }

    /// Takes up the rows of several others, none of which may have a row of another.
    ///
    /// # Errors
    /// The table and the key of a row that two of them have; what is in here then is void.
    pub fn join(&mut self, mut parts: Vec<Self>) -> Result<(), (u16, String)> {
        parts.push(std::mem::take(self));
        parts.retain(|part| !part.is_empty());
        let tables: BTreeSet<u16> = parts.iter().flat_map(|part| part.tables.keys().copied()).collect();
        for table in tables {
            let of_each = parts.iter().filter_map(|part| part.tables.get(&table));
            let runs: Vec<_> = of_each.map(|table| (Box::new(table.all()) as Rows<'_>).peekable()).collect();
            if runs.len() < 2 {
                continue;
            }
            let all = Merged { runs, late: (Box::new(std::iter::empty()) as Rows<'_>).peekable(), reverse: false };
            let mut last = None;
            for (key, _) in all {
                if last.replace(key) == Some(key) {
                    return Err((table, key.to_owned()));
                }
            }
        }
        for part in parts {
            self.bytes += part.bytes;
            for (table, rows) in part.tables {
                let joined = self.tables.entry(table).or_default();
                joined.runs.extend(rows.runs);
                joined.late.extend(rows.late);
            }
        }
        Ok(())
    }

    /// The writes of each table, in the order of their keys.
    pub fn tables(&self) -> impl Iterator<Item = (u16, impl Iterator<Item = (&str, Write<'_>)>)> {
        self.tables.iter().map(move |(table, rows)| (*table, rows.all()))
    }

    /// The writes of a range of keys, in its order.
    pub fn range(&self, table: u16, range: &KeyRange) -> impl Iterator<Item = (&str, Write<'_>)> {
        let empty = matches!((&range.start, &range.end), (Some(start), Some(end)) if start >= end);
        let rows = self.tables.get(&table).filter(|_| !empty).map(|rows| rows.range(range));
        rows.into_iter().flatten()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bytes_follow_what_is_held() {
        let mut writes = Writes::default();
        writes.set(0, "ab", Some(b"{}"));
        writes.set(0, "ab", Some(b"{\"n\":1}"));
        writes.set(1, "c", None);
        assert_eq!(writes.bytes(), 2 + 7 + 1 + 2 * ROW_OVERHEAD_BYTES);
        writes.set(0, "ab", None);
        assert_eq!(writes.bytes(), 2 + 1 + 2 * ROW_OVERHEAD_BYTES);
        writes.set_weighing(0, "ab", Some(b"{}"), 100);
        writes.set_weighing(0, "b", Some(b"{}"), 1_000);
        assert_eq!(writes.bytes(), 2 + 2 + 1 + 2 + 1 + 1_100 + 3 * ROW_OVERHEAD_BYTES);
        writes.set(0, "b", None);
        assert_eq!(writes.bytes(), 2 + 2 + 1 + 1 + 100 + 3 * ROW_OVERHEAD_BYTES);
        writes.clear();
        assert!(writes.is_empty() && writes.bytes() == 0);
    }

    #[test]
    fn rows_come_out_in_order_and_as_they_were_written_last() {
        let mut writes = Writes::default();
        for (key, row) in
            [("b", Some("1")), ("d", Some("2")), ("a", Some("3")), ("d", None), ("e", None), ("c", Some("4"))]
        {
            writes.set(0, key, row.map(str::as_bytes));
        }
        let (one, three, four) = (Some(&b"1"[..]), Some(&b"3"[..]), Some(&b"4"[..]));
        let expected = [("a", three), ("b", one), ("c", four), ("d", None), ("e", None)];
        let (_, rows) = writes.tables().next().unwrap();
        assert_eq!(rows.collect::<Vec<_>>(), expected);
        for (key, row) in expected {
            assert_eq!(writes.get(0, key), Some(row));
        }
        assert_eq!((writes.get(0, "0"), writes.get(0, "f"), writes.get(1, "a")), (None, None, None));
        let part = KeyRange { start: Some("b".into()), end: Some("d".into()), reverse: true };
        assert_eq!(writes.range(0, &part).collect::<Vec<_>>(), [("c", four), ("b", one)]);
        assert_eq!(writes.bytes(), 5 + 3 + 5 * ROW_OVERHEAD_BYTES);
    }

    #[test]
    fn rows_of_several_are_joined_in_order_unless_two_have_the_same() {
        let written = |rows: &[(u16, &str)]| {
            let mut writes = Writes::default();
            rows.iter().for_each(|(table, key)| writes.set(*table, key, Some(key.as_bytes())));
            writes
        };
        let mut joined = Writes::default();
        joined
            .join(vec![written(&[(0, "b"), (0, "d"), (1, "a")]), Writes::default(), written(&[(0, "a"), (0, "c")])])
            .unwrap();
        let tables: Vec<(u16, Vec<&str>)> =
            joined.tables().map(|(table, rows)| (table, rows.map(|(key, _)| key).collect())).collect();
        assert_eq!(tables, [(0, vec!["a", "b", "c", "d"]), (1, vec!["a"])]);
        let both = vec![written(&[(0, "b"), (1, "x")]), written(&[(0, "a"), (1, "x")])];
        assert_eq!(Writes::default().join(both), Err((1, "x".into())));
    }

    #[test]
    fn a_range_that_ends_before_it_starts_is_empty() {
        let mut writes = Writes::default();
        writes.set(0, "b", None);
        let range =
            |start: &str, end: &str, reverse| KeyRange { start: Some(start.into()), end: Some(end.into()), reverse };
        assert_eq!(writes.range(0, &range("c", "a", false)).count(), 0);
        assert_eq!(writes.range(0, &range("a", "a", true)).count(), 0);
        assert_eq!(writes.range(0, &range("a", "c", true)).count(), 1);
        assert_eq!(writes.range(9, &KeyRange::default()).count(), 0);
    }
}
