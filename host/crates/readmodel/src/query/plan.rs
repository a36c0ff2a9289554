//! Plans: by their keys or by which index a query finds its rows, which ranges of it, in which direction, and what then
//! has to be asked of the rows themselves.

pub(crate) mod ranges;
pub(crate) mod spans;

use std::ops::Range;

use kinora_types::TableSpec;

use crate::error::Error;
use crate::layout::{keys, order};
use crate::query::filter::RowFilter;
use crate::query::list_query::Order;
use crate::query::plan::ranges::Ranges;
use crate::query::plan::spans::{EntryPart, key_parts, spans};
use crate::rows::view::{self, View};

/// Entries that are looked at to find out how many a candidate would read.
const PROBED_ENTRIES: usize = 500;

/// A way to read a table, worked out for one query.
pub struct Plan<'a> {
    /// The number of the index; `None` for the rows themselves.
    pub index: Option<u16>,
    parts: Vec<EntryPart>,
    prefix: Vec<u8>,
    /// In order, without overlaps.
    pub ranges: Vec<Range<Vec<u8>>>,
    pub reverse: bool,
    /// Whether rows come in the order that the query wants.
    pub ordered: bool,
    /// What an entry does not tell.
    pub residual: Vec<&'a RowFilter>,
    /// How many parts are bound to single values, and whether the next one is bound to a range.
    narrow: usize,
}

/// What a plan is worked out for.
pub struct Wanted<'a> {
    pub ordinal: u16,
    pub table: &'a TableSpec,
    pub filter: &'a RowFilter,
    pub order: &'a [Order],
}

/// What a plan has to do at least.
#[derive(Clone, Copy, PartialEq)]
enum Least {
    /// Narrow what is read, or read it in order.
    Helps,
    Serves,
}

impl<'a> Wanted<'a> {
    /// The best plan.
    pub fn best(&self, view: View<'_>) -> Result<Plan<'a>, Error> {
        let mut plans = self.candidates();
        let most = |plans: &[Plan<'_>], ordered: bool| {
            plans.iter().filter(|plan| plan.ordered || !ordered).map(|plan| plan.narrow).max()
        };
        let narrowest = most(&plans, false).unwrap_or(0);
        let narrowest_ordered = most(&plans, true);
        // Reading in order spares a sort, and ends with the page; a few rows are sorted sooner than many are passed
        // over.
        let few = narrowest_ordered.is_some_and(|ordered| ordered < narrowest) && {
            let mut sizes = plans.iter().filter(|plan| plan.narrow == narrowest).map(|plan| plan.probe(view));
            sizes.try_fold(false, |few, size| Ok::<_, Error>(few || size? < PROBED_ENTRIES))?
        };
        match narrowest_ordered.filter(|_| !few) {
            Some(narrow) => plans.retain(|plan| plan.ordered && plan.narrow == narrow),
            None => plans.retain(|plan| plan.narrow == narrowest),
        }
        if plans.len() > 1 && narrowest > 0 {
            let sizes = plans.iter().map(|plan| plan.probe(view)).collect::<Result<Vec<_>, _>>()?;
            let mut sized: Vec<_> = sizes.into_iter().zip(plans).collect();
            sized.sort_by_key(|(size, plan)| (*size, plan.residual.len()));
            plans = sized.into_iter().map(|(_, plan)| plan).collect();
        }
        plans.into_iter().next().ok_or_else(|| Error::Corrupt(format!("table {:?} cannot be read", self.table.name)))
    }

    /// The plan by this index, or by key.
    pub fn by(&self, index: Option<u16>) -> Option<Plan<'a>> {
        let plans = self.candidates().into_iter().filter(|plan| plan.index == index && plan.ordered);
        plans.max_by_key(|plan| plan.narrow)
    }

