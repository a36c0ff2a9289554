//! Lists of rows: a page of those that pass a filter, in an order.

use std::collections::BTreeMap;

use kinora_types::TableSpec;

use crate::error::Error;
use crate::layout::order;
use crate::query::advice::{beyond_budget, helpful};
use crate::query::cursor::{Cursor, index_checksum};
use crate::query::filter::{KEY, RowFilter};
use crate::query::list_query::{Budget, Explanation, ListQuery, Page, Row};
use crate::query::noted::{Noted, Noting};
use crate::query::plan::{Plan, Wanted};
use crate::query::reader::{Reader, Values};
use crate::query::walk::{BATCH_ROWS, Rows, Walk};
use crate::rows::snapshot::Snapshot;
use crate::rows::view::View;

impl Snapshot {
    /// A page of rows.
    pub fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.list_explained(query, &mut Explanation::default())
    }

    /// A page of rows that takes a few entries of an index and their rows, all of them in memory; `None` if it takes
    /// more.
    pub fn list_from_memory(&self, query: &ListQuery) -> Result<Option<Page>, Error> {
        let (ordinal, table) = self.table(&query.table)?;
        let view = self.in_memory();
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &query.order };
        let found = self.plan(&wanted, query, view).and_then(|(plan, after)| {
            let simple = plan.ordered && plan.residual.is_empty() && after.is_none();
            simple.then(|| in_order(&wanted, &plan, query, view, &mut Explanation::default())).transpose()
        });
        match found {
            Err(error) if error.is_beyond_memory() => Ok(None),
            found => found,
        }
    }

    /// The plan of a page, and the values of the row that it begins behind if it is sorted.
    fn plan<'q>(
        &self,
        wanted: &Wanted<'q>,
        query: &ListQuery,
        view: View<'_>,
    ) -> Result<(Plan<'q>, Option<Vec<u8>>), Error> {
        let table = wanted.table;
        match query.read_cursor()? {
            Some(Cursor::Entry { index, within }) => {
                let numbers = (0..).zip(&table.indexes).map(|(number, _)| Some(number));
                let mut same = std::iter::once(None).chain(numbers).filter(|n| index_checksum(table, *n) == index);
                let gone = || Error::InvalidCursor("the index that it leads through is not there any more");
                let mut plan = same.find_map(|number| wanted.by(number)).ok_or_else(gone)?;
                plan.resume(&within);
                Ok((plan, None))
            }
            Some(Cursor::Sorted(values)) => Ok((wanted.best(view)?, Some(values))),
            None => Ok((wanted.best(view)?, None)),
        }
    }

    /// A page of rows, and how it was found.
    pub fn list_explained(&self, query: &ListQuery, explanation: &mut Explanation) -> Result<Page, Error> {
        let (ordinal, table) = self.table(&query.table)?;
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &query.order };
        let (plan, after) = self.plan(&wanted, query, self.view())?;
        let sorts = !plan.ordered || after.is_some();
        explanation.describe(table, &plan, sorts, query.budget());
        let page = if sorts {
            let mut walk = Walk::new(ordinal, self.view(), &plan);
            sorted(&wanted, &plan.residual, query, after.as_deref(), &mut walk, explanation)
        } else {
            in_order(&wanted, &plan, query, self.view(), explanation)
        };
        if sorts || explanation.filters_rows {
            explanation.helpful_index = helpful(&wanted).filter(|paths| *paths != explanation.paths);
        }
        match &page {
            Ok(page) => explanation.rows = page.rows.len(),
            Err(refused) => explanation.refused = Some(refused.to_string()),
        }
        page
    }

    /// How many rows pass the filter, whatever the limit.
    pub fn count(&self, query: &ListQuery) -> Result<u64, Error> {
        let (ordinal, table) = self.table(&query.table)?;
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &[] };
        let plan = wanted.best(self.view())?;
        let mut walk = Walk::new(ordinal, self.view(), &plan);
        if !plan.residual.is_empty() {
            return counted(&wanted, &plan.residual, query, &mut walk);
        }
        let budget = Budget::of_totals(query.scan);
        let count = walk.count(budget)?;
        if walk.is_at_end()? { Ok(count as u64) } else { Err(beyond_budget(&wanted, budget)) }
    }
}

