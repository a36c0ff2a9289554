//! How a list of rows is read: which index (or the keys themselves) serves its filters and its order.

use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::filter::{Filter, Operator};
use super::{IndexSpec, TableSpec, keys, order, view};

/// Which rows of a table, in which order.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    pub table: String,
    pub filters: Vec<Filter>,
    pub order: Vec<Order>,
    /// Rows of a page, at least 1.
    pub limit: usize,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The path of a field, or [`Filter::KEY`].
    pub field: String,
    pub descending: bool,
}

impl Order {
    /// Reads `flights.desc,origin` or `-flights`.
    pub fn parse(text: &str) -> Result<Vec<Self>, Error> {
        let term = |term: &str| {
            let (field, descending) = match (term.strip_prefix('-'), term.strip_suffix(".desc")) {
                (Some(field), _) | (None, Some(field)) => (field, true),
                (None, None) => (term.strip_suffix(".asc").unwrap_or(term), false),
            };
            Self { field: field.to_owned(), descending }
        };
        let terms: Vec<_> = text.split(',').map(term).collect();
        let invalid = |why: &str| Err(Error::InvalidOrder { order: text.to_owned(), why: why.to_owned() });
        match terms.first() {
            _ if terms.iter().any(|term| term.field.is_empty()) => {
                invalid("it takes fields, such as order=flights.desc")
            }
            Some(first) if terms.iter().any(|term| term.descending != first.descending) => {
                invalid("an index is read forwards or backwards: all fields ascend, or all descend")
            }
            _ => Ok(terms),
        }
    }
}

pub struct Plan<'a> {
    table: &'a TableSpec,
    /// The number of values before the key in an entry; `None` for the rows themselves.
    pub index: Option<usize>,
    pub filters: &'a [Filter],
    /// The first key, and the first one after the last.
    pub lower: Vec<u8>,
    pub upper: Vec<u8>,
    pub reverse: bool,
    /// The entry where the page before ended.
    pub after: Option<Vec<u8>>,
    prefix: Vec<u8>,
    fingerprint: [u8; 8],
}

/// One way to read a table: an index, or its keys.
struct Candidate<'a> {
    index: Option<(u16, &'a IndexSpec)>,
    paths: Vec<&'a str>,
    /// How many leading paths are bound to one value each.
    bound: usize,
    /// How many filters narrow what is read.
    served: usize,
}

impl<'a> Plan<'a> {
    pub fn new(ordinal: u16, table: &'a TableSpec, query: &'a ListQuery) -> Result<Self, Error> {
        let indexes = (0..).zip(&table.indexes).map(|(number, index)| Some((number, index)));
        let mut best: Option<Candidate<'a>> = None;
        for index in std::iter::once(None).chain(indexes) {
            let better = |candidate: &Candidate| best.as_ref().is_none_or(|best| candidate.served > best.served);
            if let Some(candidate) = Candidate::new(index, query).filter(better) {
                best = Some(candidate);
            }
        }
        let candidate = best.ok_or_else(|| no_index(table, query))?;
        let prefix = match candidate.index {
            None => keys::rows(ordinal),
            Some((number, _)) => keys::index(ordinal, number),
        };
        let (lower, upper) = candidate.range(&prefix, &query.filters);
        let mut plan = Self {
            table,
            index: candidate.index.map(|(_, index)| index.paths.len()),
            filters: &query.filters,
            lower,
            upper,
            reverse: query.order.first().is_some_and(|order| order.descending),
            after: None,
            fingerprint: fingerprint(table, &candidate, query),
            prefix,
        };
        plan.after = query.cursor.as_deref().map(|cursor| plan.resume(cursor)).transpose()?;
        Ok(plan)
    }

    /// The row's key that an entry stands for.
    pub fn row_key(&self, entry: &[u8]) -> Result<String, Error> {
        let Some(values) = self.index else { return view::row_key(entry).map(str::to_owned) };
        let damaged = || Error::Corrupt(format!("an index entry of table {:?} makes no sense", self.table.name));
        let mut rest = entry.get(keys::INDEX_PREFIX_BYTES..).ok_or_else(damaged)?;
        for _ in 0..values {
            rest = order::length(rest).and_then(|length| rest.get(length..)).ok_or_else(damaged)?;
        }
        std::str::from_utf8(rest).map(str::to_owned).map_err(|_| damaged())
    }

    pub fn accepts(&self, key: &str, row: &Value) -> bool {
        let mut filters = self.filters.iter();
        filters.all(|filter| match filter.field.as_str() {
            Filter::KEY => filter.accepts(&Value::String(key.to_owned())),
            path => filter.accepts(order::at(row, path)),
        })
    }

    /// An opaque text that leads back to behind this entry.
    pub fn cursor(&self, entry: &[u8]) -> String {
        let rest = entry.get(self.prefix.len()..).unwrap_or_default();
        hex::encode([&self.fingerprint, rest].concat())
    }

    fn resume(&self, cursor: &str) -> Result<Vec<u8>, Error> {
        let bytes = hex::decode(cursor).map_err(|_| Error::InvalidCursor("it is damaged"))?;
        let (fingerprint, rest) = bytes.split_at_checked(8).ok_or(Error::InvalidCursor("it is damaged"))?;
        if fingerprint != self.fingerprint {
            return Err(Error::InvalidCursor("its filters, order or table were others"));
        }
        Ok([&self.prefix, rest].concat())
    }
}

