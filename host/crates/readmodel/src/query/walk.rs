//! Walk through what a plan reads: entries in its order, and the rows that they stand for.

use std::sync::Arc;

use crate::error::Error;
use crate::query::list_query::Row;
use crate::query::plan::Plan;
use crate::rows::view::{self, Entries, View};

/// Rows that are read and asked at once.
pub(crate) const BATCH_ROWS: usize = 128;

/// Rows of an index that are looked up at once.
const LOOKED_UP_ROWS: usize = 32;

/// Bytes of rows after which no more are read at once.
pub(crate) const BATCH_BYTES: usize = 4 << 20;

/// Mostly enough for an entry.
const ENTRY_BYTES: usize = 48;

/// Rows one after the other, wherever they come from.
pub trait Rows {
    /// The next rows: `count`, or fewer where they are large; none at the end.
    fn rows(&mut self, count: usize) -> Result<Vec<Row>, Error>;
    fn is_at_end(&mut self) -> Result<bool, Error>;
    /// Entries that were looked at.
    fn visited(&self) -> usize;
}

pub struct Walk<'a, 'p> {
    table: u16,
    view: View<'a>,
    plan: &'p Plan<'p>,
    /// The ranges that have been begun.
    begun: usize,
    entries: Option<Entries<'a>>,
    /// The entries of the rows that were given last, one behind the other, and where each ends.
    last: Vec<u8>,
    ends: Vec<usize>,
    visited: usize,
}

impl<'a, 'p> Walk<'a, 'p> {
    pub fn new(table: u16, view: View<'a>, plan: &'p Plan<'p>) -> Self {
        Self { table, view, plan, begun: 0, entries: None, last: Vec::new(), ends: Vec::new(), visited: 0 }
    }

    /// Goes on to the next range while this one has no entry. `false` at the end of all.
    fn arrive(&mut self) -> Result<bool, Error> {
        loop {
            if let Some(entries) = &self.entries {
                if entries.current().is_some() {
                    return Ok(true);
                }
                entries.end()?;
            }
            let ranges = &self.plan.ranges;
            let next = if self.plan.reverse {
                ranges.len().checked_sub(self.begun + 1).and_then(|number| ranges.get(number))
            } else {
                ranges.get(self.begun)
            };
            let Some(range) = next else { return Ok(false) };
            self.begun += 1;
            self.entries = Some(self.view.iterate(&range.start, &range.end, self.plan.reverse));
        }
    }

    /// The entry of one of the rows that were given last.
    pub fn entry(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(row).and_then(|end| self.last.get(start..*end)).unwrap_or_default()
    }

    /// How many entries there are, up to a limit.
    pub fn count(&mut self, limit: usize) -> Result<usize, Error> {
        while self.visited < limit && self.arrive()? {
            let Some(entries) = &mut self.entries else { break };
            entries.advance();
            self.visited += 1;
        }
        Ok(self.visited)
    }
}

impl Walk<'_, '_> {
    /// Adds rows until there are `most`, or bytes enough; those of an index without their texts. Says how many bytes
    /// they have.
    fn gather(&mut self, most: usize, enough: usize, found: &mut Vec<Row>) -> Result<usize, Error> {
        let none: Arc<str> = "".into();
        let mut bytes = 0;
        while found.len() < most && bytes < enough && self.arrive()? {
            let Some(entries) = &mut self.entries else { break };
            while let Some((entry, row)) = entries.current().filter(|_| found.len() < most && bytes < enough) {
                let key = self.plan.row_key(entry)?;
                let json = if self.plan.index.is_some() { Arc::clone(&none) } else { view::text(key, row)? };
                bytes += json.len();
                found.push(Row { key: key.to_owned(), json });
                self.last.extend_from_slice(entry);
                self.ends.push(self.last.len());
                entries.advance();
            }
        }
        Ok(bytes)
    }

    /// Puts the texts of rows in their places, and says how many bytes these are.
    fn look_up(&self, rows: &mut [Row]) -> Result<usize, Error> {
        let keys: Vec<_> = rows.iter().map(|row| row.key.as_str()).collect();
        let texts = self.view.texts(self.table, &keys)?;
        let mut bytes = 0;
        for (row, text) in rows.iter_mut().zip(texts) {
            let Some(text) = text else {
                return Err(Error::Corrupt(format!("an index names row {:?}, which does not exist", row.key)));
            };
            bytes += text.len();
            row.json = text;
        }
        Ok(bytes)
    }
}

impl Rows for Walk<'_, '_> {
    fn is_at_end(&mut self) -> Result<bool, Error> {
        Ok(!self.arrive()?)
    }

    fn rows(&mut self, count: usize) -> Result<Vec<Row>, Error> {
        let expected = count.min(BATCH_ROWS);
        let mut found: Vec<Row> = Vec::with_capacity(expected);
        self.last.clear();
        self.last.reserve(expected * ENTRY_BYTES);
        self.ends.clear();
        self.ends.reserve(expected);
        let by_index = self.plan.index.is_some();
        let mut bytes = 0;
        while found.len() < count && bytes < BATCH_BYTES {
            let begun = found.len();
            let most = if by_index { count.min(begun + LOOKED_UP_ROWS) } else { count };
            bytes += self.gather(most, BATCH_BYTES - bytes, &mut found)?;
            let more = found.get_mut(begun..).unwrap_or_default();
            if more.is_empty() {
                break;
            }
            if by_index {
                bytes += self.look_up(more)?;
            }
        }
        self.visited += found.len();
        Ok(found)
    }

    fn visited(&self) -> usize {
        self.visited
    }
}
