//! Lists of rows: a page of those that pass a filter, in an order.

use std::collections::BTreeMap;

use kinora_types::{Budget, TableSpec};

use crate::error::Error;
use crate::layout::order;
use crate::query::advice::{beyond_budget, helpful};
use crate::query::cursor::{Cursor, index_checksum};
use crate::query::filter::{KEY, RowFilter};
use crate::query::list_query::{EntryLimits, Explanation, ListQuery, Page, Row};
use crate::query::noted::{Noted, Noting};
use crate::query::plan::{Plan, Wanted};
use crate::query::reader::{Reader, Values};
use crate::query::walk::{BATCH_ROWS, Rows, Walk};
use crate::rows::snapshot::Snapshot;
use crate::rows::view::View;

impl Snapshot {
    /// A page of rows.
    ///
    /// # Errors
    /// What makes no sense for this table, and what would read more than it may, in entries or by its budget.
    pub fn list(&self, query: &ListQuery, budget: &Budget) -> Result<Page, Error> {
        self.list_explained(query, &mut Explanation::default(), budget)
    }

    /// A page of rows that takes a few entries of an index and their rows, all of them in memory; `None` if it takes
    /// more.
    pub fn list_from_memory(&self, query: &ListQuery, budget: &Budget) -> Result<Option<Page>, Error> {
        let (ordinal, table) = self.table(&query.table)?;
        let view = self.in_memory().within(budget);
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &query.order };
        let found = self.plan(&wanted, query, view).and_then(|(plan, after)| {
            let simple = plan.ordered && plan.residual.is_empty() && after.is_none();
            simple.then(|| in_order(&wanted, &plan, query, (view, budget), &mut Explanation::default())).transpose()
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
    pub fn list_explained(
        &self,
        query: &ListQuery,
        explanation: &mut Explanation,
        budget: &Budget,
    ) -> Result<Page, Error> {
        let (ordinal, table) = self.table(&query.table)?;
        let view = self.view().within(budget);
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &query.order };
        let (plan, after) = self.plan(&wanted, query, view)?;
        let sorts = !plan.ordered || after.is_some();
        explanation.describe(table, &plan, sorts, query.most_entries());
        let page = if sorts {
            let mut walk = Walk::new(ordinal, view, &plan);
            let mut sorting = Sorting { after: after.as_deref(), explanation, budget };
            sorted(&wanted, &plan.residual, query, &mut walk, &mut sorting)
        } else {
            in_order(&wanted, &plan, query, (view, budget), explanation)
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
    pub fn count(&self, query: &ListQuery, budget: &Budget) -> Result<u64, Error> {
        let (ordinal, table) = self.table(&query.table)?;
        let view = self.view().within(budget);
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &[] };
        let plan = wanted.best(view)?;
        let mut walk = Walk::new(ordinal, view, &plan);
        if !plan.residual.is_empty() {
            return counted(&wanted, &plan.residual, query, &mut walk);
        }
        let most = EntryLimits::of_totals(query.scan);
        let count = walk.count(most)?;
        if walk.is_at_end()? { Ok(count as u64) } else { Err(beyond_budget(&wanted, most)) }
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
    let most = EntryLimits::of_totals(scan);
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
        if walk.visited() >= most && !walk.is_at_end()? {
            return Err(beyond_budget(wanted, most));
        }
    }
}

/// Rows as the plan reads them.
fn in_order(
    wanted: &Wanted<'_>,
    plan: &Plan<'_>,
    query: &ListQuery,
    (view, budget): (View<'_>, &Budget),
    explanation: &mut Explanation,
) -> Result<Page, Error> {
    let reader = Reader::new(wanted.table, plan.residual.iter().copied())?;
    let mut walk = Walk::new(wanted.ordinal, view, plan);
    let (mut page, mut noted) = (Page::default(), Noted::new(wanted.table, &query.undeclared));
    let (mut bytes, mut taken) = (0, 0);
    loop {
        let missing = query.limit - page.rows.len();
        let batch = if plan.residual.is_empty() { missing } else { missing.max(BATCH_ROWS) };
        let mut found = noted.take(walk.rows(batch)?)?.into_iter();
        explanation.entries_visited = walk.visited();
        let count = found.len();
        for found in found.by_ref() {
            if plan.residual.is_empty() || reader.read(&found.key, found.json.as_bytes())?.is_some() {
                bytes += found.bytes();
                page.rows.push(found);
            }
            if page.rows.len() == query.limit || query.fills_a_page(bytes) {
                break;
            }
        }
        budget.take(bytes - taken)?;
        taken = bytes;
        // If there is none, the end has come.
        let last = (count - found.len()).checked_sub(1).map(|last| plan.within(walk.entry(last)).to_vec());
        let full = page.rows.len() == query.limit || query.fills_a_page(bytes);
        if found.len() == 0 && walk.is_at_end()? {
            page.absent = noted.absent();
            return Ok(page);
        }
        let far = walk.visited() >= query.most_entries();
        if far && !full && !query.scan {
            return Err(beyond_budget(wanted, query.most_entries()));
        }
        if full || far {
            let index = index_checksum(wanted.table, plan.index);
            page.next = last.map(|within| query.write_cursor(&Cursor::Entry { index, within }));
            page.absent = noted.absent();
            return Ok(page);
        }
    }
}

/// How rows are sorted.
pub(crate) struct Sorting<'a> {
    /// The values of the row that the page begins behind.
    pub after: Option<&'a [u8]>,
    pub explanation: &'a mut Explanation,
    pub budget: &'a Budget,
}

/// The first rows of all that pass: by the values of the order, then by key.
pub(crate) fn sorted(
    wanted: &Wanted<'_>,
    residual: &[&RowFilter],
    query: &ListQuery,
    walk: &mut dyn Rows,
    sorting: &mut Sorting<'_>,
) -> Result<Page, Error> {
    let mut reader = Reader::new(wanted.table, residual.iter().copied())?;
    let sources = query.order.iter().map(|order| Ok((reader.source(&order.field)?, order.descending)));
    let sources = sources.collect::<Result<Vec<_>, Error>>()?;
    let mut noted = Noted::new(wanted.table, &query.undeclared);
    let walk = &mut Noting { rows: walk, noted: &mut noted };
    let mut first = First { query, budget: sorting.budget, rows: BTreeMap::new(), bytes: 0, more: false };
    loop {
        let found = walk.rows(BATCH_ROWS)?;
        sorting.explanation.entries_visited = walk.visited();
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
            if sorting.after.is_none_or(|after| place.as_slice() > after) {
                first.add(place, found)?;
            }
        }
        if walk.visited() >= query.most_entries() && !walk.is_at_end()? {
            return Err(beyond_budget(wanted, query.most_entries()));
        }
    }
    let last = first.rows.last_key_value().filter(|_| first.more);
    let next = last.map(|(place, _)| query.write_cursor(&Cursor::Sorted(place.clone())));
    Ok(Page { rows: first.rows.into_values().collect(), next, absent: noted.absent() })
}

/// The first rows of all, by their places: as many as a page has.
struct First<'a> {
    query: &'a ListQuery,
    budget: &'a Budget,
    rows: BTreeMap<Vec<u8>, Row>,
    bytes: usize,
    /// Whether there are more behind them.
    more: bool,
}

impl First<'_> {
    fn add(&mut self, place: Vec<u8>, row: Row) -> Result<(), Error> {
        if self.is_full() && self.rows.last_key_value().is_some_and(|(last, _)| *last < place) {
            self.more = true;
            return Ok(());
        }
        let bytes = place.len() + row.bytes();
        self.budget.take(bytes)?;
        self.bytes += bytes;
        self.rows.insert(place, row);
        while self.is_full() && self.is_full_without_the_last() {
            let Some((place, row)) = self.rows.pop_last() else { break };
            let bytes = place.len() + row.bytes();
            self.budget.give_back(bytes);
            self.bytes -= bytes;
            self.more = true;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.query.limit || self.query.fills_a_page(self.bytes)
    }

    fn is_full_without_the_last(&self) -> bool {
        let Some((place, row)) = self.rows.last_key_value() else { return false };
        self.rows.len() > self.query.limit || self.query.fills_a_page(self.bytes - place.len() - row.bytes())
    }
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
