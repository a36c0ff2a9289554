//! Deployment: a projector or a decider, with its upcasters, becomes a version.

use kinora_api::Problem;
use kinora_api::modules::{Module, ModuleKind, ModuleState, Modules};
use maud::{Markup, html};

use crate::ask::with;
use crate::forms::{reason, signature};
use crate::pages::modules::name;
use crate::parts::{self, short};
use crate::shell::{self, Page};
use crate::visit::Visit;

/// What a version is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Projection,
    Decider,
}

impl Of {
    const ALL: [Self; 2] = [Self::Projection, Self::Decider];

    /// As the parameter `kind` says; a projection, unless it does.
    pub fn named(kind: Option<&str>) -> Self {
        if kind == Some(Self::Decider.word()) { Self::Decider } else { Self::Projection }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Projection => "projection",
            Self::Decider => "decider",
        }
    }

    /// The module that is its rules.
    fn module(self) -> (ModuleKind, &'static str) {
        match self {
            Self::Projection => (ModuleKind::Projector, "Projector"),
            Self::Decider => (ModuleKind::Decider, "Decider"),
        }
    }

    /// The operation that deploys one.
    fn operation(self) -> &'static str {
        match self {
            Self::Projection => "deploy",
            Self::Decider => "deploy_decider",
        }
    }

    fn lead(self) -> &'static str {
        match self {
            Self::Projection => {
                "The version replays the log beside the one that answers queries. Nothing changes for anybody until \
                 it is promoted."
            }
            Self::Decider => {
                "The version folds all of history and decides every recorded command again, beside the one that \
                 decides. Nothing changes for anybody until it is promoted."
            }
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Projection => "kinora deploy NAME --module PROJECTOR.wasm --wait",
            Self::Decider => "kinora deciders deploy NAME --module DECIDER.wasm",
        }
    }
}

pub async fn page(visit: &Visit<'_>) -> Result<Page, Problem> {
    again(visit, None).await
}

/// The page, with what the host said to the form.
pub async fn again(visit: &Visit<'_>, said: Option<&Problem>) -> Result<Page, Problem> {
    let modules = visit.get::<Modules>("/v1/modules").await?.modules;
    let of = Of::named(visit.parameter("kind"));
    let why_not = visit.api.may(of.operation(), visit.parameter("name").unwrap_or_default()).err();
    let body = html! {
        p.crumbs { a href="/console/" { "Overview" } }
        div.head { h1 { "Deploy a version" }
            div.tabs { @for one in Of::ALL {
                a href=(with("/console/deploy", &[("kind", one.word())])) aria-current=[(one == of).then_some("true")] {
                    "of a " (one.word()) }
            } }
        }
        @if let Some(problem) = said { (shell::shown(problem)) }
        p.lead { (of.lead()) }
        section { h2 { "1. Upload" } (upload(visit)) }
        section { h2 { "2. Deploy" }
            @if let Some(why) = &why_not { div.notice { p { "This is not for you: " (why) "." } } }
            @else { (form(visit, of, &modules)) }
            p.quiet { "The same from a shell, in one step:" }
            (parts::command(of.command()))
        }
    };
    let room = if of == Of::Decider { "Commands" } else { "Overview" };
    let mut page = Page::new(room, "Deploy a version", body);
    page.status = said.map_or(200, |problem| problem.status);
    Ok(page.twin("/v1/modules"))
}

/// A form that works by itself; a script sends each file as soon as it is chosen.
fn upload(visit: &Visit<'_>) -> Markup {
    let (_, parameters) = visit.here().split_once('?').map(|(path, rest)| (path.to_owned(), rest.to_owned())).unzip();
    let action = parameters.map_or("/console/upload".to_owned(), |parameters| format!("/console/upload?{parameters}"));
    html! {
        @match visit.api.may("upload_module", "") {
            Ok(()) => form.ask #upload method="post" action=(action) enctype="multipart/form-data"
                data-to="/console/api/v1/modules" {
                // Before the file: what is not of this console is refused before it is read.
                input type="hidden" name="token" value=(visit.token);
                label for="wasm" { "A projector, an upcaster or a decider, as WebAssembly" }
                input #wasm type="file" name="wasm" required accept=".wasm,application/wasm";
                p #upload-said role="status" {}
                p { button { "Upload" } }
            },
            Err(why) => div.notice { p { "This is not for you: " (why) "." } },
        }
    }
}

fn form(visit: &Visit<'_>, of: Of, modules: &[Module]) -> Markup {
    let all = |kind: ModuleKind| {
        modules.iter().filter(move |module| module.kind == kind && module.state != ModuleState::Refused)
    };
    let chosen = |field: &str, module: &Module| {
        visit.parameters.iter().any(|(name, value)| name == field && *value == module.digest.to_string())
    };
    let (kind, word) = of.module();
    html! {
        form.ask method="post" action="/console/deploy" {
            (signature(visit, None))
            input type="hidden" name="kind" value=(of.word());
            label for="name" { "Name of the " (of.word()) }
            input #name name="name" required value=(visit.parameter("name").unwrap_or_default()) autocomplete="off";
            label for="module" { (word) }
            select #module name="module" required {
                @for module in all(kind) {
                    option value=(module.digest) selected[chosen("module", module)] { (label(module)) }
                }
            }
            @if all(kind).next().is_none() { p.quiet { "There is none yet: upload one first." } }
            fieldset {
                legend { "Upcasters" }
                @if all(ModuleKind::Upcaster).next().is_none() { p.quiet {
                    "None were uploaded; most need none." } }
                @for module in all(ModuleKind::Upcaster) {
                    label.check { input type="checkbox" name="upcaster" value=(module.digest)
                        checked[chosen("upcaster", module)]; " " (label(module)) }
                }
            }
            @match of { Of::Projection => (goes_live()), Of::Decider => (owns()) }
            (reason(false))
            p { button.first { "Deploy" } }
        }
    }
}

fn label(module: &Module) -> String {
    let compiles = if module.state == ModuleState::Compiling { ", is compiled" } else { "" };
    format!("{} ({}{compiles})", name(module), short(&module.digest.to_string()))
}

fn goes_live() -> Markup {
    html! {
        fieldset {
            legend { "It goes live" }
            label.check { input type="radio" name="promote" value="manual" checked; " when somebody promotes it" }
            label.check { input type="radio" name="promote" value="when_ready"; " by itself, once its gates are open" }
            label.check { input type="checkbox" name="reviewed" value="true";
                " not before somebody has reviewed what differs" }
        }
    }
}

fn owns() -> Markup {
    html! {
        fieldset {
            legend { "Its streams" }
            label.check { input type="checkbox" name="owns" value="true";
                " nobody else appends to streams of its category" }
        }
    }
}
