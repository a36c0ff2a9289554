//! Version of a decider: whether it decides as was decided, its gates, and what can be done.

use kinora_api::deciders::{Decider, DeciderChecklist, DeciderState, DeciderVersion};
use kinora_api::{Kind, Problem};
use maud::{Markup, html};

use crate::ask::part;
use crate::buttons::Button;
use crate::operation::DeciderOperation;
use crate::pages::commands::address::{self, home};
use crate::pages::commands::report;
use crate::pages::version::checklist;
use crate::parts::{decider_badge, short};
use crate::shell::Page;
use crate::visit::Visit;

pub async fn page(visit: &Visit<'_>, name: &str, number: u32) -> Result<Page, Problem> {
    let at = format!("/v1/deciders/{}", part(name));
    let decider: Decider = visit.get(&at).await?;
    let version = find(&decider, number)?;
    let gates_at = format!("{at}/versions/{number}/gates");
    let gates = match version.state {
        DeciderState::Live | DeciderState::Retired => None,
        _ => visit.get::<DeciderChecklist>(&gates_at).await.ok(),
    };
    let body = html! {
        p.crumbs { a href="/console/commands" { "Commands" } " / " a href=(home(name)) { (name) } }
        div #live data-every="2000" {
            div.head { h1 { (name) " version " (number) } (decider_badge(version.state)) }
            @if let Some(reason) = &version.reason {
                div.notice.bad role="alert" { p { strong { "It cannot decide" } ": " (reason) }
                    p { "Mend it, and deploy it as another version; nothing has changed for anybody." } }
            }
            div.buttons { @for operation in DeciderOperation::ALL {
                @if operation != DeciderOperation::Rollback || decider.live == Some(number) {
                    (button(visit, &decider, version, operation, gates.as_ref()))
                }
            } }
            @if let Some(gates) = &gates { (checklist(&gates.gates)) }
            (decided_again(version))
        }
        section { h2 { "Made of" }
            dl.pairs {
                div { dt { "Decider" } dd { (module(&version.module.to_string())) } }
                div { dt { "Upcasters" } dd {
                    @if version.upcasters.is_empty() { "none" }
                    @for digest in &version.upcasters { (module(&digest.to_string())) " " }
                } }
                @if !version.one_way.is_empty() {
                    div { dt { "No way back once there are" } dd { @for kind in &version.one_way { code { (kind) } " "
                        } } }
                }
            }
        }
    };
    let page = Page::new("Commands", format!("{name} version {number}"), body).twin(at);
    Ok(if gates.is_some() { page.twin(gates_at) } else { page })
}

fn module(digest: &str) -> Markup {
    html! { a href=(format!("/console/modules/{digest}")) { code { (short(digest)) } } }
}

pub fn find(decider: &Decider, number: u32) -> Result<&DeciderVersion, Problem> {
    let found = decider.versions.iter().find(|version| version.version == number);
    found.ok_or_else(|| Problem::new(Kind::UnknownVersion, format!("{} has no version {number}", decider.name)))
}

/// Why an operation cannot be done now, or not by this visitor.
pub fn why_not(
    visit: &Visit<'_>,
    decider: &Decider,
    version: &DeciderVersion,
    operation: DeciderOperation,
) -> Option<String> {
    visit.api.may(operation.id(), &decider.name).err().or_else(|| operation.why_not(decider, version))
}

fn button(
    visit: &Visit<'_>,
    decider: &Decider,
    version: &DeciderVersion,
    operation: DeciderOperation,
    gates: Option<&DeciderChecklist>,
) -> Button {
    let closed = gates.into_iter().flat_map(|gates| &gates.gates).filter(|gate| !gate.passed).count();
    let is_promotion = operation == DeciderOperation::Promote;
    Button {
        id: format!("{}-{}", operation.name(), version.version),
        word: operation.word(),
        address: format!("{}/{}", address::version(&decider.name, version.version), operation.name()),
        why_not: why_not(visit, decider, version, operation),
        is_first: is_promotion && closed == 0,
        destroys: operation.destroys(),
        note: (is_promotion && closed > 0).then(|| format!("{closed} gates closed")),
    }
}

fn decided_again(version: &DeciderVersion) -> Markup {
    html! {
        section { h2 { "Recorded commands, decided again" }
            @match &version.report {
                Some(report) => (report::whole(report)),
                None if version.state == DeciderState::Proving => p.quiet { "They are being decided…" },
                None => p.quiet { "They were not." },
            }
            @if let Some(shadow) = &version.shadow {
                h3 { "Since then, in the shadow of the version that decides" }
                (report::whole(shadow))
            }
        }
    }
}
