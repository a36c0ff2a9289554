//! Aggregate: its events, and its state after any of them.

use kinora_api::commands::AggregateState;
use kinora_api::events::{Event, EventPage};
use kinora_api::modules::{DeciderManifest, OwnScope};
use kinora_api::{Kind, Problem};
use maud::{Markup, html};

use crate::ask::{part, with};
use crate::pages::commands::address::home;
use crate::parts::{json, number, since};
use crate::shell;
use crate::visit::Visit;

/// Events of a page.
const PAGE: &str = "20";

/// Characters of an event's data.
const DATA: usize = 80;

pub async fn section(visit: &Visit<'_>, name: &str, manifest: Option<&DeciderManifest>, id: &str) -> Markup {
    let position = visit.parameter("position");
    let at = with(
        &format!("/v1/deciders/{}/{}/state", part(name), part(id)),
        &position.map(|position| ("position", position)).into_iter().collect::<Vec<_>>(),
    );
    let state: Result<AggregateState, Problem> = visit.get(&at).await;
    let events = match manifest {
        Some(manifest) => Some(events(visit, &manifest.scope, id).await),
        None => None,
    };
    html! {
        section #state { h2 { "State of " (id) }
            @match &state {
                Ok(state) => {
                    p {
                        @match (state.revision, position) {
                            (None, _) => "It has no events yet",
                            (Some(_), None) => "As it is",
                            (Some(_), Some(position)) => { "After event " a
                                href=(format!("/console/events/{position}")) { (position) } " · "
                                a href=(with(&home(name), &[("id", id)])) { "as it is" } },
                        }
                    }
                    (json::block(state.state.get()))
                    p.quiet { a href=(format!("/console/api{at}")) { code { (at) } } }
                }
                Err(problem) => (shell::shown(problem)),
            }
            @match &events {
                Some(Ok(page)) => (revisions(visit, name, id, page)),
                // A stream begins with its first event.
                Some(Err(problem)) if problem.slug() == Kind::UnknownStream.slug() => {},
                Some(Err(problem)) => p.quiet { "Its events cannot be shown to you: " (problem.detail) },
                None => {},
            }
        }
    }
}

/// Those that its state is folded from, the newest first.
async fn events(visit: &Visit<'_>, scope: &OwnScope, id: &str) -> Result<EventPage, Problem> {
    let mut asked = vec![("direction", "backwards"), ("limit", PAGE)];
    asked.extend(visit.parameter("before").map(|before| ("from", before)));
    let tag;
    let path = match scope {
        OwnScope::Category(category) => format!("/v1/streams/{}/events", part(&format!("{category}-{id}"))),
        OwnScope::Tag(prefix) => {
            tag = format!("\"{prefix}:{id}\"");
            asked.push(("tags", &tag));
            "/v1/events".to_owned()
        }
    };
    visit.get(with(&path, &asked)).await
}

fn revisions(visit: &Visit<'_>, name: &str, id: &str, page: &EventPage) -> Markup {
    let shown = visit.number("position");
    let older = page.next.as_deref().and_then(from);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Events of the aggregate" { table {
            thead { tr { th.right { "Revision" } th { "State" } th { "Event" } th { "When" } th.wide { "Data" } } }
            tbody { @for event in &page.events { (revision(name, id, event, shown == Some(event.position))) } }
        } }
        @if let Some(older) = older {
            p.pager { a rel="next" href=(with(&home(name), &[("id", id), ("before", &older)])) { "Older" } }
        }
    }
}

fn revision(name: &str, id: &str, event: &Event, is_shown: bool) -> Markup {
    let position = event.position.to_string();
    html! {
        tr.chosen[is_shown] {
            td.right { (number(event.revision)) }
            td { a href=(format!("{}#state", with(&home(name), &[("id", id), ("position", &position)]))) {
                "after it" } }
            td { a href=(format!("/console/events/{position}")) { (event.kind) } span.quiet { "/" (event.schema) } }
            td { (since(event.time)) }
            td.wide { code.data { (json::line(&event.data, DATA)) } }
        }
    }
}

/// Where the next page begins, by its address.
fn from(next: &str) -> Option<String> {
    let (_, query) = next.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "from").map(|(_, from)| from.into_owned())
}
