//! Advice where a query would read more than it may: the index that would serve it.

use crate::error::Error;
use crate::query::filter::{KEY, Operator, RowFilter};
use crate::query::list_query::Order;
use crate::query::plan::Wanted;

/// The index that would serve a query, as it is declared: fields that are one value first, then the order, or a range.
pub fn helpful(wanted: &Wanted<'_>) -> Option<Vec<String>> {
    let (mut bound, mut ranges) = (Vec::new(), Vec::new());
    for filter in wanted.filter.conjuncts() {
        let RowFilter::Test(test) = filter else { continue };
        let path = match &test.operator {
            _ if test.negated || test.field == KEY || test.field.starts_with("key.") => continue,
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
    let by_order: Vec<String> = wanted.order.iter().filter(|order| order.field != KEY).map(sign).collect();
    let rest = if by_order.is_empty() { ranges.into_iter().take(1).collect() } else { by_order };
    let mut paths: Vec<String> = Vec::new();
    for path in bound.into_iter().chain(rest) {
        if !paths.iter().any(|known| known.trim_start_matches('-') == path.trim_start_matches('-')) {
            paths.push(path);
        }
    }
    (!paths.is_empty()).then_some(paths)
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
