//! Table of a read model: rows by filter and order, their figures and facets, and how to ask the same elsewhere.

use std::collections::BTreeSet;

use kinora_api::modules::Table;
use kinora_api::projections::Projection;
use kinora_api::queries::{FacetValue, ReadModel, RowPage, Statistics};
use kinora_api::{Kind, Problem};
use maud::{Markup, html};
use serde_json::Value;

use crate::ask::{part, with};
use crate::pages::models::choice::{STALE, versions};
use crate::parts::command;
use crate::parts::{bar, json, number, percent};
use crate::shell::{self, Page};
use crate::visit::Visit;

/// Columns that are shown; a row's own page has all of its fields.
const COLUMNS: usize = 12;

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

pub async fn page(visit: &Visit<'_>, name: &str, wanted: &str) -> Result<Page, Problem> {
    let projection: Projection = visit.get(format!("/v1/projections/{}", part(name))).await?;
    let version: Vec<_> =
        visit.parameter("version").map(|version| ("version", version)).into_iter().chain([STALE]).collect();
    let model: ReadModel = visit.get(with(&format!("/v1/read-models/{}", part(name)), &version)).await?;
    let table = model.tables.iter().find(|table| table.name == wanted).ok_or_else(|| {
        Problem::new(Kind::UnknownTable, format!("version {} of {name} has no table {wanted}", model.version))
    })?;
    let path = format!("/v1/read-models/{}/{}", part(name), part(wanted));
    let asked = asked(visit);
    let parameters: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let at = with(&path, &parameters);
    let rows: Result<RowPage, Problem> = visit.get(&at).await;
    let body = html! {
        p.crumbs {
            a href="/console/read-models" { "Read models" } " / "
            a href=(format!("/console/read-models/{}", part(name))) { (name) }
        }
        div.head { h1 { (wanted) } div.actions { (versions(visit, &projection)) } }
        p.quiet { "Version " (model.version) " at position " (model.position.map_or_else(|| "–".to_owned(), number))
            ". Key: " (table.key) }
        (filters(visit, table))
        (past(visit, table, &model))
        @match &rows {
            Ok(page) => (found(visit, name, wanted, table, page)),
            Err(problem) => (shell::shown(problem)),
        }
        (figures(visit, &path, &parameters, table).await)
        (elsewhere(&at))
    };
    let mut page = Page::new("Read models", format!("{name} / {wanted}"), body).twin(at);
    page.status = rows.err().map_or(200, |problem| problem.status);
    Ok(page)
}

/// What the API is asked: what is handed on, and the filter of the form.
fn asked(visit: &Visit<'_>) -> Vec<(String, String)> {
    let handed_on =
        HANDED_ON.iter().filter_map(|name| visit.parameter(name).map(|value| ((*name).to_owned(), value.to_owned())));
    let mut asked: Vec<_> = handed_on.collect();
    asked.push((STALE.0.to_owned(), STALE.1.to_owned()));
    asked.extend(filter(visit));
    asked
}

fn filter(visit: &Visit<'_>) -> Option<(String, String)> {
    let field = visit.parameter("field")?;
    let operator = visit.parameter("operator").unwrap_or("eq");
    let value = visit.parameter("value").unwrap_or_default();
    let value = match operator {
        "in" => format!("({value})"),
        "ilike" if !value.contains('*') => format!("*{value}*"),
        _ => value.to_owned(),
    };
    Some((field.to_owned(), format!("{operator}.{value}")))
}