    /// The plans that narrow what is read, or that read it in order. If there is none, the rows themselves.
    fn candidates(&self) -> Vec<Plan<'a>> {
        let by_key = |least| self.plan(None, keys::rows(self.ordinal), vec![EntryPart::Key], least);
        let parts = key_parts(self.table);
        let by_parts =
            (!parts.is_empty()).then(|| self.plan(None, keys::rows(self.ordinal), parts, Least::Helps)).flatten();
        let by_index = (0..).zip(&self.table.indexes).filter_map(|(number, index)| {
            let fields = index.columns().into_iter().map(EntryPart::Field);
            let parts = fields.chain(std::iter::once(EntryPart::Key)).collect();
            self.plan(Some(number), keys::index(self.ordinal, number), parts, Least::Helps)
        });
        let plans = by_key(Least::Helps).into_iter().chain(by_parts).chain(by_index);
        let plans: Vec<_> = plans.filter(|plan| plan.narrow > 0 || plan.ordered).collect();
        if plans.is_empty() { by_key(Least::Serves).into_iter().collect() } else { plans }
    }

    /// `None` if this index cannot serve the query, or is seen at once to be of no help.
    fn plan(&self, index: Option<u16>, prefix: Vec<u8>, parts: Vec<EntryPart>, least: Least) -> Option<Plan<'a>> {
        let conjuncts = self.filter.conjuncts();
        let mut ranges = Ranges::new(prefix.clone());
        let (mut fixed, mut narrow, mut met) = (Vec::new(), 0, vec![false; conjuncts.len()]);
        for (number, part) in parts.iter().enumerate() {
            let is_array = matches!(part, EntryPart::Field(column) if column.array.is_some());
            let said: Vec<_> = conjuncts.iter().map(|filter| spans(filter, part)).collect();
            let all = said.iter().flatten().cloned().reduce(|all, more| all.also(more, part));
            if number == 0 && all.is_none() && !self.begins_with(part) && least == Least::Helps {
                return None;
            }
            let single = all.as_ref().is_some_and(|all| matches!(all.spans.as_slice(), [span] if span.point));
            if is_array && (!single || !ranges.are_open()) {
                return None;
            }
            fixed.push(single && ranges.are_open());
            let Some(all) = all.filter(|_| ranges.are_open()) else {
                ranges.close();
                continue;
            };
            let points = all.spans.iter().all(|span| span.point);
            narrow += if points { 2 } else { 1 };
            let fits = ranges.add(part, &all);
            // Where only one of several elements is looked up, or parts of keys are narrowed generously, rows are
            // asked, too.
            let tells = match part {
                EntryPart::Field(_) => !is_array || said.iter().flatten().count() == 1,
                EntryPart::KeyPart { .. } => points,
                EntryPart::Key => true,
            };
            for (met, said) in met.iter_mut().zip(&said) {
                *met |= fits && tells && said.as_ref().is_some_and(|said| said.exact);
            }
            if !points {
                ranges.close();
            }
        }
        let (ordered, reverse) = self.serves(&parts, &fixed);
        let residual = conjuncts.iter().zip(&met).filter(|(_, met)| !**met).map(|(filter, _)| filter).collect();
        Some(Plan { index, parts, prefix, ranges: ranges.finish(), reverse, ordered, residual, narrow })
    }

    /// Whether the order begins with what stands at this part. Without an order, all are in that of the keys.
    fn begins_with(&self, part: &EntryPart) -> bool {
        match self.order.first() {
            Some(first) => part.is_ordered_by(&first.field),
            None => matches!(part, EntryPart::Key),
        }
    }

    /// Whether entries stand in the order that is wanted, and whether backwards.
    fn serves(&self, parts: &[EntryPart], fixed: &[bool]) -> (bool, bool) {
        let is_fixed = |field: &str| parts.iter().zip(fixed).any(|(part, fixed)| *fixed && part.is_ordered_by(field));
        let mut free = parts.iter().zip(fixed).filter(|(_, fixed)| !**fixed).map(|(part, _)| part);
        let mut reverse = None;
        for wanted in self.order.iter().filter(|wanted| !is_fixed(&wanted.field)) {
            let Some(part) = free.next() else { return (true, reverse.unwrap_or(false)) };
            if !part.is_ordered_by(&wanted.field) {
                return (false, false);
            }
            let backwards = wanted.descending != matches!(part, EntryPart::Field(column) if column.descending);
            if *reverse.get_or_insert(backwards) != backwards {
                return (false, false);
            }
            if matches!(part, EntryPart::Key) {
                break;
            }
        }
        (true, reverse.unwrap_or(false))
    }
}

impl Plan<'_> {
    /// How many entries it would read, up to [`PROBED_ENTRIES`].
    fn probe(&self, view: View<'_>) -> Result<usize, Error> {
        let mut found = 0;
        for range in &self.ranges {
            let mut entries = view.iterate(&range.start, &range.end, false);
            while found < PROBED_ENTRIES && entries.current().is_some() {
                found += 1;
                entries.advance();
            }
            entries.end()?;
        }
        Ok(found)
    }

    /// The row's key that an entry stands for.
    pub fn row_key<'e>(&self, entry: &'e [u8]) -> Result<&'e str, Error> {
        if self.index.is_none() {
            return view::row_key(entry);
        }
        let damaged = || Error::Corrupt(format!("the index entry {} makes no sense", hex::encode(entry)));
        let mut rest = entry.get(keys::INDEX_PREFIX_BYTES..).ok_or_else(damaged)?;
        for part in &self.parts {
            if let EntryPart::Field(column) = part {
                let length = order::length(rest, column.descending).ok_or_else(damaged)?;
                rest = rest.get(length..).ok_or_else(damaged)?;
            }
        }
        std::str::from_utf8(rest).map_err(|_| damaged())
    }

    /// What distinguishes an entry from the others of this index.
    pub fn within<'e>(&self, entry: &'e [u8]) -> &'e [u8] {
        entry.get(self.prefix.len()..).unwrap_or_default()
    }

    /// Goes on behind an entry of the page before.
    pub fn resume(&mut self, within: &[u8]) {
        let last = [self.prefix.as_slice(), within].concat();
        if self.reverse {
            self.ranges.retain(|range| range.start < last);
            if let Some(range) = self.ranges.last_mut() {
                range.end = last.min(std::mem::take(&mut range.end));
            }
        } else {
            let behind = [last.as_slice(), &[0]].concat();
            self.ranges.retain(|range| range.end > behind);
            if let Some(range) = self.ranges.first_mut() {
                range.start = behind.max(std::mem::take(&mut range.start));
            }
        }
    }
}
