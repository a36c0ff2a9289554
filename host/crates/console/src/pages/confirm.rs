//! Confirmation: what an operation will do, what differs, and the form that has it done.

use kinora_api::Problem;
use kinora_api::differences::Diff;
use kinora_api::projections::Projection;
use kinora_api::rollouts::Checklist;
use maud::{Markup, html};

use crate::ask::{part, with};
use crate::buttons::Offer;
use crate::forms::{reason, signature};
use crate::operation::{Operation, stopped_at};
use crate::pages::difference::counts;
use crate::pages::version::{checklist, find};
use crate::shell::{self, Page};
use crate::visit::Visit;

/// Seconds that a comparison may wait for a version that is behind: somebody waits for the page.
const PATIENCE: &str = "3";

pub async fn page(visit: &Visit<'_>, name: &str, number: u32, operation: Operation) -> Result<Page, Problem> {
    again(visit, name, number, operation, None).await
}

/// The page, with what the host said to the form.
pub async fn again(
    visit: &Visit<'_>,
    name: &str,
    number: u32,
    operation: Operation,
    said: Option<&Problem>,
) -> Result<Page, Problem> {
    let home = format!("/v1/projections/{}", part(name));
    let projection: Projection = visit.get(&home).await?;
    let version = find(&projection, number)?;
    let gates = match operation {
        Operation::Promote => visit.get::<Checklist>(format!("{home}/versions/{number}/gates")).await.ok(),
        _ => None,
    };
    let offer = Offer { visit, projection: &projection, version, operation, gates: gates.as_ref() };
    let body = html! {
        p.crumbs {
            a href="/console/" { "Overview" } " / "
            a href=(format!("/console/projections/{}", part(name))) { (name) } " / "
            a href=(format!("/console/projections/{}/versions/{number}", part(name))) { "version " (number) }
        }
        h1 { (operation.word()) ": " (name) " version " (number) }
        @if let Some(problem) = said { (shell::shown(problem)) }
        p.lead { (operation.does()) }
        (switch(&projection, operation, number))
        (difference(visit, &projection, operation, number).await)
        @if let Some(gates) = &gates { (checklist(&gates.gates)) }
        @match offer.why_not() {
            Some(why) => div.notice role="status" { p { "This cannot be done: " (why) "." } },
            None => (form(offer)),
        }
    };
    let mut page = Page::new("Overview", format!("{} {name} version {number}", operation.word()), body);
    page.status = said.map_or(200, |problem| problem.status);
    Ok(page.twin(home))
}

/// From which version to which one.
fn switch(projection: &Projection, operation: Operation, number: u32) -> Markup {
    let to = match operation {
        Operation::Promote => Some(number),
        Operation::Rollback => projection.previous,
        _ => None,
    };
    html! {
        @if let Some(to) = to {
            p.switch {
                span { "live now: " strong { @match projection.live { Some(live) => { "v" (live) }, None => "none" } } }
                " → " span { "live then: " strong { "v" (to) } }
            }
        }
    }
}

async fn difference(visit: &Visit<'_>, projection: &Projection, operation: Operation, number: u32) -> Markup {
    let to = match operation {
        Operation::Promote | Operation::Review => Some(number),
        Operation::Rollback => projection.previous,
        _ => None,
    };
    let (Some(from), Some(to)) = (projection.live, to) else { return html! {} };
    let path = format!("/v1/projections/{}/diff", part(&projection.name));
    let (shown_from, shown_to) = (from.to_string(), to.to_string());
    let asked = [("from", shown_from.as_str()), ("to", &shown_to), ("samples", "0"), ("timeout", PATIENCE)];
    let diff: Result<Diff, _> = visit.get(with(&path, &asked)).await;
    html! {
        section { h2 { "What differs" }
            @match &diff {
                Ok(diff) => (counts(&projection.name, diff, None)),
                Err(problem) => p.quiet { "The two versions cannot be compared now: " (problem.detail) },
            }
        }
    }
}

fn form(offer: Offer<'_>) -> Markup {
    let Offer { visit, projection, version, operation, .. } = offer;
    let needs_reason = operation == Operation::Skip;
    html! {
        form.ask method="post" action=(offer.address()) {
            (signature(visit, projection.live))
            @if let Some(position) = stopped_at(version) {
                input type="hidden" name="position" value=(position);
            }
            (reason(needs_reason))
            @if offer.is_closed() {
                label.check { input type="checkbox" name="force" value="true" required;
                    " Pass over the closed gates; the history says so" }
            }
            p {
                button.first.danger[operation.destroys() || offer.is_closed()] { (operation.word()) " version "
                    (version.version) }
                " " a.button href=(format!("/console/projections/{}/versions/{}", part(&projection.name),
                    version.version)) { "Leave it as it is" }
            }
        }
    }
}
