//! Figures over the rows that a filter finds: how often each value is there, and sums, means and the like by group, as
//! bars.

use kinora_api::Problem;
use kinora_api::queries::{FacetValue, Statistics};
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::ask::with;
use crate::parts::{bar, json, number, percent};
use crate::shell;
use crate::visit::Visit;

/// Groups and values that are shown.
const SHOWN: usize = 50;

/// What is asked for, if anything is; `asked` has the filters.
pub async fn section(visit: &Visit<'_>, path: &str, asked: &[(&str, &str)]) -> Markup {
    html! {
        @if let Some(field) = visit.parameter("facets") { (facets(visit, path, asked, field).await) }
        @if let Some(figures) = visit.parameter("aggregate") { (groups(visit, path, asked, figures).await) }
    }
}

/// The filters, without what is of rows.
fn filters<'a>(asked: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    asked.iter().filter(|(name, _)| !["order", "cursor", "limit"].contains(name)).copied().collect()
}

async fn facets(visit: &Visit<'_>, path: &str, asked: &[(&str, &str)], field: &str) -> Markup {
    let parameters = [filters(asked), vec![("facets", field)]].concat();
    let answer: Result<Statistics, Problem> = visit.get(with(path, &parameters)).await;
    html! {
        section { h2 { "Values of " (field) }
            @match &answer {
                Ok(statistics) => (values(statistics.facets.as_ref().and_then(|facets| facets.get(field)))),
                Err(problem) => (shell::shown(problem)),
            }
        }
    }
}

fn values(values: Option<&Vec<FacetValue>>) -> Markup {
    let values = values.map(Vec::as_slice).unwrap_or_default();
    let most = values.iter().map(|value| value.count).max().unwrap_or(1);
    html! {
        table.facets { tbody { @for value in values.iter().take(SHOWN) {
            tr {
                th scope="row" { (json::inline(&value.value)) }
                td.right { (number(value.count)) }
                td.wide { (bar(percent(value.count as f64, most as f64), &format!("{} rows", value.count))) }
            }
        } } }
    }
}

async fn groups(visit: &Visit<'_>, path: &str, asked: &[(&str, &str)], figures: &str) -> Markup {
    let (by, limit) = (visit.parameter("group"), SHOWN.to_string());
    let mut parameters = [filters(asked), vec![("aggregate", figures)]].concat();
    if let Some(by) = by {
        parameters.extend([("group", by), ("limit", &limit)]);
    }
    let at = with(path, &parameters);
    let answer: Result<Statistics, Problem> = visit.get(&at).await;
    html! {
        section #figures { h2 { (figures) @if let Some(by) = by { " by " (by) } }
            @match &answer {
                Ok(statistics) => {
                    (chart(statistics.groups.as_deref().unwrap_or_default(), by.unwrap_or_default()))
                    p.quiet { a href=(format!("/console/api{at}")) { code { (at) } } }
                }
                Err(problem) => (shell::shown(problem)),
            }
        }
    }
}

/// A line for each group, a column with bars for each figure.
fn chart(groups: &[Map<String, Value>], by: &str) -> Markup {
    let fields: Vec<&str> = by.split(',').map(str::trim).filter(|field| !field.is_empty()).collect();
    let names = groups.first().into_iter().flat_map(Map::keys);
    let figures: Vec<&String> = names.filter(|name| !fields.contains(&name.as_str())).collect();
    let most = |figure: &str| groups.iter().filter_map(|group| size(group.get(figure))).fold(0.0, f64::max);
    html! {
        @if groups.is_empty() { p.quiet { "No row is like that." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Figures" { table.facets {
                thead { tr {
                    @for field in &fields { th { (field) } }
                    @for figure in &figures { th.right { (figure) } th.wide { span.quiet { "share of the largest" } } }
                } }
                tbody { @for group in groups.iter().take(SHOWN) { tr {
                    @for field in &fields { th scope="row" { (value(group.get(*field))) } }
                    @for figure in &figures {
                        @let found = group.get(figure.as_str());
                        td.right { (value(found)) }
                        td.wide { @if let Some(size) = size(found) {
                            (bar(percent(size, most(figure)), &format!("{figure}: {}", value(found)))) } }
                    }
                } } }
            } }
        }
    }
}

/// How long the bar of a number is.
fn size(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64).map(f64::abs)
}

fn value(value: Option<&Value>) -> String {
    match value {
        Some(Value::Number(whole)) if whole.is_u64() => number(whole.as_u64().unwrap_or_default()),
        Some(Value::Number(part)) => part.as_f64().map_or_else(|| part.to_string(), |part| format!("{part:.2}")),
        other => json::inline(other.unwrap_or(&Value::Null)),
    }
}
