//! Statistics over many rows: figures by groups, and facets.

use std::collections::BTreeMap;

use kinora_types::Budget;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::layout::index::values;
use crate::layout::order;
use crate::query::figures::{Figure, FigureKind, Seen, value_bytes};
use crate::query::filter::RowFilter;
use crate::query::list::visit;
use crate::query::noted::{Noted, Noting};
use crate::query::plan::Wanted;
use crate::query::reader::{Reader, ValueSource, Values};
use crate::query::walk::{Rows, Walk};
use crate::rows::snapshot::Snapshot;

/// Groups, or values of a facet, that are told apart: what has more is no summary.
const MAX_GROUPS: usize = 10_000;

/// What is wanted of which rows.
#[derive(Clone, Debug, Default)]
pub struct StatisticsQuery {
    pub table: String,
    pub filter: RowFilter,
    pub figures: Vec<Figure>,
    /// The fields whose values make a group, an array as a whole: a row is in one group.
    pub group: Vec<String>,
    /// In which order groups come; in that of their values where it says nothing.
    pub order: Vec<GroupOrder>,
    /// Groups at most.
    pub limit: Option<usize>,
    /// Fields whose values are counted, each for itself: of a path through an array (`tags[]`) its elements, so that a
    /// row counts as often as it has some.
    pub facets: Vec<String>,
    /// Whether it may read up to [`EntryLimits::scan_entries`](crate::EntryLimits::scan_entries).
    pub scan: bool,
    /// Fields that nobody has declared: the answer says which of them no row had.
    pub undeclared: Vec<String>,
}

/// What groups are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOrder {
    pub by: GroupValue,
    pub descending: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupValue {
    /// The value of the field of this number.
    Field(usize),
    /// The figure of this name.
    Figure(String),
}

/// The answer: a group for each combination of values, in their order; one without values if nothing is grouped.
#[derive(Debug, PartialEq)]
pub struct Statistics {
    pub groups: Vec<Group>,
    /// For each facet its values with their counts, the most frequent ones first.
    pub facets: Vec<(String, Vec<(Value, u64)>)>,
    /// Of the undeclared fields those that none of the rows had that were looked at.
    pub absent: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub struct Group {
    pub values: Vec<Value>,
    pub figures: Map<String, Value>,
}

/// A value among others: in their order, and told apart from all others whatever its length.
fn told_apart(values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    values.iter().for_each(|value| order::encode(value, &mut bytes));
    values
        .iter()
        .filter(|value| !value.is_number())
        .for_each(|value| bytes.extend_from_slice(value.to_string().as_bytes()));
    bytes
}

/// Where a group stands in an order.
fn place(group: &Group, order: &[GroupOrder]) -> Vec<u8> {
    let mut place = Vec::new();
    for GroupOrder { by, descending } in order {
        let value = match by {
            GroupValue::Field(number) => group.values.get(*number),
            GroupValue::Figure(name) => group.figures.get(name),
        };
        order::encode_directed(value.unwrap_or(&Value::Null), *descending, &mut place);
    }
    place
}

/// Bytes of memory that a group, a value of a facet, and a figure of a group take besides their values.
const PLACE_BYTES: usize = 96;

/// What is being counted.
struct Count<'a> {
    query: &'a StatisticsQuery,
    budget: &'a Budget,
    figures: Vec<(FigureKind, Option<ValueSource>)>,
    group: Vec<ValueSource>,
    facets: Vec<(ValueSource, Tally)>,
    groups: BTreeMap<Vec<u8>, (Vec<Value>, Vec<Seen>)>,
}

/// How often each value was there.
type Tally = BTreeMap<Vec<u8>, (Value, u64)>;

impl<'a> Count<'a> {
    fn new(query: &'a StatisticsQuery, reader: &mut Reader<'a>, budget: &'a Budget) -> Result<Self, Error> {
        let figure = |figure: &Figure| {
            let source = figure.field.as_ref().map(|field| reader.source(field)).transpose()?;
            Ok((figure.kind, source))
        };
        let figures = query.figures.iter().map(figure).collect::<Result<_, Error>>()?;
        let group = query.group.iter().map(|field| reader.source(field)).collect::<Result<_, Error>>()?;
        let facet = |field: &String| Ok((reader.source(field)?, Tally::new()));
        let facets = query.facets.iter().map(facet).collect::<Result<_, Error>>()?;
        let mut count = Self { query, budget, figures, group, facets, groups: BTreeMap::new() };
        if count.group.is_empty() && !count.figures.is_empty() {
            // Nothing at all is a group, too.
            count.groups.insert(Vec::new(), (Vec::new(), count.fresh()));
        }
        Ok(count)
    }

