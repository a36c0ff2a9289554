//! Lists of rows: a page of those that pass a filter, in an order.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::error::Error;
use crate::query::filter::{Condition, KEY};
use crate::query::plan::{Plan, Wanted, helpful};
use crate::query::reader::{Reader, Values};
use crate::query::walk::{Rows, Walk};
use crate::rows::order;
use crate::rows::snapshot::Snapshot;
use crate::rows::view::View;
use kinora_types::TableSpec;

/// How much a query may read.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Budget {
    /// Entries that a page looks at, unless the client asks for a scan: some hundredths of a second.
    pub list_entries: usize,
    /// Rows that a count or statistics look at, unless the client asks for a scan: some tenths of a second.
    pub total_entries: usize,
    /// Entries that any query looks at when a scan was asked for: some seconds. A list goes on from there.
    pub scan_entries: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { list_entries: 20_000, total_entries: 200_000, scan_entries: 5_000_000 }
    }
}

impl Budget {
    /// Entries that a count or statistics look at.
    pub(crate) fn of_totals(scan: bool) -> usize {
        let budget = Self::default();
        if scan { budget.scan_entries } else { budget.total_entries }
    }
}

/// Rows that are read and asked at once.
pub(crate) const BATCH_ROWS: usize = 128;

/// Which rows of a table, in which order.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    pub table: String,
    pub filter: Condition,
    pub order: Vec<Order>,
    /// Rows of a page, at least 1.
    pub limit: usize,
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// Whether it may read more than it should.
    pub scan: bool,
}

/// What other systems call directions. A field that is called so is ordered by with `.asc` behind it.
const OTHER_DIRECTIONS: [&str; 6] = ["asc", "desc", "ascending", "descending", "nullsfirst", "nullslast"];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// The path of a field, or [`KEY`].
    pub field: String,
    pub descending: bool,
}

impl Order {
    /// Reads `flights.desc,origin` or `-flights`.
    pub fn parse(text: &str) -> Result<Vec<Self>, Error> {
        let term = |term: &str| {
            let invalid = |why: &str| Error::InvalidOrder { order: text.to_owned(), why: why.to_owned() };
            let (field, descending) =
                match (term.strip_prefix('-'), term.strip_suffix(".desc"), term.strip_suffix(".asc")) {
                    (Some(field), ..) | (_, Some(field), _) => (field, true),
                    (.., Some(field)) => (field, false),
                    // Nobody has a field of this name, but many a tool another word for it.
                    _ if term
                        .rsplit_once('.')
                        .is_some_and(|(_, last)| OTHER_DIRECTIONS.contains(&&*last.to_lowercase())) =>
                    {
                        return Err(invalid("a direction is .asc or .desc; null comes first, with .desc last"));
                    }
                    _ => (term, false),
                };
            match field {
                "" => Err(invalid("it takes fields, such as order=flights.desc,origin")),
                field if field.contains("[]") => Err(invalid("an array has no place in an order")),
                _ => Ok(Self { field: field.to_owned(), descending }),
            }
        };
        text.split(',').map(term).collect()
    }
}

/// A row: its key, and the JSON text that the projector wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: String,
    pub json: Arc<str>,
}

/// Some rows of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// How a query was, or would be, answered.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Explanation {
    /// The index that is read; none for the rows themselves, by key.
    pub index: Option<String>,
    /// What that index is ordered by.
    pub paths: Vec<String>,
    /// How many ranges of it.
    pub ranges: usize,
    pub backwards: bool,
    /// Whether the rows themselves are asked, as the index alone does not tell.
    pub filters_rows: bool,
    /// Whether rows are collected and sorted, as they do not come in the order that is wanted.
    pub sorts: bool,
    /// Entries that were looked at for this page, and rows that it has.
    pub entries_visited: usize,
    pub rows: usize,
    pub budget_entries: usize,
    /// Why there is no answer, if there is none.
    pub refused: Option<String>,
    /// The paths of an index that would serve this query, if it is not served by one alone.
    pub helpful_index: Option<Vec<String>>,
}

/// Where a page ended.
pub(crate) enum Cursor {
    /// Behind this entry of an index, or of the rows.
    Entry { index: [u8; 4], within: Vec<u8> },
    /// Behind the row with these values.
    Sorted(Vec<u8>),
}

const ENTRY: u8 = 1;
const SORTED: u8 = 2;

impl ListQuery {
    fn budget(&self) -> usize {
        let budget = Budget::default();
        if self.scan { budget.scan_entries } else { budget.list_entries }
    }

