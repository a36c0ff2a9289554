//! How a query finds its rows: by their keys or by an index, which ranges of it, in which direction, and what then has to
//! be asked of the rows themselves.

use std::ops::Range;

use crate::error::Error;
use crate::query::filter::{Condition, Operator};
use crate::query::list::Order;
use crate::query::reader::escape_part;
use crate::query::spans::{Place, Spans, key_parts, spans};
use crate::rows::view;
use crate::rows::view::View;
use crate::rows::{keys, order};
use kinora_types::TableSpec;

/// Ranges of one plan. Lists of values that give more are read as one range around them.
const MAX_RANGES: usize = 200;

/// Entries that are looked at to find out how many a candidate would read.
const PROBED_ENTRIES: usize = 500;

/// A way to read a table, worked out for one query.
pub struct Plan<'a> {
    /// The number of the index; `None` for the rows themselves.
    pub index: Option<u16>,
    places: Vec<Place>,
    prefix: Vec<u8>,
    /// In order, without overlaps.
    pub ranges: Vec<Range<Vec<u8>>>,
    pub reverse: bool,
    /// Whether rows come in the order that the query wants.
    pub ordered: bool,
    /// What an entry does not tell.
    pub residual: Vec<&'a Condition>,
    /// How many places are bound to single values, and whether the next one is bound to a range.
    narrow: usize,
}

/// What a plan is worked out for.
pub struct Wanted<'a> {
    pub ordinal: u16,
    pub table: &'a TableSpec,
    pub filter: &'a Condition,
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
        // Reading in order spares a sort, and ends with the page; a few rows are sorted sooner than many are passed over.
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
        let by_key = |least| self.plan(None, keys::rows(self.ordinal), vec![Place::Key], least);
        let parts = key_parts(self.table);
        let by_parts =
            (!parts.is_empty()).then(|| self.plan(None, keys::rows(self.ordinal), parts, Least::Helps)).flatten();
        let by_index = (0..).zip(&self.table.indexes).filter_map(|(number, index)| {
            let fields = index.columns().into_iter().map(Place::Field);
            let places = fields.chain(std::iter::once(Place::Key)).collect();
            self.plan(Some(number), keys::index(self.ordinal, number), places, Least::Helps)
        });
        let plans = by_key(Least::Helps).into_iter().chain(by_parts).chain(by_index);
        let plans: Vec<_> = plans.filter(|plan| plan.narrow > 0 || plan.ordered).collect();
        if plans.is_empty() { by_key(Least::Serves).into_iter().collect() } else { plans }
    }

    /// `None` if this index cannot serve the query, or is seen at once to be of no help.
    fn plan(&self, index: Option<u16>, prefix: Vec<u8>, places: Vec<Place>, least: Least) -> Option<Plan<'a>> {
        let conjuncts = self.filter.conjuncts();
        let mut ranges = Ranges { starts: vec![prefix.clone()], ends: None };
        let (mut fixed, mut narrow, mut met) = (Vec::new(), 0, vec![false; conjuncts.len()]);
        for (number, place) in places.iter().enumerate() {
            let is_array = matches!(place, Place::Field(column) if column.array.is_some());
            let said: Vec<_> = conjuncts.iter().map(|condition| spans(condition, place)).collect();
            let all = said.iter().flatten().cloned().reduce(|all, more| all.also(more, place));
            if number == 0 && all.is_none() && !self.begins_with(place) && least == Least::Helps {
                return None;
            }
            let single = all.as_ref().is_some_and(|all| matches!(all.spans.as_slice(), [span] if span.point));
            if is_array && (!single || ranges.ends.is_some()) {
                return None;
            }
            fixed.push(single && ranges.ends.is_none());
            let Some(all) = all.filter(|_| ranges.ends.is_none()) else {
                ranges.close();
                continue;
            };
            let points = all.spans.iter().all(|span| span.point);
            narrow += if points { 2 } else { 1 };
            let fits = ranges.add(place, &all);
            // Where only one of several elements is looked up, or parts of keys are narrowed generously, rows are asked, too.
            let tells = match place {
                Place::Field(_) => !is_array || said.iter().flatten().count() == 1,
                Place::Part { .. } => points,
                Place::Key => true,
            };
            for (met, said) in met.iter_mut().zip(&said) {
                *met |= fits && tells && said.as_ref().is_some_and(|said| said.exact);
            }
            if !points {
                ranges.close();
            }
        }
        let (ordered, reverse) = self.serves(&places, &fixed);
        let residual = conjuncts.iter().zip(&met).filter(|(_, met)| !**met).map(|(condition, _)| condition).collect();
        Some(Plan { index, places, prefix, ranges: ranges.finish(), reverse, ordered, residual, narrow })
    }

    /// Whether the order begins with what stands at this place. Without an order, all are in that of the keys.
    fn begins_with(&self, place: &Place) -> bool {
        match self.order.first() {
            Some(first) => place.is_ordered_by(&first.field),
            None => matches!(place, Place::Key),
        }
    }

    /// Whether entries stand in the order that is wanted, and whether backwards.
    fn serves(&self, places: &[Place], fixed: &[bool]) -> (bool, bool) {
        let fixed_place =
            |field: &str| places.iter().zip(fixed).any(|(place, fixed)| *fixed && place.is_ordered_by(field));
        let mut free = places.iter().zip(fixed).filter(|(_, fixed)| !**fixed).map(|(place, _)| place);
        let mut reverse = None;
        for wanted in self.order.iter().filter(|wanted| !fixed_place(&wanted.field)) {
            let Some(place) = free.next() else { return (true, reverse.unwrap_or(false)) };
            if !place.is_ordered_by(&wanted.field) {
                return (false, false);
            }
            let backwards = wanted.descending != matches!(place, Place::Field(column) if column.descending);
            if *reverse.get_or_insert(backwards) != backwards {
                return (false, false);
            }
            if matches!(place, Place::Key) {
                break;
            }
        }
        (true, reverse.unwrap_or(false))
    }
}

