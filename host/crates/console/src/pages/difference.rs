//! Difference: what two versions would answer differently, from counts down to the events that wrote a row.

use std::collections::BTreeMap;

use kinora_api::Problem;
use kinora_api::differences::{Diff, DiffEvents, DiffRows, Difference, RowTrace, TableDiff};
use kinora_api::projections::Projection;
use kinora_api::{Kind, versions::Version};
use maud::{Markup, html};
use serde_json::Value;

use crate::ask::{part, with};
use crate::buttons::Offer;
use crate::operation::Operation;
use crate::pages::version::find;
use crate::parts::figures::{number, percent};
use crate::parts::{bar, json};
use crate::shell::Page;
use crate::visit::Visit;

/// Rows on a page.
const ROWS: &str = "50";

/// Rows that the distributions are made of.
const SAMPLE: &str = "1000";

/// Seconds that a comparison may wait for a version that is behind.
const PATIENCE: &str = "5";

/// Fields whose distributions are shown.
const CHARTS: usize = 4;

const BINS: usize = 24;

pub async fn page(visit: &Visit<'_>, name: &str) -> Result<Page, Problem> {
    let home = format!("/v1/projections/{}", part(name));
    let projection: Projection = visit.get(&home).await?;
    let (from, to) = versions(visit, &projection)?;
    let both = [("from", from.to_string()), ("to", to.to_string()), ("timeout", PATIENCE.to_owned())];
    let both: Vec<(&str, &str)> = both.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let asked = [&both[..], &[("samples", "0")]].concat();
    let diff_at = with(&format!("{home}/diff"), &asked);
    let diff: Diff = visit.get(&diff_at).await?;
    let table = visit.parameter("table").or_else(|| most_changed(&diff));
    let mut body = html! {
        p.crumbs {
            a href="/console/" { "Overview" } " / " a href=(format!("/console/projections/{}", part(name))) { (name) }
        }
        div.head {
            h1 { "Version " (from) " against version " (to) }
            div.actions { (review(visit, &projection, to)) }
        }
        p.quiet { "Both as they are after the same event: "
            @match diff.position { Some(at) => (number(at)), None => "before the first one" } }
        (choose(visit, &projection, from, to))
        (counts(name, &diff, table))
    };
    let mut page = Page::new("Overview", format!("{name}: difference"), html! {}).twin(diff_at);
    if let Some(table) = table {
        let (markup, twin) = rows(visit, name, &home, &both, &diff, table).await?;
        body = html! { (body) (markup) };
        page = page.twin(twin);
    }
    page.body = body;
    Ok(page)
}

/// Those that are asked for, else the live one and the newest.
fn versions(visit: &Visit<'_>, projection: &Projection) -> Result<(u32, u32), Problem> {
    let asked = |name| visit.number(name).and_then(|number| u32::try_from(number).ok());
    let newest = projection.newest_there().map(|version| version.version);
    let from = asked("from").or(projection.live);
    let to = asked("to").or(newest);
    from.zip(to).ok_or_else(|| Problem::new(Kind::NothingLive, "there are no two versions that could be compared"))
}

fn most_changed(diff: &Diff) -> Option<&str> {
    let differ = |table: &TableDiff| table.added + table.removed + table.changed;
    let table = diff.tables.iter().filter(|table| differ(table) > 0).max_by_key(|table| differ(table));
    table.map(|table| table.table.as_str())
}

fn review(visit: &Visit<'_>, projection: &Projection, to: u32) -> Markup {
    let Ok(version) = find(projection, to) else { return html! {} };
    let offered = [Operation::Review, Operation::Promote];
    html! {
        @for operation in offered { (Offer { visit, projection, version, operation, gates: None }.button()) }
    }
}

fn choose(visit: &Visit<'_>, projection: &Projection, from: u32, to: u32) -> Markup {
    let there: Vec<&Version> = projection.versions.iter().filter(|version| !version.state.is_gone()).collect();
    let select = |name: &str, chosen: u32| {
        html! {
            select name=(name) aria-label=(name) {
                @for version in &there {
                    option value=(version.version) selected[version.version == chosen] { "version " (version.version) }
                }
            }
        }
    };
    html! {
        @if there.len() > 2 {
            form.inline method="get" action=(format!("/console{}", visit.path)) {
                "Compare " (select("from", from)) " with " (select("to", to)) " " button { "Compare" }
            }
        }
    }
}

