//! Confirmation: what an operation will do to a decider, its gates, and the form that has it done.

use kinora_api::Problem;
use kinora_api::deciders::{Decider, DeciderChecklist, DeciderState, DeciderVersion};
use maud::{Markup, html};

use crate::ask::part;
use crate::forms::{reason, signature};
use crate::operation::{ACCEPTED, DeciderOperation};
use crate::pages::commands::address::{self, home};
use crate::pages::commands::{report, version};
use crate::pages::version::checklist;
use crate::shell::{self, Page};
use crate::visit::Visit;

pub async fn page(visit: &Visit<'_>, name: &str, number: u32, operation: DeciderOperation) -> Result<Page, Problem> {
    again(visit, name, number, operation, None).await
}

/// The page, with what the host said to the form.
pub async fn again(
    visit: &Visit<'_>,
    name: &str,
    number: u32,
    operation: DeciderOperation,
    said: Option<&Problem>,
) -> Result<Page, Problem> {
    let at = format!("/v1/deciders/{}", part(name));
    let decider: Decider = visit.get(&at).await?;
    let version = version::find(&decider, number)?;
    let gates = match operation {
        DeciderOperation::Promote => visit.get::<DeciderChecklist>(format!("{at}/versions/{number}/gates")).await.ok(),
        _ => None,
    };
    let body = html! {
        p.crumbs {
            a href="/console/commands" { "Commands" } " / " a href=(home(name)) { (name) } " / "
            a href=(address::version(name, number)) { "version " (number) }
        }
        h1 { (operation.word()) ": " (name) " version " (number) }
        @if let Some(problem) = said { (shell::shown(problem)) }
        p.lead { (operation.does()) }
        (switch(&decider, operation, number))
        @if operation == DeciderOperation::Promote {
            @if let Some(found) = &version.report { (report::whole(found)) }
        }
        @if let Some(gates) = &gates { (checklist(&gates.gates)) }
        @match version::why_not(visit, &decider, version, operation) {
            Some(why) => div.notice role="status" { p { "This cannot be done: " (why) "." } },
            None => (form(visit, &decider, version, operation, gates.as_ref())),
        }
    };
    let mut page = Page::new("Commands", format!("{} {name} version {number}", operation.word()), body);
    page.status = said.map_or(200, |problem| problem.status);
    Ok(page.twin(at))
}

/// From which version to which one.
fn switch(decider: &Decider, operation: DeciderOperation, number: u32) -> Markup {
    let stands_by = |version: &&DeciderVersion| version.state == DeciderState::Standby;
    let to = match operation {
        DeciderOperation::Promote => Some(format!("v{number}")),
        // With several on standby, which one was last is in the history.
        DeciderOperation::Rollback => {
            let mut all = decider.versions.iter().filter(stands_by);
            let only = all.next().filter(|_| all.next().is_none()).map(|version| format!("v{}", version.version));
            Some(only.unwrap_or_else(|| "the one before".into()))
        }
        DeciderOperation::Retire => None,
    };
    html! {
        @if let Some(to) = to {
            p.switch {
                span { "decides now: " strong { @match decider.live { Some(live) => { "v" (live) }, None => "none" } } }
                " → " span { "decides then: " strong { (to) } }
            }
        }
    }
}

fn form(
    visit: &Visit<'_>,
    decider: &Decider,
    version: &DeciderVersion,
    operation: DeciderOperation,
    gates: Option<&DeciderChecklist>,
) -> Markup {
    let (name, number) = (&decider.name, version.version);
    let closed = |name: &str| gates.is_some_and(|all| all.gates.iter().any(|gate| gate.gate == name && !gate.passed));
    let is_closed = ACCEPTED.iter().any(|(gate, _)| closed(gate));
    html! {
        form.ask method="post" action=(format!("{}/{}", address::version(name, number), operation.name())) {
            (signature(visit, decider.live))
            (reason(false))
            @for (gate, words) in ACCEPTED.iter().filter(|(gate, _)| closed(gate)) {
                label.check { input type="checkbox" name=(format!("accept_{gate}")) value="true" required; " " (words) }
            }
            p {
                button.first.danger[operation.destroys() || is_closed] { (operation.word()) " version " (number) }
                " " a.button href=(address::version(name, number)) { "Leave it as it is" }
            }
        }
    }
}
