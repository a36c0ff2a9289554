//! Events: the log, a stream, types and tags of it, as they come.

mod causes;
mod one;
mod upcasting;
mod whole;

use kinora_api::Problem;
use kinora_api::events::{Event, EventPage};
use kinora_api::log::Log;
use maud::{Markup, html};

use crate::ask::{part, with};
use crate::parts::{self, json, number, since};
use crate::shell::Page;
use crate::visit::Visit;

pub use one::page as one;
pub use upcasting::{ask as ask_upcasting, way};
pub use whole::event;

/// Events of a page.
const PAGE: &str = "50";

/// Characters of an event's data in a list.
const DATA: usize = 110;

/// What was asked for: of the whole log, or of one stream.
struct Wanted<'a> {
    stream: Option<&'a str>,
    /// Parameters of the API.
    parameters: Vec<(&'a str, &'a str)>,
    is_newest_first: bool,
}

pub async fn list(visit: &Visit<'_>) -> Result<Page, Problem> {
    let wanted = wanted(visit);
    let path = match wanted.stream {
        Some(stream) => format!("/v1/streams/{}/events", part(stream)),
        None => "/v1/events".to_owned(),
    };
    let at = with(&path, &[&wanted.parameters[..], &[("limit", PAGE)]].concat());
    let log: Option<Log> = visit.get("/v1/log").await.ok();
    let page: Result<EventPage, Problem> = visit.get(&at).await;
    let follow: Vec<_> = wanted
        .parameters
        .iter()
        .filter(|(name, _)| ["types", "tags", "stream_prefix"].contains(name))
        .copied()
        .collect();
    let stream = wanted.is_newest_first.then(|| format!("/console/api{}", with(&path, &follow)));
    let body = html! {
        div.head { h1 { "Events" }
            @if stream.is_some() {
                button.small #tail type="button" hidden aria-pressed="false" { "Follow" }
            }
        }
        (form(visit, log.as_ref()))
        @match &page {
            Ok(page) => (table(visit, &wanted, page, stream.as_deref())),
            Err(problem) => (crate::shell::shown(problem)),
        }
    };
    let mut shown = Page::new("Events", "Events", body).twin(at);
    shown.status = page.err().map_or(200, |problem| problem.status);
    Ok(shown)
}

fn wanted<'a>(visit: &'a Visit<'_>) -> Wanted<'a> {
    let stream = visit.parameter("stream");
    let of_log: &[&str] = if stream.is_some() { &[] } else { &["types", "tags", "stream_prefix"] };
    let known = of_log.iter().chain(&["from", "from_time"]);
    let mut parameters: Vec<_> = known.filter_map(|name| visit.parameter(name).map(|value| (*name, value))).collect();
    // The newest first, unless somebody says where to begin.
    let begins = parameters.iter().any(|(name, _)| name.starts_with("from"));
    let is_backwards = visit.parameter("direction").map_or(!begins, |direction| direction == "backwards");
    if is_backwards {
        parameters.push(("direction", "backwards"));
    }
    Wanted { stream, is_newest_first: is_backwards && !begins, parameters }
}

fn form(visit: &Visit<'_>, log: Option<&Log>) -> Markup {
    let value = |name: &str| visit.parameter(name).unwrap_or_default();
    let types = log.into_iter().flat_map(|log| &log.types);
    html! {
        form.filters method="get" action="/console/events" {
            label { "Stream" input name="stream" value=(value("stream")) placeholder="flight-1" autocomplete="off"; }
            label { "Streams that begin with" input name="stream_prefix" value=(value("stream_prefix"))
                placeholder="flight-" autocomplete="off"; }
            label { "Types" input name="types" value=(value("types")) list="types" placeholder="any"
                autocomplete="off"; }
            datalist #types { @for one in types { option value=(one.kind) { (number(one.events)) } } }
            label { "Tags" input name="tags" value=(value("tags")) placeholder="customer:7" autocomplete="off"; }
            label { "From position" input.short name="from" value=(value("from")) inputmode="numeric"
                autocomplete="off"; }
            label { "From time" input.short name="from_time" value=(value("from_time"))
                placeholder="2013-07-01T00:00:00Z" autocomplete="off"; }
            button { "Show" }
            @if !visit.parameters.is_empty() { a href="/console/events" { "All" } }
        }
    }
}

fn table(visit: &Visit<'_>, wanted: &Wanted<'_>, page: &EventPage, stream: Option<&str>) -> Markup {
    let last = page.events.last().map(|event| match wanted.stream {
        Some(_) => event.revision,
        None => event.position,
    });
    let is_backwards = wanted.parameters.contains(&("direction", "backwards"));
    let next = last.and_then(|last| if is_backwards { last.checked_sub(1) } else { Some(last + 1) });
    let next = next.filter(|_| page.next.is_some()).map(|next| next.to_string());
    html! {
        @if page.events.is_empty() && visit.parameters.is_empty() {
            (parts::empty("The log is empty", html! {
                p { "An event is a fact: a type, a schema and data. Append the first one:" }
                (parts::command("kinora append order-1 --type OrderPlaced --data '{\"amount\": 100}'"))
            }))
        } @else {
            @if page.events.is_empty() { p.quiet { "No event is like that." } }
            div.scroll tabindex="0" role="region" aria-label="Events" {
                table.events data-tail=[stream] {
                    thead { tr { th.right { "Position" } th { "When" } th { "Type" } th { "Stream" } th.wide { "Data"
                        } } }
                    tbody #events { @for event in &page.events { (row(event)) } }
                }
            }
        }
        @if let Some(next) = next {
            p.pager { a rel="next" href=(visit.here_with(&[
                ("from", &next), ("direction", if is_backwards { "backwards" } else { "forwards" }),
            ])) { @if is_backwards { "Older" } @else { "Later" } } }
        }
    }
}

fn row(event: &Event) -> Markup {
    html! {
        tr {
            td.right { a href=(format!("/console/events/{}", event.position)) { (number(event.position)) } }
            td { (since(event.time)) }
            td { (event.kind) span.quiet { "/" (event.schema) } }
            td { a href=(with("/console/events", &[("stream", &event.stream)])) { (event.stream) } }
            td.wide { code.data { (json::line(&event.data, DATA)) } }
        }
    }
}