    /// What has to be the same for a cursor to make sense, whatever the version of the projection.
    pub(crate) fn fingerprint(&self) -> [u8; 4] {
        checksum(&(&self.table, &self.filter, &self.order))
    }

    pub(crate) fn read_cursor(&self) -> Result<Option<Cursor>, Error> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let damaged = || Error::InvalidCursor("it is damaged");
        let bytes = hex::decode(cursor).map_err(|_| damaged())?;
        let (fingerprint, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        if *fingerprint != self.fingerprint() {
            return Err(Error::InvalidCursor("its filters, order or table were others"));
        }
        match rest.split_first() {
            Some((&ENTRY, rest)) => {
                let (index, within) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
                Ok(Some(Cursor::Entry { index: *index, within: within.to_vec() }))
            }
            Some((&SORTED, rest)) => Ok(Some(Cursor::Sorted(rest.to_vec()))),
            _ => Err(damaged()),
        }
    }

    /// The values of the row that a page of a sorted list begins behind.
    pub(crate) fn sorted_after(&self) -> Result<Option<Vec<u8>>, Error> {
        match self.read_cursor()? {
            None => Ok(None),
            Some(Cursor::Sorted(values)) => Ok(Some(values)),
            Some(Cursor::Entry { .. }) => Err(Error::InvalidCursor("it is one of the rows as they are now")),
        }
    }

    pub(crate) fn write_cursor(&self, cursor: &Cursor) -> String {
        let mut bytes = self.fingerprint().to_vec();
        match cursor {
            Cursor::Entry { index, within } => {
                bytes.push(ENTRY);
                bytes.extend_from_slice(index);
                bytes.extend_from_slice(within);
            }
            Cursor::Sorted(values) => {
                bytes.push(SORTED);
                bytes.extend_from_slice(values);
            }
        }
        hex::encode(bytes)
    }
}

/// Against mistakes, not against malice: whoever makes up a cursor gets other rows that they may see anyway. Another build of
/// this program may have another one: a cursor of before is then refused.
fn checksum(what: &impl Hash) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    what.hash(&mut hasher);
    hasher.finalize().to_be_bytes()
}

/// Tells an index from others by what it is ordered by: its number can change from version to version.
fn index_checksum(table: &TableSpec, index: Option<u16>) -> [u8; 4] {
    checksum(&index.and_then(|index| table.indexes.get(usize::from(index))).map(|index| &index.paths))
}

impl Snapshot {
    /// A page of rows.
    pub fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.list_explained(query, &mut Explanation::default())
    }

    /// A page of rows that takes a few entries of an index and their rows, all of them in memory; `None` if it takes more.
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
    residual: &[&Condition],
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
    let mut page = Page { rows: Vec::new(), next: None };
    loop {
        let missing = query.limit - page.rows.len();
        let batch = if plan.residual.is_empty() { missing } else { missing.max(BATCH_ROWS) };
        let mut found = walk.rows(batch)?.into_iter();
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
            return Ok(page);
        }
        let exhausted = walk.visited() >= query.budget();
        if exhausted && !full && !query.scan {
            return Err(beyond_budget(wanted, query.budget()));
        }
        if full || exhausted {
            let index = index_checksum(wanted.table, plan.index);
            page.next = last.map(|within| query.write_cursor(&Cursor::Entry { index, within }));
            return Ok(page);
        }
    }
}

/// The first rows of all that pass, after `after`: by the values of the order, then by key.
pub(crate) fn sorted(
    wanted: &Wanted<'_>,
    residual: &[&Condition],
    query: &ListQuery,
    after: Option<&[u8]>,
    walk: &mut dyn Rows,
    explanation: &mut Explanation,
) -> Result<Page, Error> {
    let mut reader = Reader::new(wanted.table, residual.iter().copied())?;
    let sources = query.order.iter().map(|order| Ok((reader.source(&order.field)?, order.descending)));
    let sources = sources.collect::<Result<Vec<_>, Error>>()?;
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
    Ok(Page { rows: first.into_values().collect(), next })
}

/// Says which index would help.
pub fn beyond_budget(wanted: &Wanted<'_>, entries: usize) -> Error {
    let mut fields = Vec::new();
    wanted.filter.visit(&mut |test| fields.push(test.field.as_str()));
    fields.extend(wanted.order.iter().map(|order| order.field.as_str()));
    fields.dedup();
    let what = if fields.is_empty() { "this".to_owned() } else { fields.join(", ") };
    Error::BeyondBudget { table: wanted.table.name.clone(), what, entries, helpful: helpful(wanted) }
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
