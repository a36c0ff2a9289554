//! Row of a table: all of its fields, and what it was where its table keeps that.

use kinora_api::Problem;
use kinora_api::queries::RowVersions;
use maud::{Markup, html};
use serde_json::value::RawValue;

use crate::ask::{part, with};
use crate::pages::models::choice::STALE;
use crate::parts::{json, number};
use crate::shell::Page;
use crate::visit::Visit;

/// What a row was, at most.
const VERSIONS: &str = "10";

pub async fn page(visit: &Visit<'_>, name: &str, table: &str) -> Result<Page, Problem> {
    let key = visit.parameter("key").unwrap_or_default();
    let asked: Vec<_> = ["version", "at_position"]
        .into_iter()
        .filter_map(|name| visit.parameter(name).map(|value| (name, value)))
        .chain([STALE])
        .collect();
    let path = format!("/v1/read-models/{}/{}/{}", part(name), part(table), part(key));
    let at = with(&path, &asked);
    let row: Box<RawValue> = visit.get(&at).await?;
    let version: Vec<_> = asked.iter().filter(|(name, _)| *name != "at_position").copied().collect();
    let before: Option<RowVersions> =
        visit.get(with(&path, &[&version[..], &[("versions", VERSIONS)]].concat())).await.ok();
    let body = html! {
        p.crumbs {
            a href="/console/read-models" { "Read models" } " / "
            a href=(format!("/console/read-models/{}", part(name))) { (name) } " / "
            a href=(format!("/console/read-models/{}/{}", part(name), part(table))) { (table) }
        }
        h1 { (key) }
        (json::block(row.get()))
        @if let Some(before) = &before { (was(before)) }
    };
    Ok(Page::new("Read models", format!("{table}/{key}"), body).twin(at))
}

fn was(before: &RowVersions) -> Markup {
    html! {
        section { h2 { "What it was" }
            ol.trace { @for version in &before.versions {
                li {
                    @if let Some(position) = version.position {
                        "after event " a href=(format!("/console/events/{position}")) { (number(position)) }
                    } @else { "at the beginning" }
                    @match &version.row { Some(row) => (json::block(row.get())), None => p.quiet { "there was none" } }
                }
            } }
        }
    }
}
