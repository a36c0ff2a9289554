//! Table of a read model: rows by filter and order, as they are or were, and how to ask the same elsewhere.

use std::collections::BTreeSet;

use kinora_api::modules::Table;
use kinora_api::projections::Projection;
use kinora_api::queries::{ReadModel, RowPage};
use kinora_api::{Kind, Problem};
use maud::{Markup, html};
use serde_json::Value;

use crate::ask::{part, with};
use crate::pages::models::choice::{STALE, versions};
use crate::pages::models::{figures, filters};
use crate::parts::{command, json, number};
use crate::shell::{self, Page};
use crate::visit::Visit;

/// Columns that are shown; a row's own page has all of its fields.
const COLUMNS: usize = 12;

pub async fn page(visit: &Visit<'_>, name: &str, wanted: &str) -> Result<Page, Problem> {
    let projection: Projection = visit.get(format!("/v1/projections/{}", part(name))).await?;
    let version: Vec<_> =
        visit.parameter("version").map(|version| ("version", version)).into_iter().chain([STALE]).collect();
    let model: ReadModel = visit.get(with(&format!("/v1/read-models/{}", part(name)), &version)).await?;
    let table = model.tables.iter().find(|table| table.name == wanted).ok_or_else(|| {
        Problem::new(Kind::UnknownTable, format!("version {} of {name} has no table {wanted}", model.version))
    })?;
    let path = format!("/v1/read-models/{}/{}", part(name), part(wanted));
    let asked = filters::asked(visit);
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
        (filters::form(visit, table))
        (past(visit, table, &model))
        @match &rows {
            Ok(page) => (found(visit, name, wanted, table, page)),
            Err(problem) => (shell::shown(problem)),
        }
        (figures::section(visit, &path, &parameters).await)
        (elsewhere(visit, &at))
    };
    let mut page = Page::new("Read models", format!("{name} / {wanted}"), body).twin(at);
    page.status = rows.err().map_or(200, |problem| problem.status);
    Ok(page)
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
    let mut columns = filters::fields(table);
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

/// The same question elsewhere.
fn elsewhere(visit: &Visit<'_>, at: &str) -> Markup {
    let more = if at.contains('?') { "&" } else { "?" };
    let key = if visit.visitor.name.is_some() { " -H \"Authorization: Bearer $KINORA_KEY\"" } else { "" };
    html! {
        section { h2 { "Elsewhere" }
            p {
                a.button download="rows.csv" href=(format!("/console/api{at}{more}format=csv&limit=1000")) {
                    "CSV of 1,000 rows" } " "
                a.button href=(format!("/console/api{at}{more}explain=true")) { "How it is found" }
            }
            div.command {
                code data-origin="curl" { "curl" (key) " '" (at) "'" }
                button.small type="button" data-copy-above="true" hidden { "Copy" }
            }
            (command("kinora query --help"))
        }
    }
}
