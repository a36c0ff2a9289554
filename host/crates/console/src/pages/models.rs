//! Read models: which there are, their tables, and the queries that projectors answer themselves.

mod choice;
mod figures;
mod filters;
pub mod row;
pub mod table;

use kinora_api::Problem;
use kinora_api::modules::{NamedQuery, Table};
use kinora_api::projections::{Projection, Projections};
use kinora_api::queries::ReadModel;
use maud::{Markup, html};
use serde_json::Value;

use crate::ask::{part, with};
use crate::parts::{self, Part, json, number};
use crate::shell::{self, Page};
use crate::visit::Visit;
use choice::{STALE, versions};

pub async fn list(visit: &Visit<'_>) -> Result<Page, Problem> {
    let all = visit.get::<Projections>("/v1/projections").await?.projections;
    let page = Part::chosen(visit, &all, |one| &one.name);
    let body = html! {
        div.head { h1 { "Read models" } div.actions { (page.search(visit, "Read models")) } }
        @if all.is_empty() {
            (parts::empty("No read model yet", html! {
                p { "A read model is the rows that a projector has made of the log. Deploy a projector, and it has \
                    one." }
                p { a.button href="/console/deploy" { "Deploy…" } }
            }))
        } @else {
            ul.plain { @for one in &page.shown {
                li {
                    a href=(format!("/console/read-models/{}", part(&one.name))) { (one.name) } " "
                    @match one.live { Some(live) => span.quiet { "version " (live) " answers" }, None => span.quiet {
                        "nothing is live" } }
                }
            } }
            (page.pager(visit, ""))
        }
    };
    Ok(Page::new("Read models", "Read models", body).twin("/v1/projections"))
}

pub async fn one(visit: &Visit<'_>, name: &str) -> Result<Page, Problem> {
    let projection: Projection = visit.get(format!("/v1/projections/{}", part(name))).await?;
    let asked: Vec<_> =
        visit.parameter("version").map(|version| ("version", version)).into_iter().chain([STALE]).collect();
    let at = with(&format!("/v1/read-models/{}", part(name)), &asked);
    let model: Result<ReadModel, Problem> = visit.get(&at).await;
    let body = html! {
        p.crumbs { a href="/console/read-models" { "Read models" } }
        div.head { h1 { (name) }
            div.actions {
                (versions(visit, &projection))
                a.button href=(format!("/console/projections/{}", part(name))) { "Projection" }
            }
        }
        @match &model {
            Ok(model) => {
                p.quiet { "Version " (model.version) " at position " (model.position.map_or_else(|| "–".to_owned(),
                    number)) }
                (tables(visit, name, model))
                (queries(visit, name, model).await)
            }
            Err(problem) => (shell::shown(problem)),
        }
    };
    let mut page = Page::new("Read models", format!("Read model {name}"), body).twin(at);
    page.status = model.err().map_or(200, |problem| problem.status);
    Ok(page)
}

fn tables(visit: &Visit<'_>, name: &str, model: &ReadModel) -> Markup {
    let version = visit.parameter("version").map(|version| ("version", version));
    let version: Vec<_> = version.into_iter().collect();
    html! {
        section { h2 { "Tables" }
            table {
                thead { tr { th { "Table" } th { "Key" } th { "Indexes" } th { "History" } } }
                tbody { @for table in &model.tables {
                    tr {
                        th scope="row" {
                            a href=(with(&format!("/console/read-models/{}/{}", part(name), part(&table.name)),
                                &version)) { (table.name) }
                        }
                        td { (table.key) }
                        td { (indexes(table)) }
                        td { @match table.history { Some(events) => { "the last " (number(events)) " events" }, None
                            => "–" } }
                    }
                } }
            }
        }
    }
}

fn indexes(table: &Table) -> Markup {
    html! {
        @if table.indexes.is_empty() { "–" }
        @for index in &table.indexes {
            span.field { (index.name) " " code { (index.paths.join(", ")) } @if index.unique { " unique" } }
        }
    }
}

/// The queries that the projector answers, and the answer to the one that was asked.
async fn queries(visit: &Visit<'_>, name: &str, model: &ReadModel) -> Markup {
    let asked = visit.parameter("query").and_then(|wanted| model.queries.iter().find(|query| query.name == wanted));
    let arguments = visit.parameter("arguments").unwrap_or("{}");
    let answer = match asked {
        Some(query) => {
            let path = format!("/v1/read-models/{}/queries/{}", part(name), part(&query.name));
            let mut parameters = vec![("arguments", arguments), STALE];
            parameters.extend(visit.parameter("version").map(|version| ("version", version)));
            Some(visit.get::<Value>(with(&path, &parameters)).await)
        }
        None => None,
    };
    html! {
        @if !model.queries.is_empty() {
            section { h2 { "Queries that the projector answers" }
                @for query in &model.queries { (query_form(visit, query, asked.is_some_and(|one| one.name ==
                    query.name), arguments)) }
                @match &answer {
                    Some(Ok(answer)) => (json::block(&answer.to_string())),
                    Some(Err(problem)) => (shell::shown(problem)),
                    None => {},
                }
            }
        }
    }
}

fn query_form(visit: &Visit<'_>, query: &NamedQuery, is_asked: bool, arguments: &str) -> Markup {
    let field = format!("arguments-{}", query.name);
    html! {
        form.query method="get" action=(format!("/console{}", visit.path)) {
            input type="hidden" name="query" value=(query.name);
            @if let Some(version) = visit.parameter("version") { input type="hidden" name="version" value=(version); }
            h3 { (query.name) }
            p { (query.description) }
            label for=(field) { "Arguments, as JSON" }
            textarea id=(field) name="arguments" rows="2" { @if is_asked { (arguments) } @else { "{}" } }
            @if let Some(schema) = &query.arguments { details { summary { "What the arguments are" }
                (json::block(&schema.to_string())) } }
            button { "Ask" }
        }
    }
}