/// The ranges of entries, place by place.
struct Ranges {
    /// What the entries begin with, as far as all places are bound to single values.
    starts: Vec<Vec<u8>>,
    /// Once a place is not.
    ends: Option<Vec<Range<Vec<u8>>>>,
}

impl Ranges {
    /// Narrows to these values of the next place. `false` if that would be too many ranges, so that it only narrows.
    fn add(&mut self, place: &Place, values: &Spans) -> bool {
        let last = matches!(place, Place::Key | Place::Part { last: true, .. });
        let points = values.spans.iter().all(|span| span.point);
        let fits = self.starts.len() * values.spans.len() <= MAX_RANGES;
        let mut ranges = Vec::new();
        for start in &self.starts {
            let all = values.spans.iter().map(|span| placed(place, &span.lower, &span.upper, span.point));
            let mut all: Vec<_> = all.map(|range| joined(start, &range)).collect();
            // Greater values stand first in a descending field.
            all.sort_by(|a, b| a.start.cmp(&b.start));
            match (fits, all.first(), all.last()) {
                (false, Some(first), Some(last)) => ranges.push(first.start.clone()..last.end.clone()),
                _ => ranges.extend(all),
            }
        }
        if points && !last && fits {
            self.starts = ranges.into_iter().map(|range| range.start).collect();
        } else {
            self.ends = Some(ranges);
        }
        fits
    }

    /// The next places are not narrowed.
    fn close(&mut self) {
        if self.ends.is_none() {
            self.ends = Some(self.starts.iter().map(|start| start.clone()..keys::after(start)).collect());
        }
    }

    fn finish(mut self) -> Vec<Range<Vec<u8>>> {
        self.close();
        let mut ranges = self.ends.unwrap_or_default();
        ranges.sort_by(|a, b| a.start.cmp(&b.start));
        // Parts of keys are narrowed generously: what overlaps becomes one.
        let mut merged: Vec<Range<Vec<u8>>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = range.end.max(std::mem::take(&mut last.end)),
                _ => merged.push(range),
            }
        }
        merged
    }
}

fn joined(start: &[u8], range: &Range<Vec<u8>>) -> Range<Vec<u8>> {
    [start, &range.start].concat()..[start, &range.end].concat()
}

