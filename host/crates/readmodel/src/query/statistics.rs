//! Figures over many rows: counts, sums, means, extremes and percentiles, by groups; and facets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use crate::error::Error;
use crate::query::filter::Condition;
use crate::query::list::visit;
use crate::query::plan::Wanted;
use crate::query::reader::{Reader, Source, Values};
use crate::query::walk::{Rows, Walk};
use crate::rows::index::values;
use crate::rows::order;
use crate::rows::snapshot::Snapshot;

/// Groups, or values of a facet, that are told apart: what has more is no summary.
const MAX_GROUPS: usize = 10_000;

/// What is wanted of which rows.
#[derive(Clone, Debug, Default)]
pub struct StatisticsQuery {
    pub table: String,
    pub filter: Condition,
    pub figures: Vec<Figure>,
    /// The fields whose values make a group.
    pub group: Vec<String>,
    /// Fields whose values are counted, each for itself.
    pub facets: Vec<String>,
    /// Whether it may read more than it should.
    pub scan: bool,
}

/// One figure, and what it is called in the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub name: String,
    pub kind: Kind,
    /// None for a count of rows.
    pub field: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Count,
    Sum,
    Mean,
    Least,
    Greatest,
    /// By nearest rank: the value that so many percent of all are not above.
    Percentile(f64),
}

/// The answer: a group for each combination of values, in their order; one without values if nothing is grouped.
#[derive(Debug, PartialEq)]
pub struct Statistics {
    pub groups: Vec<Group>,
    /// For each facet its values with their counts, the most frequent ones first.
    pub facets: Vec<(String, Vec<(Value, u64)>)>,
}

#[derive(Debug, PartialEq)]
pub struct Group {
    pub values: Vec<Value>,
    pub figures: Map<String, Value>,
}

impl Figure {
    /// Reads `count,sum(delay),late:percentile(delay,90)`.
    pub fn parse(text: &str) -> Result<Vec<Self>, Error> {
        let mut figures = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            // A comma within parentheses belongs to its figure.
            let closed = rest.find('(').filter(|open| rest.find(',').is_none_or(|comma| *open < comma));
            let end = match closed.and_then(|open| Some(open + rest.get(open..)?.find(')')?)) {
                Some(close) => close + 1,
                None => rest.find(',').unwrap_or(rest.len()),
            };
            let (one, more) = rest.split_at_checked(end).unwrap_or((rest, ""));
            figures.push(Self::one(one).ok_or_else(|| Error::InvalidFigure { figure: one.to_owned() })?);
            rest = match more.strip_prefix(',') {
                Some(more) if !more.is_empty() => more,
                None if more.is_empty() => more,
                _ => return Err(Error::InvalidFigure { figure: text.to_owned() }),
            };
        }
        Ok(figures)
    }

    fn one(text: &str) -> Option<Self> {
        let (name, figure) = text.split_once(':').unwrap_or((text, text));
        let (kind, arguments) = match figure.split_once('(') {
            Some((kind, arguments)) => (kind, arguments.strip_suffix(')')?),
            None => (figure, ""),
        };
        let (field, percent) = arguments.split_once(',').map_or((arguments, None), |(field, p)| (field, Some(p)));
        let kind = match (kind, percent) {
            ("count", None) => Kind::Count,
            ("sum", None) => Kind::Sum,
            ("avg", None) => Kind::Mean,
            ("min", None) => Kind::Least,
            ("max", None) => Kind::Greatest,
            ("percentile", Some(percent)) => {
                Kind::Percentile(percent.parse().ok().filter(|percent| (0.0..=100.0).contains(percent))?)
            }
            _ => return None,
        };
        let field = (!field.is_empty()).then(|| field.to_owned());
        let complete = field.as_ref().map_or(kind == Kind::Count, |field| !field.contains("[]"));
        (complete && !name.is_empty()).then(|| Self { name: name.to_owned(), kind, field })
    }
}

/// What has been seen of one group for one figure.
enum Seen {
    Count(u64),
    Sum(Sum),
    Extreme(Option<Value>),
    Numbers(Vec<Number>),
}

