//! Projection: its versions on a time line, how they move, and who did what and why.

use jiff::Timestamp;
use kinora_api::Problem;
use kinora_api::projections::Projection;
use kinora_api::versions::{State, Version};
use maud::{Markup, html};

use crate::ask::{part, with};
use crate::buttons::Offer;
use crate::history;
use crate::operation::Operation;
use crate::parts::{badge, bar, duration, number, percent, since};
use crate::shell::Page;
use crate::visit::Visit;

pub async fn page(visit: &Visit<'_>, name: &str) -> Result<Page, Problem> {
    let home = format!("/v1/projections/{}", part(name));
    let projection: Projection = visit.get(&home).await?;
    let history = history::newest(visit, &home).await?;
    let done = visit.parameter("done").and_then(Operation::named);
    let body = html! {
        p.crumbs { a href="/console/" { "Overview" } }
        @if let Some(operation) = done { div.notice.good role="status" { p { (operation.done()) } } }
        div #live data-stream=(format!("/console/api{home}")) {
            div.head {
                h1 { (projection.name) }
                div.actions { (more(&projection)) }
            }
            (fault(&projection))
            (cards(visit, &projection))
        }
        section { h2 { "Throughput" }
            div.chart #rates data-stream=(format!("/console/api{home}")) role="img"
                aria-label="Events a second of each version since this page was opened" {}
            noscript { p.quiet { "A chart needs JavaScript; the figures are in the table above." } }
        }
        (time_line(&projection))
        (history::section(&history, &format!("$kinora/projections/{name}")))
    };
    Ok(Page::new("Overview", name, body).twin(&home).twin(format!("{home}/history")).with_chart())
}

fn more(projection: &Projection) -> Markup {
    let name = part(&projection.name);
    let newest = projection.newest_there().filter(|newest| Some(newest.version) != projection.live);
    html! {
        a.button href=(format!("/console/read-models/{name}")) { "Read model" }
        @if let (Some(live), Some(newest)) = (projection.live, newest) {
            a.button href=(format!("/console/projections/{name}/difference?from={live}&to={}", newest.version)) {
                "Difference v" (live) " and v" (newest.version)
            }
        }
        a.button href=(with("/console/deploy", &[("name", &projection.name)])) { "Deploy a version…" }
    }
}

fn fault(projection: &Projection) -> Markup {
    let home = format!("/console/projections/{}", part(&projection.name));
    html! {
        @if let Some(version) = projection.faulted() {
            div.notice.bad role="alert" {
                p { strong { "Version " (version.version) " stopped" }
                    @if let Some(fault) = &version.fault { ": " (fault.message) } }
                p { a.button href=(format!("{home}/versions/{}/fault", version.version)) {
                    "What happened, and what to do" } }
            }
        }
    }
}

/// A card for each version that is there, the newest first; those that are gone are in the time line.
fn cards(visit: &Visit<'_>, projection: &Projection) -> Markup {
    let mut there: Vec<_> = projection.versions.iter().filter(|version| !version.state.is_gone()).collect();
    there.sort_by_key(|version| std::cmp::Reverse(version.version));
    html! {
        @if there.is_empty() { p.quiet { "No version of it is there any more." } }
        div.cards { @for version in there { (card(visit, projection, version)) } }
    }
}

pub fn card(visit: &Visit<'_>, projection: &Projection, version: &Version) -> Markup {
    let home = format!("/console/projections/{}/versions/{}", part(&projection.name), version.version);
    let is_live = projection.live == Some(version.version);
    let next = match version.state {
        State::Ready => Some(Operation::Promote),
        _ if is_live && projection.previous.is_some() => Some(Operation::Rollback),
        _ => None,
    };
    html! {
        article.card.live[is_live] {
            header { h2 { a href=(home) { "Version " (version.version) } } (badge(&version.state)) }
            (progress(version))
            dl.pairs {
                div { dt { "Checkpoint" } dd { (position(version.checkpoint)) " of " (position(version.head)) } }
                div { dt { "Behind" } dd { (number(version.lag)) " events" } }
                div { dt { "Rate" } dd { (number(version.events_per_second as u64)) " events/s" } }
                @if let Some(left) = version.eta_seconds { div { dt { "Time left" } dd { (duration(left)) } } }
                @if let Some(took) = version.replayed_in_ms {
                    div { dt { "Replayed in" } dd { (duration(took as f64 / 1_000.0)) } }
                }
                div { dt { "Memory" } dd { (crate::parts::bytes(version.memory_bytes)) } }
            }
            @if let Some(operation) = next {
                p { (Offer { visit, projection, version, operation, gates: None }.button()) }
            }
        }
    }
}

/// How much of history a version has gone through.
pub fn progress(version: &Version) -> Markup {
    let of = version.head.map_or(0, |head| (head + 1).saturating_sub(version.start));
    let share = if of == 0 { 100.0 } else { percent(version.applied as f64, of as f64) };
    let words = format!("{} of {} events", number(version.applied), number(of));
    html! {
        div.progress { (bar(share, &words)) span { (words) } }
        @if let Some(validation) = &version.validation {
            p.quiet {
                "Proving that it is deterministic: way " (validation.way) " of " (validation.ways) ", event "
                (number(validation.events)) " of " (number(validation.of))
            }
        }
        @if let Some(seconds) = version.stalled_seconds { p.bad { "Stalled for " (duration(seconds as f64)) } }
    }
}

pub fn position(position: Option<u64>) -> String {
    position.map_or_else(|| "–".to_owned(), number)
}

/// When each version came, was ready, and which one is live.
fn time_line(projection: &Projection) -> Markup {
    let now = Timestamp::now();
    let first = projection.versions.iter().map(|version| version.created_at).min().unwrap_or(now);
    let span = now.duration_since(first).as_secs_f64().max(1.0);
    let at = |time: Timestamp| 100.0 * time.duration_since(first).as_secs_f64() / span;
    html! {
        section { h2 { "Time line" }
            div.scroll tabindex="0" role="region" aria-label="Time line of versions" {
                table.line {
                    thead { tr { th { "Version" } th { "State" } th { "Deployed" } th { "Ready" } th.wide {
                        "Until now" } } }
                    tbody {
                        @for version in projection.versions.iter().rev() {
                            tr {
                                th scope="row" {
                                    a href=(format!("/console/projections/{}/versions/{}", part(&projection.name),
                                        version.version)) {
                                        "v" (version.version)
                                    }
                                }
                                td { (badge(&version.state)) }
                                td { (since(version.created_at)) }
                                td { @match version.ready_at { Some(time) => (since(time)), None => "–" } }
                                td.wide { (lane(at(version.created_at), version.ready_at.map(at))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn lane(from: f64, ready: Option<f64>) -> Markup {
    let ready = ready.unwrap_or(100.0);
    html! {
        svg.lane viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.coming x=(format!("{from:.2}")) y="2" height="4" width=(format!("{:.2}", (ready - from).max(0.6))) {}
            rect.there x=(format!("{ready:.2}")) y="2" height="4" width=(format!("{:.2}", (100.0 - ready).max(0.0))) {}
        }
    }
}