/// What has to be the same for a cursor to make sense, whatever the version of the projection.
fn fingerprint(table: &TableSpec, candidate: &Candidate<'_>, query: &ListQuery) -> [u8; 8] {
    let paths = candidate.index.map(|(_, index)| &index.paths);
    let text = format!("{:?} {paths:?} {:?} {:?}", table.name, query.filters, query.order);
    let digest = Sha256::digest(text.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(digest.get(..8).unwrap_or(&[0; 8]));
    first
}

impl<'a> Candidate<'a> {
    /// `None` if it cannot serve this query.
    fn new(index: Option<(u16, &'a IndexSpec)>, query: &ListQuery) -> Option<Self> {
        let mut paths: Vec<&str> = match index {
            None => Vec::new(),
            Some((_, index)) => index.paths.iter().map(String::as_str).collect(),
        };
        // Whatever the index, its entries stand by key in the end.
        paths.push(Filter::KEY);
        if !query.filters.iter().all(|filter| paths.contains(&filter.field.as_str())) {
            return None;
        }
        let is_bound = |path: &&&str| {
            query.filters.iter().any(|filter| filter.field == **path && matches!(filter.operator, Operator::Equal(_)))
        };
        let bound = paths.iter().take_while(is_bound).count();
        let next =
            paths.get(bound).map_or(0, |path| query.filters.iter().filter(|filter| filter.field == *path).count());
        // What is bound to one value can stand anywhere in an order.
        let (fixed, free) = paths.split_at_checked(bound)?;
        let mut wanted = query.order.iter().map(|order| order.field.as_str()).filter(|field| !fixed.contains(field));
        let mut free = free.iter();
        if !wanted.all(|field| free.next() == Some(&field)) {
            return None;
        }
        let served = bound + next;
        let useless = served == 0 && !query.filters.is_empty();
        (!useless).then_some(Self { index, paths, bound, served })
    }

    /// The entries that can match. Bounds are wide where an encoding is short of its value: rows are looked at anyway.
    fn range(&self, prefix: &[u8], filters: &[Filter]) -> (Vec<u8>, Vec<u8>) {
        let encode = |path: &str, value: &Value| {
            let mut bytes = Vec::new();
            match value {
                // The key stands last, and as it is.
                Value::String(key) if path == Filter::KEY => bytes.extend_from_slice(key.as_bytes()),
                _ => order::encode(value, &mut bytes),
            }
            bytes
        };
        let mut fixed = prefix.to_vec();
        for path in self.paths.iter().take(self.bound) {
            let equal = filters.iter().find_map(|filter| match &filter.operator {
                Operator::Equal(value) if filter.field == *path => Some(value),
                _ => None,
            });
            fixed.extend_from_slice(&equal.map(|value| encode(path, value)).unwrap_or_default());
        }
        let mut lower = fixed.clone();
        let mut upper = keys::after(&fixed);
        if self.bound == self.paths.len() {
            // One row: the key itself is the bound.
            upper = [fixed.as_slice(), &[0]].concat();
        }
        let Some(path) = self.paths.get(self.bound) else { return (lower, upper) };
        let from = |value: &Value| [fixed.as_slice(), &encode(path, value)].concat();
        let to = |value: &Value| keys::after(&from(value));
        for filter in filters.iter().filter(|filter| filter.field == *path) {
            let (start, end) = match &filter.operator {
                Operator::Greater(value) | Operator::GreaterOrEqual(value) => (Some(from(value)), None),
                Operator::Less(value) | Operator::LessOrEqual(value) => (None, Some(to(value))),
                Operator::In(values) => (values.iter().map(from).min(), values.iter().map(to).max()),
                Operator::StartsWith(start) if *path == Filter::KEY => {
                    let start = [fixed.as_slice(), start.as_bytes()].concat();
                    (Some(start.clone()), Some(keys::after(&start)))
                }
                Operator::StartsWith(start) => (Some(text_start(from(&Value::String(start.clone())))), None),
                Operator::Equal(_) | Operator::NotEqual(_) => (None, None),
            };
            lower = start.map_or_else(|| lower.clone(), |start| lower.clone().max(start));
            upper = end.map_or_else(|| upper.clone(), |end| upper.clone().min(end));
        }
        (lower, upper)
    }
}

/// An encoded text without its end: what all texts that begin so begin with.
fn text_start(mut encoded: Vec<u8>) -> Vec<u8> {
    encoded.truncate(encoded.len().saturating_sub(2));
    encoded
}

fn no_index(table: &TableSpec, query: &ListQuery) -> Error {
    let mut what = String::new();
    let fields: Vec<_> = query.filters.iter().map(|filter| filter.field.as_str()).collect();
    if !fields.is_empty() {
        let _ = write!(what, "a filter on {}", fields.join(" and "));
    }
    if !query.order.is_empty() {
        let and = if what.is_empty() { "" } else { " with " };
        let order: Vec<_> = query.order.iter().map(|order| order.field.as_str()).collect();
        let _ = write!(what, "{and}an order by {}", order.join(", "));
    }
    let available = table.indexes.iter().map(|index| format!("{}({})", index.name, index.paths.join(", "))).collect();
    Error::NoIndex { table: table.name.clone(), what, available }
}
