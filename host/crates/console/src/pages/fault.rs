//! Fault: the event at which a version stopped, why, and the ways out of it.

use kinora_api::events::{Event, EventPage};
use kinora_api::projections::Projection;
use kinora_api::versions::{Fault, State, Version};
use kinora_api::{Kind, Problem};
use maud::{Markup, html};

use crate::ask::{part, with};
use crate::buttons::Offer;
use crate::operation::{Operation, stopped_at};
use crate::pages::events::{ask_upcasting, event, way};
use crate::pages::version::find;
use crate::parts::{command, number};
use crate::shell::Page;
use crate::visit::Visit;

pub async fn page(visit: &Visit<'_>, name: &str, version: u32) -> Result<Page, Problem> {
    let home = format!("/v1/projections/{}", part(name));
    let projection: Projection = visit.get(&home).await?;
    let version = find(&projection, version)?;
    let Some(fault) = &version.fault else {
        return Err(Problem::new(Kind::NothingToReproduce, format!("{name} version {} has no fault", version.version)));
    };
    let stopped = match fault.position {
        Some(position) => Some(at(visit, position).await),
        None => None,
    };
    // Without upcasters there is nothing between the log and the projector.
    let upcasting = match fault.position.filter(|_| !version.upcasters.is_empty()) {
        Some(position) => ask_upcasting(visit, name, version.version, position).await.ok(),
        None => None,
    };
    let own = format!("/console/projections/{}/versions/{}", part(name), version.version);
    let body = html! {
        p.crumbs {
            a href="/console/" { "Overview" } " / "
            a href=(format!("/console/projections/{}", part(name))) { (name) } " / "
            a href=(own) { "version " (version.version) }
        }
        h1.bad { span.state.faulted { span.shape aria-hidden="true" {} } (name) " version " (version.version)
            " stopped" }
        div.notice.bad { p { strong { (fault.message) } } p { (fault.hint) } }
        (facts(&projection, version, fault))
        (ways_out(visit, &projection, version, fault))
        @match &stopped {
            Some(Ok(found)) => section { h2 { "The event, as it is in the log" } (event(found))
                @if let Some(upcasting) = &upcasting { h3 { "As this version gets it" } (way(upcasting)) } },
            Some(Err(problem)) => p.quiet { "The event cannot be shown to you: " (problem.detail) },
            None => {},
        }
        @if !fault.backtrace.is_empty() {
            section { h2 { "Backtrace" } ol.backtrace tabindex="0" { @for frame in &fault.backtrace { li { code {
                (frame) } } } } }
        }
    };
    let page = Page::new("Overview", format!("{name} version {} stopped", version.version), body);
    let page = page.twin(format!("{home}/versions/{}", version.version));
    Ok(match fault.position {
        Some(position) => page.twin(format!("/v1/events?from={position}&limit=1")),
        None => page,
    })
}

async fn at(visit: &Visit<'_>, position: u64) -> Result<Event, Problem> {
    let path = with("/v1/events", &[("from", &position.to_string()), ("limit", "1")]);
    let page: EventPage = visit.get(path).await?;
    page.events.into_iter().next().ok_or_else(|| Problem::new(Kind::Internal, "there is no event there"))
}

fn facts(projection: &Projection, version: &Version, fault: &Fault) -> Markup {
    html! {
        dl.pairs {
            div { dt { "Kind" } dd { code { (fault.category) } } }
            @if let Some(position) = fault.position {
                div { dt { "Position" } dd { a href=(format!("/console/events/{position}")) { (number(position)) } } }
            }
            @if let Some(kind) = &fault.event_type {
                div { dt { "Type" } dd { (kind) @if let Some(schema) = fault.schema { ", schema " (schema) } } }
            }
            @if let Some(stream) = &fault.stream {
                div { dt { "Stream" } dd { a href=(with("/console/events", &[("stream", stream)])) { (stream) } } }
            }
            @if let Some(limit) = &fault.limit {
                div { dt { "Limit" } dd { code { "sandbox." (limit.name) } " = " (number(limit.value)) } }
            }
            div { dt { "Queries" } dd {
                @if projection.live == Some(version.version) {
                    "are " (if projection.on_fault.to_string() == "stale" { "answered with old rows, and a warning" }
                        else { "refused" })
                } @else if let Some(live) = projection.live { "are answered by version " (live) "; nobody notices" }
                @else { "nothing is live" }
            } }
        }
    }
}

/// What somebody can do, what one should try first on top.
fn ways_out(visit: &Visit<'_>, projection: &Projection, version: &Version, fault: &Fault) -> Markup {
    let is_stopped = version.state == State::Faulted;
    let button = |operation| Offer { visit, projection, version, operation, gates: None }.button();
    let name = &projection.name;
    html! {
        section { h2 { "What to do" }
            @if !is_stopped { p { "It is " (version.state) " again: nothing has to be done." } }
            @else {
                ol.ways {
                    @if projection.live == Some(version.version) && projection.previous.is_some() {
                        li { strong { "Answer queries again, now. " } "The version before still projects."
                            (button(Operation::Rollback)) }
                    }
                    li { strong { "Mend the projector, and deploy it. " }
                        "The new version replays the log; this one stays as it is meanwhile."
                        p { a.button href=(with("/console/deploy", &[("name", name)])) { "Deploy a version…" } }
                        (command(&format!("kinora deploy {name} --module PROJECTOR.wasm --wait"))) }
                    @if stopped_at(version).is_some() {
                        li { strong { "See it fail on your own machine. " }
                            "The bundle has the event, and the rows that the projector read."
                            (reproduction(visit, name, version.version)) }
                    }
                    @if fault.limit.is_some() {
                        li { strong { "Raise the limit, if the event is right to need more, then go on. " }
                            (button(Operation::Resume)) }
                    } @else {
                        li { strong { "Try again, if what failed was not the event. " } (button(Operation::Resume)) }
                    }
                    @if stopped_at(version).is_some() {
                        li { strong { "Pass over the event, for ever. " } "Its reason stands in the history."
                            (button(Operation::Skip)) }
                    }
                }
            }
        }
    }
}

fn reproduction(visit: &Visit<'_>, name: &str, version: u32) -> Markup {
    html! {
        p {
            @match visit.api.may("reproduction", name) {
                Ok(()) => a.button download
                    href=(format!("/console/api/v1/projections/{}/versions/{version}/reproduction", part(name))) {
                    "Download the bundle"
                },
                Err(why) => span.quiet { (why) },
            }
        }
        (command(&format!("kinora repro {name}-{version}.repro.json")))
    }
}
