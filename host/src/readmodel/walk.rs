//! Going through what a plan reads: entries in its order, and the rows that they stand for.

use super::error::Error;
use super::plan::Plan;
use super::view::{Entries, View};

/// An entry, and the row that it stands for.
pub struct Found {
    pub entry: Vec<u8>,
    pub key: String,
    pub row: Vec<u8>,
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
        let mut found: Vec<Found> = Vec::new();
        while found.len() < count && self.arrive()? {
            let Some(entries) = &mut self.entries else { break };
            let Some((entry, row)) = entries.current() else { break };
            let key = self.plan.row_key(entry)?.to_owned();
            found.push(Found { entry: entry.to_vec(), key, row: row.to_vec() });
            entries.advance();
        }
        self.visited += found.len();
        if self.plan.index.is_some() {
            let keys: Vec<&str> = found.iter().map(|found| found.key.as_str()).collect();
            let rows = self.view.get_many(self.table, &keys)?;
            for (found, row) in found.iter_mut().zip(rows) {
                found.row = row.ok_or_else(|| {
                    Error::Corrupt(format!("an index names row {:?}, which does not exist", found.key))
                })?;
            }
        }
        Ok(found)
    }

    fn visited(&self) -> usize {
        self.visited
    }
}