/// Counts by table, and the fields that changed most in each.
pub fn counts(name: &str, diff: &Diff, chosen: Option<&str>) -> Markup {
    let (from, to) = (diff.from.to_string(), diff.to.to_string());
    let path = format!("/console/projections/{}/difference", part(name));
    html! {
        div.scroll tabindex="0" role="region" aria-label="Tables" { table {
            thead { tr {
                th { "Table" } th.right { "Rows before" } th.right { "Rows after" } th.right { "Added" }
                th.right { "Removed" } th.right { "Changed" } th.right { "Same" } th { "Fields that changed most" }
            } }
            tbody {
                @for table in &diff.tables {
                    tr.chosen[Some(table.table.as_str()) == chosen] {
                        th scope="row" {
                            a href=(with(&path, &[("from", &from), ("to", &to), ("table", &table.table)])) {
                                (table.table) }
                        }
                        td.right { (number(table.rows_from)) }
                        td.right { (number(table.rows_to)) }
                        td.right { (number(table.added)) }
                        td.right { (number(table.removed)) }
                        td.right { (number(table.changed)) }
                        td.right { (number(table.unchanged)) }
                        td { (changed_fields(table)) }
                    }
                }
            }
        } }
    }
}

fn changed_fields(table: &TableDiff) -> Markup {
    let mut fields: Vec<_> = table.changed_fields.iter().collect();
    fields.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let most = fields.first().map_or(0, |(_, count)| **count);
    html! {
        @if fields.is_empty() { "–" }
        @for (field, count) in fields.iter().take(4) {
            span.field {
                code { (field) } " " (number(**count)) " "
                (bar(percent(**count as f64, most as f64), &format!("{count} rows")))
            }
        }
        @if fields.len() > 4 { span.quiet { "and " (fields.len() - 4) " more" } }
    }
}

async fn rows(
    visit: &Visit<'_>,
    name: &str,
    home: &str,
    both: &[(&str, &str)],
    diff: &Diff,
    table: &str,
) -> Result<(Markup, String), Problem> {
    let change = visit.parameter("change").filter(|change| ["added", "removed", "changed"].contains(change));
    let comparison = diff.comparison.to_string();
    let mut asked = both.to_vec();
    asked.extend([("table", table), ("comparison", comparison.as_str())]);
    let sample: DiffRows = visit
        .get(with(&format!("{home}/diff/rows"), &[&asked[..], &[("change", "changed"), ("limit", SAMPLE)]].concat()))
        .await?;
    asked.push(("limit", ROWS));
    asked.extend(change.map(|change| ("change", change)));
    asked.extend(visit.parameter("after").map(|after| ("after", after)));
    let at = with(&format!("{home}/diff/rows"), &asked);
    let page: DiffRows = visit.get(&at).await?;
    let markup = html! {
        (distributions(&sample.rows))
        section { div.head { h2 { "Rows of " (table) } (filter(visit, change)) }
            @if page.rows.is_empty() { p.quiet { "No row differs." } } @else { (table_of(name, both, table, &page)) }
            @if let (Some(_), Some(last)) = (&page.next, page.rows.last()) {
                p.pager { a rel="next" href=(visit.here_with(&[("after", &format!("{table}/{}", last.key))])) { "Next"
                    } }
            }
        }
    };
    Ok((markup, at))
}

fn filter(visit: &Visit<'_>, chosen: Option<&str>) -> Markup {
    html! {
        div.tabs {
            @for (name, word) in [("", "all"), ("changed", "changed"), ("added", "added"), ("removed", "removed")] {
                a href=(visit.here_with(&[("change", name), ("after", "")]))
                    aria-current=[(chosen.unwrap_or_default() == name).then_some("true")] { (word) }
            }
        }
    }
}

fn table_of(name: &str, both: &[(&str, &str)], table: &str, page: &DiffRows) -> Markup {
    let path = format!("/console/projections/{}/difference/row", part(name));
    html! {
        div.scroll tabindex="0" role="region" aria-label="Rows" { table {
            thead { tr { th { "Key" } th { "Change" } th { "Field" } th { "Before" } th { "After" } } }
            tbody {
                @for row in &page.rows {
                    @let fields = changes(row);
                    @for (nth, (field, from, to)) in fields.iter().take(6).enumerate() {
                        tr.begins[nth == 0] {
                            @if nth == 0 {
                                @let of_row = [("table", table), ("key", row.key.as_str())];
                                @let asked: Vec<_> = both.iter().take(2).copied().chain(of_row).collect();
                                th scope="row" rowspan=(fields.len().min(6)) { a href=(with(&path, &asked)) {
                                    (row.key) } }
                                td rowspan=(fields.len().min(6)) { (row.change.as_str()) }
                            }
                            td { code { (field) } }
                            td.was { (from) }
                            td.is { (to) }
                        }
                    }
                }
            }
        } }
    }
}

/// The fields of a row that differ, before and after.
fn changes(row: &Difference) -> Vec<(String, String, String)> {
    let (from, to) = (value(row.from.as_deref()), value(row.to.as_deref()));
    let text = |value: &Value| json::inline(value);
    if row.fields.is_empty() {
        return vec![("(row)".to_owned(), text(&from), text(&to))];
    }
    row.fields.iter().map(|field| (field.clone(), text(at(&from, field)), text(at(&to, field)))).collect()
}