/// The fields that rows have, as far as their projector says so.
fn fields(table: &Table) -> Vec<String> {
    let properties = table.schema.as_ref().and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

fn filters(visit: &Visit<'_>, table: &Table) -> Markup {
    let value = |name: &str| visit.parameter(name).unwrap_or_default();
    html! {
        form.filters method="get" action=(format!("/console{}", visit.path)) {
            @for name in ["version", "at_position"] {
                @if let Some(value) = visit.parameter(name) { input type="hidden" name=(name) value=(value); }
            }
            label { "Field" input name="field" value=(value("field")) list="fields" placeholder="key"
                autocomplete="off"; }
            datalist #fields { option value="key" {} @for field in fields(table) { option value=(field) {} } }
            label { "Is" select name="operator" {
                @for (name, word) in OPERATORS { option value=(name) selected[value("operator") == name] { (word) } }
            } }
            label { "Value" input name="value" value=(value("value")) autocomplete="off"; }
            label { "Order" input name="order" value=(value("order")) placeholder="field.desc,other"
                autocomplete="off"; }
            label { "Facets of" input name="facets" value=(value("facets")) list="fields" placeholder="field"
                autocomplete="off"; }
            label.check { input type="checkbox" name="scan" value="true" checked[value("scan") == "true"];
                " read without an index" }
            button { "Show" }
            @if !visit.parameters.is_empty() { a href=(format!("/console{}", visit.path)) { "All" } }
        }
    }
}

/// A slider through the positions that a table's history goes back to.
fn past(visit: &Visit<'_>, table: &Table, model: &ReadModel) -> Markup {
    let (Some(history), Some(now)) = (table.history, model.position) else { return html! {} };
    let at = visit.number("at_position").unwrap_or(now).min(now);
    html! {
        form.past method="get" action=(format!("/console{}", visit.path)) {
            @for (name, value) in visit.parameters.iter().filter(|(name, _)| name != "at_position" && name !=
                "cursor") {
                input type="hidden" name=(name) value=(value);
            }
            label for="at" { "As it was after event " output #at-shown for="at" { (number(at)) } }
            input #at type="range" name="at_position" min=(now.saturating_sub(history.saturating_sub(1))) max=(now)
                value=(at) data-submit="true" data-shown="at-shown";
            " " button.small { "Show" }
            @if at != now { a href=(visit.here_with(&[("at_position", ""), ("cursor", "")])) { "Now" } }
        }
    }
}

fn found(visit: &Visit<'_>, name: &str, table: &str, described: &Table, page: &RowPage) -> Markup {
    let rows: Vec<Value> =
        page.rows.iter().map(|row| serde_json::from_str(row.row.get()).unwrap_or_default()).collect();
    let columns = columns(described, &rows);
    let shown = columns.iter().take(COLUMNS).collect::<Vec<_>>();
    let cursor = page.next.as_deref().and_then(|next| next.split_once('?')).and_then(|(_, query)| {
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "cursor").map(|(_, value)| value.into_owned())
    });
    html! {
        @if page.rows.is_empty() { p.quiet { "No row is like that." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Rows" { table {
                thead { tr {
                    th { (described.key) }
                    @for column in &shown { th { (order_link(visit, column)) } }
                    @if columns.len() > shown.len() { th { span.quiet { "and " (columns.len() - shown.len()) " more" }
                        } }
                } }
                tbody { @for (row, value) in page.rows.iter().zip(&rows) {
                    tr {
                        th scope="row" { a href=(row_link(visit, name, table, &row.key)) { (row.key) } }
                        @for column in &shown { (cell(value.get(column.as_str()).unwrap_or(&Value::Null))) }
                        @if columns.len() > shown.len() { td {} }
                    }
                } }
            } }
        }
        @if let Some(cursor) = cursor { p.pager { a rel="next" href=(visit.here_with(&[("cursor", &cursor)])) { "Next"
            } } }
    }
}

/// Declared fields first, as they were declared, then whatever else the rows of the page have.
fn columns(table: &Table, rows: &[Value]) -> Vec<String> {
    let mut columns = fields(table);
    let known: BTreeSet<_> = columns.iter().cloned().collect();
    let others: BTreeSet<_> = rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys().cloned()).collect();
    columns.extend(others.difference(&known).cloned());
    columns
}

fn order_link(visit: &Visit<'_>, column: &str) -> Markup {
    let falling = format!("{column}.desc");
    let now = visit.parameter("order").unwrap_or_default();
    let (next, sign) = match now {
        now if now == falling => (column, " ↓"),
        now if now == column => ("", " ↑"),
        _ => (falling.as_str(), ""),
    };
    html! { a href=(visit.here_with(&[("order", next), ("cursor", "")])) { (column) (sign) } }
}

pub fn row_link(visit: &Visit<'_>, name: &str, table: &str, key: &str) -> String {
    let mut parameters = vec![("key", key)];
    parameters.extend(
        ["version", "at_position"].into_iter().filter_map(|name| visit.parameter(name).map(|value| (name, value))),
    );
    with(&format!("/console/read-models/{}/{}/row", part(name), part(table)), &parameters)
}

fn cell(value: &Value) -> Markup {
    html! { td.right[value.is_number()] { (json::inline(value)) } }
}

/// How often each value of a field is there, among the rows that the filter finds.
async fn figures(visit: &Visit<'_>, path: &str, asked: &[(&str, &str)], table: &Table) -> Markup {
    let Some(field) = visit.parameter("facets") else { return html! {} };
    let kept = asked.iter().filter(|(name, _)| !["order", "cursor", "limit"].contains(name)).copied();
    let parameters: Vec<_> = kept.chain([("facets", field)]).collect();
    let answer: Result<Statistics, Problem> = visit.get(with(path, &parameters)).await;
    html! {
        section { h2 { "Values of " (field) " in " (table.name) }
            @match &answer {
                Ok(statistics) => (facets(statistics.facets.as_ref().and_then(|facets| facets.get(field)))),
                Err(problem) => (shell::shown(problem)),
            }
        }
    }
}

fn facets(values: Option<&Vec<FacetValue>>) -> Markup {
    let values = values.map(Vec::as_slice).unwrap_or_default();
    let most = values.iter().map(|value| value.count).max().unwrap_or(1);
    html! {
        table.facets { tbody { @for value in values.iter().take(50) {
            tr {
                th scope="row" { (json::inline(&value.value)) }
                td.right { (number(value.count)) }
                td.wide { (bar(percent(value.count as f64, most as f64), &format!("{} rows", value.count))) }
            }
        } } }
    }
}

/// The same question elsewhere.
fn elsewhere(at: &str) -> Markup {
    let csv = format!("{at}{}format=csv&limit=1000", if at.contains('?') { "&" } else { "?" });
    html! {
        section { h2 { "Elsewhere" }
            p { a.button download="rows.csv" href=(format!("/console/api{csv}")) { "CSV of 1,000 rows" } }
            div.command {
                code data-origin="curl" { "curl '" (at) "'" }
                button.small type="button" data-copy-origin=(at) hidden { "Copy" }
            }
            (command("kinora query --help"))
        }
    }
}
