//! Overview: what is wrong, what goes on, and how everything else does.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use kinora_api::Problem;
use kinora_api::deciders::{DeciderState, Deciders};
use kinora_api::events::EventPage;
use kinora_api::health::Readiness;
use kinora_api::log::Log;
use kinora_api::projections::{Projection, Projections};
use kinora_api::versions::{State, Version};
use maud::{Markup, html};

use crate::ask::{Ask, part, with};
use crate::parts::{self, badge, bar, duration, number, percent};
use crate::shell::Page;
use crate::visit::Visit;

/// Projections on one page.
const PAGE: usize = 100;

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
            (headline(&log, &all, ready.as_ref()))
            (figures(&log, &all, recent))
            (projections(visit, &all).await)
            (decider_table(&deciders))
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

/// In one sentence whether somebody has to do something, and then what.
fn headline(log: &Log, all: &[Projection], ready: Option<&Readiness>) -> Markup {
    let faults: Vec<_> = all.iter().filter_map(|one| one.faulted().map(|version| (one, version))).collect();
    let stalled = ready.into_iter().flat_map(|ready| &ready.waiting).filter(|one| one.state != State::Faulted);
    let stalled: Vec<_> = stalled.collect();
    let waiting: Vec<_> = all.iter().filter_map(|one| waits(one).map(|version| (one, version))).collect();
    let trouble = faults.len() + stalled.len() + usize::from(log.poisoned.is_some());
    html! {
        @if trouble == 0 {
            h1.well { span.state.live { span.shape aria-hidden="true" {} } "All is well" }
        } @else {
            h1.bad { span.state.faulted { span.shape aria-hidden="true" {} }
                @if trouble == 1 { "One thing needs you" } @else { (trouble) " things need you" }
            }
        }
        @if trouble + waiting.len() > 0 {
            ul.attention {
                @if let Some(why) = &log.poisoned {
                    li.bad { strong { "The log takes no appends: " } (why)
                        ". Restart the host; nothing acknowledged is lost." }
                }
                @for (one, version) in faults.iter().take(PAGE) { (fault_line(one, version)) }
                @for one in stalled.iter().take(PAGE) {
                    li.bad {
                        a href=(format!("/console/projections/{}", part(&one.projection))) { (one.projection) }
                        " version " (one.version) " is live and does not go on: it is " (one.state)
                        @if let Some(seconds) = one.stalled_seconds { ", stalled for " (duration(seconds as f64)) }
                    }
                }
                @for (one, version) in waiting.iter().take(PAGE) {
                    li {
                        a href=(link(one, version)) { (one.name) " version " (version.version) }
                        " is ready. Look at what differs, then promote it."
                    }
                }
            }
        }
    }
}

fn fault_line(one: &Projection, version: &Version) -> Markup {
    let message = version.fault.as_ref().map(|fault| fault.message.as_str()).unwrap_or_default();
    let is_live = one.live == Some(version.version);
    html! {
        li.bad {
            a href=(format!("{}/fault", link(one, version))) { (one.name) " version " (version.version) " stopped" }
            @if let Some(position) = version.fault.as_ref().and_then(|fault| fault.position) {
                " at event " (number(position))
            }
            ": " (message) ". "
            span.quiet { @if is_live { "It is live: its queries are refused." } @else { "It is not live." } }
        }
    }
}

/// The version that is ready and waits for somebody.
fn waits(one: &Projection) -> Option<&Version> {
    one.newest().filter(|newest| newest.state == State::Ready)
}

fn link(one: &Projection, version: &Version) -> String {
    format!("/console/projections/{}/versions/{}", part(&one.name), version.version)
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

fn live(one: &Projection) -> Option<&Version> {
    one.versions.iter().find(|version| Some(version.version) == one.live)
}

async fn projections(visit: &Visit<'_>, all: &[Projection]) -> Markup {
    let wanted = visit.parameter("q").unwrap_or_default().to_lowercase();
    let found: Vec<_> = all.iter().filter(|one| one.name.to_lowercase().contains(&wanted)).collect();
    let from = (visit.number("from").unwrap_or(0) as usize).min(found.len());
    let shown: Vec<_> = found.iter().skip(from).take(PAGE).copied().collect();
    let waits = oldest_waiting(visit, &shown).await;
    html! {
        div.head {
            h2 { "Projections" }
            div.actions {
                @if all.len() > PAGE || !wanted.is_empty() {
                    form.inline method="get" action="/console/" {
                        input #filter type="search" name="q" value=(wanted) aria-label="Projections whose names contain"
                            placeholder="name contains…";
                    }
                }
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
        } @else if found.is_empty() {
            p.quiet { "No projection is called like that." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Projections" {
                table {
                    thead { tr {
                        th { "Name" } th { "Health" } th.right { "Live" } th.right { "Behind" } th.right {
                            "Oldest waiting" }
                        th.right { "Events/s" } th { "Rollout" }
                    } }
                    tbody { @for (one, wait) in shown.iter().zip(&waits) { (row(one, *wait)) } }
                }
            }
            (pager(visit, from, shown.len(), found.len()))
        }
    }
}

fn pager(visit: &Visit<'_>, from: usize, shown: usize, of: usize) -> Markup {
    html! {
        @if of > PAGE {
            p.pager {
                (from + 1) "–" (from + shown) " of " (number(of as u64)) ", trouble first. "
                @if from > 0 {
                    a rel="prev" href=(visit.here_with(&[("from", &from.saturating_sub(PAGE).to_string())])) {
                        "Previous" } " "
                }
                @if from + shown < of {
                    a rel="next" href=(visit.here_with(&[("from", &(from + shown).to_string())])) { "Next" }
                }
            }
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
            td { (rollout(one)) }
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

fn rollout(one: &Projection) -> Markup {
    let Some(newest) = one.newest().filter(|newest| Some(newest.version) != one.live) else { return html! {} };
    let of = newest.head.map_or(0, |head| (head + 1).saturating_sub(newest.start));
    let share = percent(newest.applied as f64, of as f64);
    html! {
        @if newest.state.is_underway() {
            a href=(link(one, newest)) { "v" (newest.version) } " "
            (bar(share, &format!("{share:.0} percent of history")))
            " " (format!("{share:.0}")) "%"
            @if let Some(left) = newest.eta_seconds { span.quiet { ", " (duration(left)) " left" } }
        } @else if newest.state == State::Ready {
            a href=(link(one, newest)) { "v" (newest.version) " is ready" }
        }
    }
}

fn decider_table(deciders: &Deciders) -> Markup {
    html! {
        @if !deciders.deciders.is_empty() {
            h2 { "Deciders" }
            table {
                thead { tr { th { "Name" } th { "Health" } th.right { "Live" } th { "Owns" } th { "Versions that wait"
                    } } }
                tbody {
                    @for one in &deciders.deciders {
                        tr {
                            th scope="row" { a href=(format!("/console/commands/{}", part(&one.name))) { (one.name) } }
                            td { @if one.decides { (parts::state::shaped("live", "decides")) }
                                @else { (parts::state::shaped("paused", "takes no commands")) } }
                            td.right { @match one.live { Some(version) => { "v" (version) }, None => span.quiet {
                                "none" } } }
                            td { @match &one.owns { Some(category) => { code { (category) "-…" } }, None => "–" } }
                            td {
                                @for version in one.versions.iter().filter(|version| waiting(version.state)) {
                                    "v" (version.version) " " (parts::decider_badge(version.state)) " "
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn waiting(state: DeciderState) -> bool {
    matches!(state, DeciderState::Proving | DeciderState::Ready | DeciderState::Faulted)
}
