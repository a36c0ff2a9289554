//! Version: a rollout, beside the version that is live: where it stands, its gates, and what can be done.

use kinora_api::limits::Limits;
use kinora_api::projections::Projection;
use kinora_api::rollouts::{Checklist, Gate};
use kinora_api::versions::{Promote, State, Version};
use kinora_api::{Kind, Problem};
use maud::{Markup, html};

use crate::ask::part;
use crate::buttons;
use crate::operation::Operation;
use crate::pages::projection::{card, position, progress};
use crate::parts::{badge, bytes, number, percent, short, since, used};
use crate::shell::Page;
use crate::visit::Visit;

pub async fn page(visit: &Visit<'_>, name: &str, number: u32) -> Result<Page, Problem> {
    let home = format!("/v1/projections/{}", part(name));
    let projection: Projection = visit.get(&home).await?;
    let version = find(&projection, number)?;
    let gates_at = format!("{home}/versions/{number}/gates");
    let gates = match projection.live == Some(number) || version.state.is_gone() {
        true => None,
        false => visit.get::<Checklist>(&gates_at).await.ok(),
    };
    let limits: Option<Limits> = visit.get("/v1/limits").await.ok();
    let done = visit.parameter("done").and_then(Operation::named);
    let live = projection.versions.iter().find(|one| Some(one.version) == projection.live);
    let beside = live.filter(|live| live.version != number && !version.state.is_gone());
    let body = html! {
        p.crumbs {
            a href="/console/" { "Overview" } " / "
            a href=(format!("/console/projections/{}", part(name))) { (name) }
        }
        @if let Some(operation) = done { div.notice.good role="status" { p { (operation.done()) } } }
        div #live data-stream=(format!("/console/api{home}")) {
            div.head { h1 { (name) " version " (number) } (badge(&version.state)) }
            @if version.state == State::Faulted {
                div.notice.bad role="alert" {
                    p { strong { "It stopped" } @if let Some(fault) = &version.fault { ": " (fault.message) } }
                    p { a.button href=(format!("/console/projections/{}/versions/{number}/fault", part(name))) {
                        "What happened, and what to do" } }
                }
            }
            (buttons::of_version(visit, &projection, version, gates.as_ref()))
            @match beside {
                Some(live) => div.cards.two { (card(visit, &projection, live)) (subject(version)) },
                None => div.cards { (subject(version)) },
            }
            @if let Some(gates) = &gates { (checklist(&gates.gates)) }
            (usage(version, limits.as_ref()))
        }
        @if let Some(live) = beside {
            p { a.button href=(format!("/console/projections/{}/difference?from={}&to={number}", part(name),
                live.version)) {
                "What differs from version " (live.version)
            } }
        }
        (made_of(version))
    };
    let page = Page::new("Overview", format!("{name} version {number}"), body);
    Ok(page.twin(format!("{home}/versions/{number}")).twin(gates_at))
}

pub fn find(projection: &Projection, number: u32) -> Result<&Version, Problem> {
    projection
        .versions
        .iter()
        .find(|version| version.version == number)
        .ok_or_else(|| Problem::new(Kind::UnknownVersion, format!("{} has no version {number}", projection.name)))
}

fn subject(version: &Version) -> Markup {
    html! {
        article.card.subject {
            header { h2 { "Version " (version.version) } (badge(&version.state)) }
            (progress(version))
            dl.pairs {
                div { dt { "Checkpoint" } dd { (position(version.checkpoint)) " of " (position(version.head)) } }
                div { dt { "Behind" } dd { (number(version.lag)) " events" } }
                div { dt { "Rate" } dd { (number(version.events_per_second as u64)) " events/s" } }
                div { dt { "Time left" } dd { @match version.eta_seconds {
                    Some(left) => (crate::parts::duration(left)), None => "–" } } }
                div { dt { "Goes live" } dd { @match version.promote {
                    Promote::Manual => "when somebody promotes it", Promote::WhenReady =>
                        "by itself, once its gates are open" } } }
            }
        }
    }
}

/// What has to hold before it goes live.
pub fn checklist(gates: &[Gate]) -> Markup {
    html! {
        section { h2 { "Gates" }
            ul.gates {
                @for gate in gates {
                    li.open[gate.passed].closed[!gate.passed] {
                        span.shape aria-hidden="true" {}
                        strong { (gate.gate.replace('_', " ")) } " "
                        span.quiet { @if gate.passed { "open" } @else { "closed" } } ": " (gate.reason)
                    }
                }
            }
        }
    }
}

/// What the guest has used of its limits.
fn usage(version: &Version, limits: Option<&Limits>) -> Markup {
    let Some(sandbox) = limits.map(|limits| &limits.sandbox) else { return html! {} };
    let usage = &version.usage;
    let all = [
        ("Memory", usage.memory_bytes, sandbox.memory_bytes, true),
        ("Fuel of an event", usage.event_fuel, sandbox.event_fuel, false),
        ("Fuel of a flush", usage.flush_fuel, sandbox.flush_fuel, false),
        ("Bytes of a commit", usage.commit_bytes, sandbox.commit_bytes, true),
        ("Operations of a call", usage.call_operations, sandbox.call_operations, false),
        ("Elements of tables", usage.table_elements, sandbox.table_elements, false),
    ];
    html! {
        section { h2 { "Used at most of its limits" }
            div.scroll tabindex="0" role="region" aria-label="Limits" { table.usage {
                thead { tr { th { "What" } th.right { "Used" } th.right { "Limit" } th.wide { "Share" } } }
                tbody {
                    @for (what, part, whole, in_bytes) in all {
                        @let share = percent(part as f64, whole as f64);
                        tr {
                            th scope="row" { (what) }
                            td.right { @if in_bytes { (bytes(part)) } @else { (number(part)) } }
                            td.right { @if in_bytes { (bytes(whole)) } @else { (number(whole)) } }
                            td.wide { (used(share, &format!("{share:.1} percent"))) " " (format!("{share:.1}")) "%" }
                        }
                    }
                }
            } }
        }
    }
}

fn made_of(version: &Version) -> Markup {
    let module = |digest: &str| html! { a href=(format!("/console/modules/{digest}")) { code { (short(digest)) } } };
    html! {
        section { h2 { "Made of" }
            dl.pairs {
                div { dt { "Projector" } dd { (module(&version.module.to_string())) } }
                div { dt { "Upcasters" } dd {
                    @if version.upcasters.is_empty() { "none" }
                    @for digest in &version.upcasters { (module(&digest.to_string())) " " }
                } }
                div { dt { "Identity" } dd { code { (short(&version.identity.to_string())) } } }
                div { dt { "Deployed" } dd { (since(version.created_at)) } }
                @if let Some(proof) = &version.determinism {
                    div { dt { "Proved deterministic" } dd {
                        (number(proof.events)) " events in " (proof.ways) " ways gave the same rows"
                    } }
                }
                @if let Some(review) = &version.reviewed {
                    div { dt { "Reviewed" } dd { "against v" (review.against) ", " (since(review.at))
                        @if let Some(who) = &review.who { " by " (who) } } }
                }
            }
            @if !version.skipped.is_empty() {
                h3 { "Events that it passes over" }
                ul { @for skipped in &version.skipped {
                    li { a href=(format!("/console/events/{}", skipped.position)) { (number(skipped.position)) }
                        ": “" (skipped.reason) "”, " (since(skipped.skipped_at)) }
                } }
            }
        }
    }
}
