//! Going through what a plan reads: entries in its order, and the rows that they stand for.

use std::sync::Arc;

use super::error::Error;
use super::list::{BATCH_ROWS, Row};
use super::plan::Plan;
use super::view::{self, Entries, View};

/// An entry, and the row that it stands for.
pub struct Found {
    /// It ends with the key of the row.
    pub entry: Vec<u8>,
    key_start: usize,
    pub row: Arc<str>,
}

impl Found {
    /// A row that no entry of an index leads to.
    pub fn by_key(key: String, row: Arc<str>) -> Self {
        Self { entry: key.into_bytes(), key_start: 0, row }
    }

    pub fn key(&self) -> Result<&str, Error> {
        let key = self.entry.get(self.key_start..).unwrap_or_default();
        std::str::from_utf8(key).map_err(|_| damaged(&self.entry))
    }

    pub fn into_row(mut self) -> Result<Row, Error> {
        self.entry.drain(..self.key_start);
        let key = String::from_utf8(self.entry).map_err(|cause| damaged(cause.as_bytes()))?;
        Ok(Row { key, json: self.row })
    }
}

fn damaged(entry: &[u8]) -> Error {
    Error::Corrupt(format!("the entry {} makes no sense", hex::encode(entry)))
}

/// Rows one after the other, wherever they come from.
pub trait Rows {
    /// The next rows, so many unless the end comes first.
    fn rows(&mut self, count: usize) -> Result<Vec<Found>, Error>;
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
    visited: usize,
}

impl<'a, 'p> Walk<'a, 'p> {
    pub fn new(table: u16, view: View<'a>, plan: &'p Plan<'p>) -> Self {
        Self { table, view, plan, begun: 0, entries: None, visited: 0 }
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

impl Rows for Walk<'_, '_> {
    fn is_at_end(&mut self) -> Result<bool, Error> {
        Ok(!self.arrive()?)
    }

    fn rows(&mut self, count: usize) -> Result<Vec<Found>, Error> {
        let mut found: Vec<Found> = Vec::with_capacity(count.min(BATCH_ROWS));
        let none: Arc<str> = "".into();
        while found.len() < count && self.arrive()? {
            let Some(entries) = &mut self.entries else { break };
            while let Some((entry, row)) = entries.current().filter(|_| found.len() < count) {
                let key = self.plan.row_key(entry)?;
                let row = if self.plan.index.is_some() { Arc::clone(&none) } else { view::text(key, row)? };
                found.push(Found { entry: entry.to_vec(), key_start: entry.len() - key.len(), row });
                entries.advance();
            }
        }
        self.visited += found.len();
        if self.plan.index.is_some() {
            let keys = found.iter().map(Found::key).collect::<Result<Vec<_>, _>>()?;
            let rows = self.view.texts(self.table, &keys)?;
            for (found, row) in found.iter_mut().zip(rows) {
                let Some(row) = row else {
                    let key = found.key()?;
                    return Err(Error::Corrupt(format!("an index names row {key:?}, which does not exist")));
                };
                found.row = row;
            }
        }
        Ok(found)
    }

    fn visited(&self) -> usize {
        self.visited
    }
}
