//! Rows that a guest has written and nobody has committed yet.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::KeyRange;

/// A row to put, or `None` to delete one.
pub type Write = Option<Box<[u8]>>;

/// The uncommitted rows of all tables. Keys are sorted, so a commit writes in the order that RocksDB likes best.
#[derive(Default)]
pub struct Writes {
    tables: BTreeMap<u16, BTreeMap<Box<str>, Write>>,
    bytes: usize,
}

impl Writes {
    pub fn set(&mut self, table: u16, key: &str, row: Option<&[u8]>) {
        let row: Write = row.map(Into::into);
        self.bytes += key.len() + row.as_deref().map_or(0, <[u8]>::len);
        if let Some(replaced) = self.tables.entry(table).or_default().insert(key.into(), row) {
            self.bytes -= key.len() + replaced.as_deref().map_or(0, <[u8]>::len);
        }
    }

    /// What was written under this key, if anything was.
    pub fn get(&self, table: u16, key: &str) -> Option<&Write> {
        self.tables.get(&table)?.get(key)
    }

    /// Bytes of keys and rows.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub fn clear(&mut self) {
        self.tables.clear();
        self.bytes = 0;
    }

    pub fn tables(&self) -> impl Iterator<Item = (u16, &BTreeMap<Box<str>, Write>)> {
        self.tables.iter().map(|(table, rows)| (*table, rows))
    }

    /// The writes of a range of keys, in its order.
    pub fn range(&self, table: u16, range: &KeyRange) -> Box<dyn Iterator<Item = (&str, &Write)> + '_> {
        let start = range.start.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let empty = matches!((&range.start, &range.end), (Some(start), Some(end)) if start >= end);
        let Some(rows) = self.tables.get(&table).filter(|_| !empty) else {
            return Box::new(std::iter::empty());
        };
        let rows = rows.range::<str, _>((start, end)).map(|(key, row)| (&**key, row));
        if range.reverse { Box::new(rows.rev()) } else { Box::new(rows) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_follow_what_is_held() {
        let mut writes = Writes::default();
        writes.set(0, "ab", Some(b"{}"));
        writes.set(0, "ab", Some(b"{\"n\":1}"));
        writes.set(1, "c", None);
        assert_eq!(writes.bytes(), 2 + 7 + 1);
        writes.set(0, "ab", None);
        assert_eq!(writes.bytes(), 2 + 1);
        writes.clear();
        assert!(writes.is_empty() && writes.bytes() == 0);
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
