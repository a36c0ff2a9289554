//! Filters of a table: what the form of its page says, and what the API is asked for that.

use kinora_api::modules::Table;
use maud::{Markup, html};
use serde_json::Value;

use crate::pages::models::choice::STALE;
use crate::visit::Visit;

/// Parameters of the API that the page hands on as they are; filters come from its own fields.
const HANDED_ON: [&str; 7] = ["order", "cursor", "limit", "version", "at_position", "scan", "or"];

const OPERATORS: [(&str, &str); 8] = [
    ("eq", "="),
    ("neq", "≠"),
    ("gt", ">"),
    ("gte", "≥"),
    ("lt", "<"),
    ("lte", "≤"),
    ("ilike", "is like"),
    ("in", "is one of"),
];

/// Filters that the form takes.
const FILTERS: usize = 8;

/// One condition, as the form says it. All of them have to hold.
#[derive(Clone, Copy, Default)]
struct Filter<'a> {
    field: &'a str,
    operator: &'a str,
    value: &'a str,
}

/// What the API is asked: what is handed on, and the filters of the form.
pub fn asked(visit: &Visit<'_>) -> Vec<(String, String)> {
    let handed_on =
        HANDED_ON.iter().filter_map(|name| visit.parameter(name).map(|value| ((*name).to_owned(), value.to_owned())));
    let mut asked: Vec<_> = handed_on.collect();
    asked.push((STALE.0.to_owned(), STALE.1.to_owned()));
    asked.extend(filters(visit).map(condition));
    asked
}

/// Those that name a field.
fn filters<'a>(visit: &'a Visit<'_>) -> impl Iterator<Item = Filter<'a>> {
    let all = |wanted: &'static str| {
        visit.parameters.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.trim())
    };
    let operators = all("operator").chain(std::iter::repeat("eq"));
    let values = all("value").chain(std::iter::repeat(""));
    let each = all("field").zip(operators).zip(values);
    let each = each.map(|((field, operator), value)| Filter { field, operator, value });
    each.filter(|filter| !filter.field.is_empty()).take(FILTERS)
}

fn condition(filter: Filter<'_>) -> (String, String) {
    let Filter { field, operator, value } = filter;
    let value = match operator {
        "in" => format!("({value})"),
        "ilike" if !value.contains('*') => format!("*{value}*"),
        _ => value.to_owned(),
    };
    (field.to_owned(), format!("{operator}.{value}"))
}

/// The fields that rows have, as far as their projector says so.
pub fn fields(table: &Table) -> Vec<String> {
    let properties = table.schema.as_ref().and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

pub fn form(visit: &Visit<'_>, table: &Table) -> Markup {
    let value = |name: &str| visit.parameter(name).unwrap_or_default();
    let mut all: Vec<_> = filters(visit).collect();
    // One more, for whoever wants it.
    if all.len() < FILTERS {
        all.push(Filter::default());
    }
    html! {
        form.filters method="get" action=(format!("/console{}", visit.path)) {
            @for name in ["version", "at_position"] {
                @if let Some(value) = visit.parameter(name) { input type="hidden" name=(name) value=(value); }
            }
            datalist #fields { option value="key" {} @for field in fields(table) { option value=(field) {} } }
            @for filter in all {
                div.filter {
                    label { "Field" input name="field" value=(filter.field) list="fields" placeholder="key"
                        autocomplete="off"; }
                    label { "Is" select name="operator" {
                        @for (name, word) in OPERATORS { option value=(name) selected[filter.operator == name] {
                            (word) } }
                    } }
                    label { "Value" input name="value" value=(filter.value) autocomplete="off"; }
                }
            }
            label { "Order" input name="order" value=(value("order")) placeholder="field.desc,other"
                autocomplete="off"; }
            label { "Values of" input name="facets" value=(value("facets")) list="fields" placeholder="field"
                autocomplete="off"; }
            label { "Figures" input name="aggregate" value=(value("aggregate")) placeholder="count,avg(field)"
                autocomplete="off"; }
            label { "By" input name="group" value=(value("group")) list="fields" placeholder="field"
                autocomplete="off"; }
            label.check { input type="checkbox" name="scan" value="true" checked[value("scan") == "true"];
                " read without an index" }
            button { "Show" }
            @if !visit.parameters.is_empty() { a href=(format!("/console{}", visit.path)) { "All" } }
        }
    }
}
