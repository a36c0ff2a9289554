//! Deployment: a projector and its upcasters become a version.

use kinora_api::Problem;
use kinora_api::modules::{Module, ModuleKind, ModuleState, Modules};
use maud::{Markup, html};
use uuid::Uuid;

use crate::pages::modules::name;
use crate::parts::{self, short};
use crate::shell::{self, Page};
use crate::visit::Visit;

pub async fn page(visit: &Visit<'_>) -> Result<Page, Problem> {
    again(visit, None).await
}

/// The page, with what the host said to the form.
pub async fn again(visit: &Visit<'_>, said: Option<&Problem>) -> Result<Page, Problem> {
    let modules = visit.get::<Modules>("/v1/modules").await?.modules;
    let why_not = visit.api.may("deploy", visit.parameter("name").unwrap_or_default()).err();
    let body = html! {
        p.crumbs { a href="/console/" { "Overview" } }
        h1 { "Deploy a version" }
        @if let Some(problem) = said { (shell::shown(problem)) }
        p.lead { "The version replays the log beside the one that answers queries. Nothing changes for anybody until \
            it is promoted." }
        section { h2 { "1. Upload" }
            div #upload data-to="/console/api/v1/modules" hidden {
                label for="wasm" { "A projector, an upcaster or a decider, as WebAssembly" }
                input #wasm type="file" accept=".wasm,application/wasm" multiple;
                p #upload-said role="status" {}
            }
            noscript { p.quiet { "Uploading here needs JavaScript. Without it:" } }
            (parts::command("kinora modules upload PROJECTOR.wasm"))
        }
        section { h2 { "2. Deploy" }
            @if let Some(why) = &why_not { div.notice { p { "This is not for you: " (why) "." } } }
            @else { (form(visit, &modules)) }
        }
    };
    let mut page = Page::new("Overview", "Deploy a version", body);
    page.status = said.map_or(200, |problem| problem.status);
    Ok(page.twin("/v1/modules"))
}

fn form(visit: &Visit<'_>, modules: &[Module]) -> Markup {
    let of = |kind: ModuleKind| {
        modules.iter().filter(move |module| module.kind == kind && module.state != ModuleState::Refused)
    };
    let chosen = |field: &str, module: &Module| {
        visit.parameters.iter().any(|(name, value)| name == field && *value == module.digest.to_string())
    };
    let label = |module: &Module| {
        format!(
            "{} ({}{})",
            name(module),
            short(&module.digest.to_string()),
            if module.state == ModuleState::Compiling { ", is compiled" } else { "" }
        )
    };
    html! {
        form.ask method="post" action="/console/deploy" {
            input type="hidden" name="token" value=(visit.token);
            input type="hidden" name="key" value=(Uuid::new_v4());
            label for="name" { "Name of the projection" }
            input #name name="name" required value=(visit.parameter("name").unwrap_or_default()) autocomplete="off";
            label for="module" { "Projector" }
            select #module name="module" required {
                @for module in of(ModuleKind::Projector) {
                    option value=(module.digest) selected[chosen("module", module)] { (label(module)) }
                }
            }
            @if of(ModuleKind::Projector).next().is_none() { p.quiet { "There is none yet: upload one first." } }
            fieldset {
                legend { "Upcasters" }
                @if of(ModuleKind::Upcaster).next().is_none() { p.quiet {
                    "None were uploaded; most projections need none." } }
                @for module in of(ModuleKind::Upcaster) {
                    label.check { input type="checkbox" name="upcaster" value=(module.digest)
                        checked[chosen("upcaster", module)]; " " (label(module)) }
                }
            }
            fieldset {
                legend { "It goes live" }
                label.check { input type="radio" name="promote" value="manual" checked; " when somebody promotes it" }
                label.check { input type="radio" name="promote" value="when_ready";
                    " by itself, once its gates are open" }
                label.check { input type="checkbox" name="reviewed" value="true";
                    " not before somebody has reviewed what differs" }
            }
            label for="reason" { "Why " span.quiet { "(for the history; may be left out)" } }
            input #reason name="reason" maxlength="1000" autocomplete="off";
            p { button.first { "Deploy" } }
        }
    }
}