/// Integers exactly, others with compensation for what rounding takes away (Neumaier).
#[derive(Default)]
struct Sum {
    count: u64,
    integers: i128,
    others: f64,
    lost: f64,
    any_other: bool,
}

impl Sum {
    fn add(&mut self, number: &Number) {
        self.count += 1;
        if let Some(integer) = number.as_i128() {
            self.integers += integer;
            return;
        }
        let number = number.as_f64().unwrap_or(0.0);
        let sum = self.others + number;
        let (large, small) =
            if self.others.abs() >= number.abs() { (self.others, number) } else { (number, self.others) };
        self.lost += (large - sum) + small;
        self.others = sum;
        self.any_other = true;
    }

    fn total(&self) -> f64 {
        self.integers as f64 + (self.others + self.lost)
    }

    fn value(&self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        let exact = (!self.any_other).then(|| Number::from_i128(self.integers)).flatten();
        exact.map_or_else(|| float(self.total()), Value::Number)
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

impl Seen {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Count => Self::Count(0),
            Kind::Sum | Kind::Mean => Self::Sum(Sum::default()),
            Kind::Least | Kind::Greatest => Self::Extreme(None),
            Kind::Percentile(_) => Self::Numbers(Vec::new()),
        }
    }

    /// Null counts for nothing, and only numbers are added up.
    fn add(&mut self, kind: Kind, value: Option<Cow<'_, Value>>) {
        let Some(value) = value else {
            if let Self::Count(count) = self {
                *count += 1;
            }
            return;
        };
        match (self, &*value) {
            (_, Value::Null) => {}
            (Self::Count(count), _) => *count += 1,
            (Self::Sum(sum), Value::Number(number)) => sum.add(number),
            (Self::Numbers(numbers), Value::Number(number)) => numbers.push(number.clone()),
            (Self::Extreme(known), _) => {
                let better = known.as_ref().is_none_or(|known| {
                    let (new, old) = (place(&value), place(known));
                    if kind == Kind::Least { new < old } else { new > old }
                });
                if better {
                    *known = Some(value.into_owned());
                }
            }
            (Self::Sum(_) | Self::Numbers(_), _) => {}
        }
    }

    fn finish(self, kind: Kind) -> Value {
        match (self, kind) {
            (Self::Count(count), _) => Value::from(count),
            (Self::Sum(sum), Kind::Mean) if sum.count > 0 => float(sum.total() / sum.count as f64),
            (Self::Sum(sum), _) => sum.value(),
            (Self::Extreme(value), _) => value.unwrap_or_default(),
            (Self::Numbers(mut numbers), Kind::Percentile(percent)) => {
                let rank = (numbers.len() as f64 * percent / 100.0).ceil().max(1.0) as usize - 1;
                if rank >= numbers.len() {
                    return Value::Null;
                }
                let (_, number, _) = numbers.select_nth_unstable_by(rank, order::compare);
                Value::Number(number.clone())
            }
            (Self::Numbers(_), _) => Value::Null,
        }
    }
}

fn place(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    order::encode(value, &mut bytes);
    bytes
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

/// What is being counted.
struct Count<'a> {
    query: &'a StatisticsQuery,
    figures: Vec<(Kind, Option<Source>)>,
    group: Vec<Source>,
    facets: Vec<(Source, Tally)>,
    groups: BTreeMap<Vec<u8>, (Vec<Value>, Vec<Seen>)>,
}

/// How often each value was there.
type Tally = BTreeMap<Vec<u8>, (Value, u64)>;

