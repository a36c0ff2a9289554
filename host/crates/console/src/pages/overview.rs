//! Overview: what is wrong, what goes on, and how everything else does.

mod headline;
mod rollouts;

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use kinora_api::Problem;
use kinora_api::deciders::Deciders;
use kinora_api::events::EventPage;
use kinora_api::health::Readiness;
use kinora_api::log::Log;
use kinora_api::projections::{Projection, Projections};
use kinora_api::versions::{State, Version};
use maud::{Markup, html};

use crate::ask::{Ask, part, with};
use crate::pages::commands;
use crate::parts::{self, Part, badge, duration, number};
use crate::shell::Page;
use crate::visit::Visit;

/// Projections whose oldest waiting event is looked up: each takes a question.
const WAITS: usize = 20;

/// What the rate of appends is measured over.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);

pub async fn page(visit: &Visit<'_>) -> Result<Page, Problem> {
    let log: Log = visit.get("/v1/log").await?;
    let mut all = visit.get::<Projections>("/v1/projections").await?.projections;
    let deciders: Deciders = visit.get("/v1/deciders").await?;
    // It answers 503 with the same body where something waits.
    let ready = visit.ask(Ask::get("/readyz")).await;
    let ready = serde_json::from_slice::<Readiness>(&ready.body).ok();
    all.sort_by_key(|projection| (Reverse(urgency(projection)), projection.name.clone()));
    let recent = appended_lately(visit, &log).await;
    let body = html! {
        div #live data-every="2000" {
            (headline::section(&log, &all, &deciders.deciders, ready.as_ref()))
            (figures(&log, &all, recent))
            (rollouts::section(&all))
            (projections(visit, &all).await)
            @if !deciders.deciders.is_empty() { h2 { "Deciders" } (commands::table(&deciders.deciders)) }
        }
    };
    Ok(Page::new("Overview", "Overview", body)
        .twin("/v1/projections")
        .twin("/v1/log")
        .twin("/v1/deciders")
        .twin("/readyz"))
}

/// What comes first: trouble, then what waits for somebody, then what moves.
fn urgency(projection: &Projection) -> u8 {
    match projection.newest() {
        _ if projection.faulted().is_some() => 4,
        _ if projection.versions.iter().any(|version| version.stalled_seconds.is_some()) => 3,
        Some(newest) if newest.state == State::Ready => 2,
        Some(newest) if newest.state.is_underway() => 1,
        _ => 0,
    }
}

/// How many events came within the window; only whoever may read the log learns that.
async fn appended_lately(visit: &Visit<'_>, log: &Log) -> Option<u64> {
    let since = (Timestamp::now() - WINDOW).to_string();
    let page = visit.get::<EventPage>(with("/v1/events", &[("from_time", &since), ("limit", "1")])).await.ok()?;
    Some(page.events.first().map_or(0, |first| log.events.saturating_sub(first.position)))
}

/// The version that answers queries.
fn live(one: &Projection) -> Option<&Version> {
    one.versions.iter().find(|version| Some(version.version) == one.live)
}

fn figures(log: &Log, all: &[Projection], recent: Option<u64>) -> Markup {
    let moving = all.iter().flat_map(|one| &one.versions).filter(|version| version.state.is_underway()).count();
    let lag = all.iter().filter_map(|one| live(one).map(|version| version.lag)).max().unwrap_or(0);
    html! {
        dl.figures {
            div { dt { "Head of the log" } dd { @if log.events == 0 { "–" } @else { (number(log.events - 1)) } } }
            div {
                dt { "Appended in the last minute" }
                dd { @match recent { Some(events) => (number(events)), None => span.quiet { "not yours to see" } } }
            }
            div { dt { "Projections" } dd { (number(all.len() as u64)) } }
            div { dt { "Rollouts under way" } dd { (moving) } }
            div { dt { "Farthest behind" } dd { (number(lag)) span.unit { " events" } } }
            div { dt { "Log on disk" } dd { (parts::bytes(log.bytes_on_disk)) } }
        }
    }
}

async fn projections(visit: &Visit<'_>, all: &[Projection]) -> Markup {
    let page = Part::chosen(visit, all, |one| &one.name);
    let waits = oldest_waiting(visit, &page.shown).await;
    html! {
        div.head {
            h2 { "Projections" }
            div.actions {
                (page.search(visit, "Projections"))
                a.button href="/console/deploy" { "Deploy…" }
            }
        }
        @if all.is_empty() {
            (parts::empty("No projection yet", html! {
                p { "A projection is your code: it folds events into rows. Upload a projector's Wasm, and its first \
                    version
                    replays the whole log." }
                (parts::command("kinora deploy NAME --module PROJECTOR.wasm --wait"))
            }))
        } @else if page.shown.is_empty() {
            p.quiet { "No projection is called like that." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Projections" {
                table {
                    thead { tr {
                        th { "Name" } th { "Health" } th.right { "Live" } th.right { "Behind" } th.right {
                            "Oldest waiting" }
                        th.right { "Events/s" } th { "Rollout" }
                    } }
                    tbody { @for (one, wait) in page.shown.iter().zip(&waits) { (row(one, *wait)) } }
                }
            }
            (page.pager(visit, ", trouble first"))
        }
    }
}

/// How long the oldest event that a live version has not applied has been there.
async fn oldest_waiting(visit: &Visit<'_>, shown: &[&Projection]) -> Vec<Option<f64>> {
    let (mut waits, mut asked) = (Vec::with_capacity(shown.len()), 0);
    for one in shown {
        let behind = live(one).filter(|version| version.lag > 0 && asked < WAITS);
        waits.push(match behind {
            Some(version) => {
                asked += 1;
                let from = version.checkpoint.map_or(version.start, |at| at + 1).to_string();
                let page: Result<EventPage, _> =
                    visit.get(with("/v1/events", &[("from", &from), ("limit", "1")])).await;
                let event = page.ok().and_then(|page| page.events.into_iter().next());
                event.map(|event| Timestamp::now().duration_since(event.time).as_secs_f64().max(0.0))
            }
            None => None,
        });
    }
    waits
}

fn row(one: &Projection, wait: Option<f64>) -> Markup {
    let home = format!("/console/projections/{}", part(&one.name));
    let live = live(one);
    html! {
        tr {
            th scope="row" { a href=(home) { (one.name) } }
            td { (health(one)) }
            td.right { @match one.live { Some(version) => { "v" (version) }, None => span.quiet { "none" } } }
            td.right { @match live { Some(version) => (number(version.lag)), None => "–" } }
            td.right { @match wait { Some(seconds) => (duration(seconds)), None => "–" } }
            td.right { @match live { Some(version) => (number(version.events_per_second as u64)), None => "–" } }
            td { (rollouts::line(one)) }
        }
    }
}

fn health(one: &Projection) -> Markup {
    match (one.faulted(), live(one)) {
        (Some(version), _) => html! { (badge(&version.state)) " v" (version.version) },
        (None, Some(version)) if version.stalled_seconds.is_some() => parts::state::shaped("faulted", "stalled"),
        (None, Some(version)) => badge(&version.state),
        (None, None) => one.newest().map_or(html! {}, |newest| badge(&newest.state)),
    }
}
