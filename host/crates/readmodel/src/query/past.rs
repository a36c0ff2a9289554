//! Queries about the past: lists, counts and figures over rows as they were, for tables that declare a history.

use kinora_types::{Budget, Progress};

use crate::error::Error;
use crate::layout::keys;
use crate::query::list::{Sorting, counted, sorted};
use crate::query::list_query::{Explanation, ListQuery, Page, Row};
use crate::query::plan::Wanted;
use crate::query::statistics::{Statistics, StatisticsQuery, summed};
use crate::query::walk::{BATCH_BYTES, Rows};
use crate::rows::row_versions::damaged;
use crate::rows::snapshot::Snapshot;
use crate::rows::view::{self, Entries, View};

/// The rows of a table as they were, in the order of their keys.
struct Past<'a> {
    entries: Entries<'a>,
    table: u16,
    at: Progress,
    visited: usize,
}

impl<'a> Past<'a> {
    fn new(view: View<'a>, table: u16, at: Progress) -> Self {
        let prefix = keys::history(table);
        Self { entries: view.iterate(&prefix, &keys::after(&prefix), false), table, at, visited: 0 }
    }

    /// The next row, if there is one before the end.
    fn next(&mut self) -> Result<Option<Row>, Error> {
        loop {
            let Some((entry, _)) = self.entries.current() else {
                self.entries.end()?;
                return Ok(None);
            };
            let (key, _) = keys::version_parts(entry).ok_or_else(|| damaged(entry))?;
            let key = key.to_owned();
            self.visited += 1;
            let place = keys::version(self.table, &key, self.at.0);
            self.entries.seek(&place);
            let versions = keys::versions(self.table, &key);
            let found = self.entries.current().filter(|(entry, row)| entry.starts_with(&versions) && !row.is_empty());
            let found = found.map(|(_, row)| view::text(&key, row)).transpose()?;
            self.entries.seek(&keys::after(&versions));
            if let Some(json) = found {
                return Ok(Some(Row { key, json }));
            }
        }
    }
}

impl Rows for Past<'_> {
    fn rows(&mut self, count: usize) -> Result<Vec<Row>, Error> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        while found.len() < count
            && bytes < BATCH_BYTES
            && let Some(row) = self.next()?
        {
            bytes += row.json.len();
            found.push(row);
        }
        Ok(found)
    }

    fn is_at_end(&mut self) -> Result<bool, Error> {
        if self.entries.current().is_some() {
            return Ok(false);
        }
        self.entries.end().map(|()| true)
    }

    fn visited(&self) -> usize {
        self.visited
    }
}

/// An index would not help: those are of the rows as they are.
fn helpless<T>(found: Result<T, Error>) -> Result<T, Error> {
    found.map_err(|error| match error {
        Error::BeyondBudget { table, what, entries, .. } => Error::BeyondBudget { table, what, entries, helpful: None },
        error => error,
    })
}

impl Snapshot {
    /// A page of rows as they were: filtered and sorted without an index, as indexes are those of now.
    pub fn list_at(&self, query: &ListQuery, at: Progress, budget: &Budget) -> Result<Page, Error> {
        let (ordinal, table) = self.past(&query.table, at)?;
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &query.order };
        let filters: Vec<_> = query.filter.conjuncts().iter().collect();
        let after = query.sorted_after()?;
        let mut past = Past::new(self.view().within(budget), ordinal, at);
        let mut sorting = Sorting { after: after.as_deref(), explanation: &mut Explanation::default(), budget };
        helpless(sorted(&wanted, &filters, query, &mut past, &mut sorting))
    }

    /// How many rows passed the filter then.
    pub fn count_at(&self, query: &ListQuery, at: Progress, budget: &Budget) -> Result<u64, Error> {
        let (ordinal, table) = self.past(&query.table, at)?;
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &[] };
        let filters: Vec<_> = query.filter.conjuncts().iter().collect();
        helpless(counted(&wanted, &filters, query, &mut Past::new(self.view().within(budget), ordinal, at)))
    }

    /// Figures over rows as they were.
    pub fn statistics_at(&self, query: &StatisticsQuery, at: Progress, budget: &Budget) -> Result<Statistics, Error> {
        let (ordinal, table) = self.past(&query.table, at)?;
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &[] };
        let filters: Vec<_> = query.filter.conjuncts().iter().collect();
        let mut past = Past::new(self.view().within(budget), ordinal, at);
        helpless(summed(&wanted, &filters, query, &mut past, budget))
    }
}