fn value(raw: Option<&serde_json::value::RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// A field by its name, or by its path.
fn at<'a>(row: &'a Value, field: &str) -> &'a Value {
    let direct = row.get(field);
    let by_path = || field.split('.').try_fold(row, |value, name| value.get(name));
    direct.or_else(by_path).unwrap_or(&Value::Null)
}

/// How numbers lay before, and how they lie after, for the fields that changed most.
fn distributions(rows: &[Difference]) -> Markup {
    let mut fields: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows {
        let (from, to) = (value(row.from.as_deref()), value(row.to.as_deref()));
        for field in &row.fields {
            if let (Some(from), Some(to)) = (at(&from, field).as_f64(), at(&to, field).as_f64()) {
                fields.entry(field).or_default().push((from, to));
            }
        }
    }
    let mut fields: Vec<_> = fields.into_iter().filter(|(_, pairs)| pairs.len() > 1).collect();
    fields.sort_by_key(|(_, pairs)| std::cmp::Reverse(pairs.len()));
    html! {
        @if !fields.is_empty() {
            section { h2 { "Numbers, before and after" }
                div.multiples { @for (field, pairs) in fields.iter().take(CHARTS) { (histogram(field, pairs)) } }
            }
        }
    }
}

fn histogram(field: &str, pairs: &[(f64, f64)]) -> Markup {
    let all = || pairs.iter().flat_map(|(from, to)| [*from, *to]);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let width = ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
    let count = |values: &mut dyn Iterator<Item = f64>| {
        let mut bins = vec![0_u32; BINS];
        for value in values {
            let bin = (((value - low) / width) as usize).min(BINS - 1);
            bins.get_mut(bin).into_iter().for_each(|bin| *bin += 1);
        }
        bins
    };
    let (from, to) = (count(&mut pairs.iter().map(|pair| pair.0)), count(&mut pairs.iter().map(|pair| pair.1)));
    let most = from.iter().chain(&to).copied().max().unwrap_or(1).max(1);
    let height = |count: u32| format!("{:.1}", f64::from(count) * 38.0 / f64::from(most));
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / pairs.len() as f64;
    let (before, after) = (mean(&mut pairs.iter().map(|pair| pair.0)), mean(&mut pairs.iter().map(|pair| pair.1)));
    let words = format!("{field}: mean {before:.3} before, {after:.3} after, of {} rows", pairs.len());
    html! {
        figure {
            figcaption { code { (field) } " " span.quiet { "mean " (format!("{before:.3}")) " → "
                (format!("{after:.3}")) } }
            svg.histogram viewBox="0 0 240 80" role="img" aria-label=(words) {
                @for (nth, (was, is)) in from.iter().zip(&to).enumerate() {
                    rect.was x=(nth * 10 + 1) width="8" height=(height(*was)) y=(format!("{:.1}", 39.0 -
                        f64::from(*was) * 38.0 / f64::from(most))) {}
                    rect.is x=(nth * 10 + 1) width="8" height=(height(*is)) y="41" {}
                }
                line x1="0" x2="240" y1="40" y2="40" {}
            }
            p.range { span { (format!("{low:.2}")) } span.quiet { "above: before, below: after" } span {
                (format!("{high:.2}")) } }
        }
    }
}

/// A row that differs, with the events that wrote it in either version.
pub async fn row(visit: &Visit<'_>, name: &str) -> Result<Page, Problem> {
    let wanted = |name: &str| visit.parameter(name).unwrap_or_default().to_owned();
    let (from, to, table, key) = (wanted("from"), wanted("to"), wanted("table"), wanted("key"));
    let asked = [("from", from.as_str()), ("to", &to), ("table", &table), ("key", &key)];
    let at = with(&format!("/v1/projections/{}/diff/events", part(name)), &asked);
    let events: DiffEvents = visit.get(&at).await?;
    let back = [("from", from.as_str()), ("to", &to), ("table", &table)];
    let body = html! {
        p.crumbs {
            a href="/console/" { "Overview" } " / "
            a href=(format!("/console/projections/{}", part(name))) { (name) } " / "
            a href=(with(&format!("/console/projections/{}/difference", part(name)), &back)) { "difference" }
        }
        h1 { (table) " / " (key) }
        p.lead { "The events that wrote this row in either version, and what it was after each." }
        div.cards.two { (trace(&from, &events.from)) (trace(&to, &events.to)) }
    };
    Ok(Page::new("Overview", format!("{table}/{key}"), body).twin(at))
}

fn trace(version: &str, trace: &RowTrace) -> Markup {
    html! {
        article.card {
            header { h2 { "Version " (version) } }
            @if trace.events.is_empty() { p.quiet { "No event has written it." } }
            ol.trace { @for step in &trace.events {
                li {
                    a href=(format!("/console/events/{}", step.position)) { (number(step.position)) } " "
                    strong { (step.kind) } "/" (step.schema) " " span.quiet { (step.stream) }
                    @match &step.row { Some(row) => (json::block(row.get())), None => p.quiet { "deleted it" } }
                }
            } }
        }
    }
}