impl<'a> Count<'a> {
    fn new(query: &'a StatisticsQuery, reader: &mut Reader<'a>) -> Result<Self, Error> {
        let figure = |figure: &Figure| {
            let source = figure.field.as_ref().map(|field| reader.source(field)).transpose()?;
            Ok((figure.kind, source))
        };
        let figures = query.figures.iter().map(figure).collect::<Result<_, Error>>()?;
        let group = query.group.iter().map(|field| reader.source(field)).collect::<Result<_, Error>>()?;
        let facet = |field: &String| Ok((reader.source(field)?, Tally::new()));
        let facets = query.facets.iter().map(facet).collect::<Result<_, Error>>()?;
        let mut count = Self { query, figures, group, facets, groups: BTreeMap::new() };
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
                let fresh = self.fresh();
                self.groups.insert(place.clone(), (values, fresh));
            }
            if let Some((_, seen)) = self.groups.get_mut(&place) {
                for (seen, (kind, source)) in seen.iter_mut().zip(&self.figures) {
                    seen.add(*kind, source.as_ref().map(|source| row.value(source)));
                }
            }
        }
        for ((source, tally), field) in self.facets.iter_mut().zip(&self.query.facets) {
            let value = row.value(source);
            let elements: Vec<&Value> = match source {
                Source::Elements(_, elements) => values(elements, &value).collect(),
                _ => vec![&value],
            };
            for value in elements {
                let place = told_apart(std::slice::from_ref(value));
                if tally.len() == MAX_GROUPS && !tally.contains_key(&place) {
                    return Err(too_many(std::slice::from_ref(field)));
                }
                tally.entry(place).or_insert_with(|| (value.clone(), 0)).1 += 1;
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
        let facet = |(field, (_, tally)): (&String, (Source, Tally))| {
            let mut values: Vec<_> = tally.into_values().collect();
            values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            (field.clone(), values)
        };
        Statistics {
            groups: self.groups.into_values().map(group).collect(),
            facets: self.query.facets.iter().zip(self.facets).map(facet).collect(),
        }
    }
}

impl Snapshot {
    pub fn statistics(&self, query: &StatisticsQuery) -> Result<Statistics, Error> {
        let (ordinal, table) = self.table(&query.table)?;
        let wanted = Wanted { ordinal, table, filter: &query.filter, order: &[] };
        let plan = wanted.best(self.view())?;
        summed(&wanted, &plan.residual, query, &mut Walk::new(ordinal, self.view(), &plan))
    }
}

/// The figures over all rows that pass.
pub(crate) fn summed(
    wanted: &Wanted<'_>,
    residual: &[&Condition],
    query: &StatisticsQuery,
    walk: &mut dyn Rows,
) -> Result<Statistics, Error> {
    let mut reader = Reader::new(wanted.table, residual.iter().copied())?;
    let mut count = Count::new(query, &mut reader)?;
    visit(wanted, &reader, query.scan, walk, |values| count.add(values))?;
    Ok(count.finish())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_are_read_as_they_are_written() {
        let figures = Figure::parse("count,sum(a.b),late:percentile(a.b,99.5),count(c)").unwrap();
        let of =
            |name: &str, kind, field: Option<&str>| Figure { name: name.into(), kind, field: field.map(Into::into) };
        let expected = [
            of("count", Kind::Count, None),
            of("sum(a.b)", Kind::Sum, Some("a.b")),
            of("late", Kind::Percentile(99.5), Some("a.b")),
            of("count(c)", Kind::Count, Some("c")),
        ];
        assert_eq!(figures, expected);
        for text in
            ["sum", "median(a)", "percentile(a)", "percentile(a,101)", "sum(a", "count,,count", "count,", "sum(a[])"]
        {
            assert!(Figure::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sums_of_integers_are_exact_and_those_of_others_nearly() {
        let sum = |numbers: &[Value]| {
            let mut sum = Sum::default();
            numbers.iter().for_each(|number| sum.add(number.as_number().unwrap()));
            sum.value()
        };
        assert_eq!(sum(&[json!(9_007_199_254_740_993_u64), json!(1), json!(-1)]), json!(9_007_199_254_740_993_u64));
        assert_eq!(sum(&[json!(1e100), json!(1.0), json!(-1e100)]), json!(1.0));
        assert_eq!(sum(&vec![json!(0.1); 10]), json!(1.0));
        assert_eq!(sum(&[json!(u64::MAX), json!(u64::MAX)]), json!(2.0 * u64::MAX as f64));
        assert_eq!(sum(&[]), json!(null));
    }
}