/// Where values from `lower` to `upper` stand at a place.
fn placed(place: &Place, lower: &[u8], upper: &[u8], point: bool) -> Range<Vec<u8>> {
    match place {
        Place::Field(column) if column.descending => {
            let inverted = |bytes: &[u8]| keys::after(&bytes.iter().map(|byte| !byte).collect::<Vec<_>>());
            if point {
                // A point is all that begins with one encoding, so its start has to be just that.
                let start: Vec<u8> = lower.iter().map(|byte| !byte).collect();
                let end = keys::after(&start);
                return start..end;
            }
            inverted(upper)..inverted(lower)
        }
        Place::Part { last: false, .. } => {
            let text = |bytes: &[u8]| escape_part(&String::from_utf8_lossy(bytes)).into_bytes();
            if point {
                let start = [text(lower).as_slice(), b"/"].concat();
                let end = keys::after(&start);
                return start..end;
            }
            // Escaping changes the order: only bounds without what it escapes are bounds of keys.
            let plain = |bytes: &[u8]| !bytes.iter().any(|byte| matches!(byte, b'%' | b'/' | 0xff));
            let start = if plain(lower) { lower.to_vec() } else { Vec::new() };
            let end = if plain(upper) { part_end(upper) } else { vec![0xff] };
            start..end
        }
        Place::Part { last: true, .. } if point => {
            let start = escape_part(&String::from_utf8_lossy(lower)).into_bytes();
            let end = [start.as_slice(), &[0]].concat();
            start..end
        }
        Place::Part { last: true, .. } => Vec::new()..vec![0xff],
        Place::Field(_) | Place::Key => lower.to_vec()..upper.to_vec(),
    }
}

/// After all keys whose part is not above `upper`. A shorter part that `upper` begins with is below it, but with the slash
/// that ends it, it can stand behind it: `p/` comes after `p-q/`.
fn part_end(upper: &[u8]) -> Vec<u8> {
    let behind = |length: &usize| upper.get(*length).is_some_and(|next| *next <= b'/');
    let shortest = (0..upper.len()).find(behind).unwrap_or(upper.len());
    [upper.get(..shortest).unwrap_or_default(), b"0"].concat()
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
        for place in &self.places {
            if let Place::Field(column) = place {
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

/// The index that would serve a query, as it is declared: fields that are one value first, then the order, or a range.
pub fn helpful(wanted: &Wanted<'_>) -> Option<Vec<String>> {
    let (mut bound, mut ranges) = (Vec::new(), Vec::new());
    for condition in wanted.filter.conjuncts() {
        let Condition::Test(test) = condition else { continue };
        let path = match &test.operator {
            _ if test.negated || test.field == crate::query::filter::KEY || test.field.starts_with("key.") => continue,
            Operator::Equal(_) | Operator::Is(_) => &mut bound,
            Operator::Contains(value) if value.is_array() => {
                bound.push(format!("{}[]", test.field));
                continue;
            }
            Operator::In(_) if !test.field.contains("[]") => &mut bound,
            Operator::Like(pattern) if pattern.prefix().0.is_empty() => continue,
            Operator::Contains(_) => continue,
            _ if test.field.contains("[]") => continue,
            _ => &mut ranges,
        };
        path.push(test.field.clone());
    }
    let sign = |order: &Order| if order.descending { format!("-{}", order.field) } else { order.field.clone() };
    let by_order: Vec<String> =
        wanted.order.iter().filter(|order| order.field != crate::query::filter::KEY).map(sign).collect();
    let rest = if by_order.is_empty() { ranges.into_iter().take(1).collect() } else { by_order };
    let mut paths: Vec<String> = Vec::new();
    for path in bound.into_iter().chain(rest) {
        if !paths.iter().any(|known| known.trim_start_matches('-') == path.trim_start_matches('-')) {
            paths.push(path);
        }
    }
    (!paths.is_empty()).then_some(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_below_a_bound_stands_before_its_end() {
        let parts = ["2013", "2013-05", "2013-05-01", "a", "a-b", "a.c", "ab", "b", "a b"];
        for upper in parts {
            for part in parts.iter().filter(|part| **part <= upper) {
                assert!(format!("{part}/x").as_bytes() < part_end(upper.as_bytes()).as_slice(), "{part} <= {upper}");
            }
        }
    }
}