    fn fresh(&self) -> Vec<Seen> {
        self.figures.iter().map(|(kind, _)| Seen::new(*kind)).collect()
    }

    fn add(&mut self, row: &Values<'_>) -> Result<(), Error> {
        let too_many = |fields: &[String]| Error::TooManyGroups { fields: fields.join(", "), limit: MAX_GROUPS };
        if !self.figures.is_empty() {
            let values: Vec<Value> = self.group.iter().map(|source| row.value(source).into_owned()).collect();
            let place = told_apart(&values);
            if !self.groups.contains_key(&place) {
                if self.groups.len() == MAX_GROUPS {
                    return Err(too_many(&self.query.group));
                }
                let bytes = values.iter().map(value_bytes).sum::<usize>() + PLACE_BYTES * (1 + self.figures.len());
                self.budget.take(place.len() + bytes)?;
                let fresh = self.fresh();
                self.groups.insert(place.clone(), (values, fresh));
            }
            if let Some((_, seen)) = self.groups.get_mut(&place) {
                for (seen, (kind, source)) in seen.iter_mut().zip(&self.figures) {
                    let more = seen.add(*kind, source.as_ref().map(|source| row.value(source)));
                    self.budget.take(more)?;
                }
            }
        }
        for ((source, tally), field) in self.facets.iter_mut().zip(&self.query.facets) {
            let value = row.value(source);
            let elements: Vec<&Value> = match source {
                ValueSource::Elements(_, elements) => values(elements, &value).collect(),
                _ => vec![&value],
            };
            for value in elements {
                let place = told_apart(std::slice::from_ref(value));
                if tally.len() == MAX_GROUPS && !tally.contains_key(&place) {
                    return Err(too_many(std::slice::from_ref(field)));
                }
                match tally.get_mut(&place) {
                    Some((_, count)) => *count += 1,
                    None => {
                        self.budget.take(place.len() + PLACE_BYTES + value_bytes(value))?;
                        tally.insert(place, (value.clone(), 1));
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Statistics {
        let names = || self.query.figures.iter().map(|figure| figure.name.clone());
        let group = |(values, seen): (Vec<Value>, Vec<Seen>)| {
            let finished = seen.into_iter().zip(&self.figures).map(|(seen, (kind, _))| seen.finish(*kind));
            Group { values, figures: names().zip(finished).collect() }
        };
        let facet = |(field, (_, tally)): (&String, (ValueSource, Tally))| {
            let mut values: Vec<_> = tally.into_values().collect();
            values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            (field.clone(), values)
        };
        let mut groups: Vec<Group> = self.groups.into_values().map(group).collect();
        if !self.query.order.is_empty() {
            // Groups come in the order of their values, and this sort keeps that where it finds no difference.
            groups.sort_by_cached_key(|group| place(group, &self.query.order));
        }
        groups.truncate(self.query.limit.unwrap_or(usize::MAX));
        let facets = self.query.facets.iter().zip(self.facets).map(facet).collect();
        Statistics { groups, facets, absent: Vec::new() }
    }
}

impl Snapshot {
    /// Figures over rows.
    ///
    /// # Errors
    /// What makes no sense for this table, and what would read more than it may, in entries or by its budget.
    pub fn statistics(&self, query: &StatisticsQuery, budget: &Budget) -> Result<Statistics, Error> {
        let (ordinal, table) = self.table(&query.table)?;
        let view = self.view().within(budget);
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &[] };
        let plan = wanted.best(view)?;
        summed(&wanted, &plan.residual, query, &mut Walk::new(ordinal, view, &plan), budget)
    }
}

/// The figures over all rows that pass.
pub(crate) fn summed(
    wanted: &Wanted<'_>,
    residual: &[&RowFilter],
    query: &StatisticsQuery,
    walk: &mut dyn Rows,
    budget: &Budget,
) -> Result<Statistics, Error> {
    let mut reader = Reader::new(wanted.table, residual.iter().copied())?;
    let mut count = Count::new(query, &mut reader, budget)?;
    let mut noted = Noted::new(wanted.table, &query.undeclared);
    let walk = &mut Noting { rows: walk, noted: &mut noted };
    visit(wanted, &reader, query.scan, walk, |values| count.add(values))?;
    Ok(Statistics { absent: noted.absent(), ..count.finish() })
}