/// How many rows pass.
pub(crate) fn counted(
    wanted: &Wanted<'_>,
    residual: &[&RowFilter],
    query: &ListQuery,
    walk: &mut dyn Rows,
) -> Result<u64, Error> {
    let reader = Reader::new(wanted.table, residual.iter().copied())?;
    let mut count = 0;
    visit(wanted, &reader, query.scan, walk, |_| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// Goes through all rows that pass, as far as the budget of totals reaches.
pub(crate) fn visit(
    wanted: &Wanted<'_>,
    reader: &Reader<'_>,
    scan: bool,
    walk: &mut dyn Rows,
    mut visitor: impl FnMut(&Values<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let budget = Budget::of_totals(scan);
    loop {
        let found = walk.rows(BATCH_ROWS)?;
        if found.is_empty() {
            return Ok(());
        }
        for found in &found {
            if let Some(values) = reader.read(&found.key, found.json.as_bytes())? {
                visitor(&values)?;
            }
        }
        if walk.visited() >= budget && !walk.is_at_end()? {
            return Err(beyond_budget(wanted, budget));
        }
    }
}

/// Rows as the plan reads them.
fn in_order(
    wanted: &Wanted<'_>,
    plan: &Plan<'_>,
    query: &ListQuery,
    view: View<'_>,
    explanation: &mut Explanation,
) -> Result<Page, Error> {
    let reader = Reader::new(wanted.table, plan.residual.iter().copied())?;
    let mut walk = Walk::new(wanted.ordinal, view, plan);
    let (mut page, mut noted) = (Page::default(), Noted::new(wanted.table, &query.undeclared));
    loop {
        let missing = query.limit - page.rows.len();
        let batch = if plan.residual.is_empty() { missing } else { missing.max(BATCH_ROWS) };
        let mut found = noted.take(walk.rows(batch)?)?.into_iter();
        explanation.entries_visited = walk.visited();
        let count = found.len();
        for found in found.by_ref() {
            if plan.residual.is_empty() || reader.read(&found.key, found.json.as_bytes())?.is_some() {
                page.rows.push(found);
            }
            if page.rows.len() == query.limit {
                break;
            }
        }
        // If there is none, the end has come.
        let last = (count - found.len()).checked_sub(1).map(|last| plan.within(walk.entry(last)).to_vec());
        let full = page.rows.len() == query.limit;
        if found.len() == 0 && walk.is_at_end()? {
            page.absent = noted.absent();
            return Ok(page);
        }
        let exhausted = walk.visited() >= query.budget();
        if exhausted && !full && !query.scan {
            return Err(beyond_budget(wanted, query.budget()));
        }
        if full || exhausted {
            let index = index_checksum(wanted.table, plan.index);
            page.next = last.map(|within| query.write_cursor(&Cursor::Entry { index, within }));
            page.absent = noted.absent();
            return Ok(page);
        }
    }
}

/// The first rows of all that pass, after `after`: by the values of the order, then by key.
pub(crate) fn sorted(
    wanted: &Wanted<'_>,
    residual: &[&RowFilter],
    query: &ListQuery,
    after: Option<&[u8]>,
    walk: &mut dyn Rows,
    explanation: &mut Explanation,
) -> Result<Page, Error> {
    let mut reader = Reader::new(wanted.table, residual.iter().copied())?;
    let sources = query.order.iter().map(|order| Ok((reader.source(&order.field)?, order.descending)));
    let sources = sources.collect::<Result<Vec<_>, Error>>()?;
    let mut noted = Noted::new(wanted.table, &query.undeclared);
    let walk = &mut Noting { rows: walk, noted: &mut noted };
    // One more than fits, to know whether another page follows.
    let mut first: BTreeMap<Vec<u8>, Row> = BTreeMap::new();
    loop {
        let found = walk.rows(BATCH_ROWS)?;
        explanation.entries_visited = walk.visited();
        if found.is_empty() {
            break;
        }
        for found in found {
            let Some(values) = reader.read(&found.key, found.json.as_bytes())? else { continue };
            let mut place = Vec::new();
            for (source, descending) in &sources {
                order::encode_directed(&values.value(source), *descending, &mut place);
            }
            place.extend_from_slice(found.key.as_bytes());
            let beyond = first.len() > query.limit && first.last_key_value().is_some_and(|(last, _)| *last < place);
            if !beyond && after.is_none_or(|after| place.as_slice() > after) {
                first.insert(place, found);
                if first.len() > query.limit + 1 {
                    first.pop_last();
                }
            }
        }
        if walk.visited() >= query.budget() && !walk.is_at_end()? {
            return Err(beyond_budget(wanted, query.budget()));
        }
    }
    let mut next = None;
    if first.len() > query.limit {
        first.pop_last();
        next = first.last_key_value().map(|(place, _)| query.write_cursor(&Cursor::Sorted(place.clone())));
    }
    Ok(Page { rows: first.into_values().collect(), next, absent: noted.absent() })
}

impl Explanation {
    fn describe(&mut self, table: &TableSpec, plan: &Plan<'_>, sorts: bool, budget: usize) {
        let index = plan.index.and_then(|index| table.indexes.get(usize::from(index)));
        self.index = index.map(|index| index.name.clone());
        self.paths = index.map_or_else(|| vec![KEY.to_owned()], |index| index.paths.clone());
        self.ranges = plan.ranges.len();
        self.backwards = plan.reverse;
        self.filters_rows = !plan.residual.is_empty();
        self.sorts = sorts;
        self.budget_entries = budget;
    }
}
