//! Modules: what was uploaded, what it says of itself, and which versions use it.

use kinora_api::Problem;
use kinora_api::modules::{Manifest, Module, ModuleState, Modules, Uses};
use maud::{Markup, html};

use crate::ask::part;
use crate::parts::state::shaped;
use crate::parts::{self, badge, bytes, decider_badge, duration, json, short};
use crate::shell::{self, Page};
use crate::visit::Visit;

pub async fn list(visit: &Visit<'_>) -> Result<Page, Problem> {
    let modules = visit.get::<Modules>("/v1/modules").await?.modules;
    let body = html! {
        div.head { h1 { "Modules" } div.actions { a.button href="/console/deploy" { "Upload, and deploy…" } } }
        @if modules.is_empty() {
            (parts::empty("No module yet", html! {
                p { "A module is the WebAssembly of a projector, an upcaster or a decider." }
                (parts::command("kinora modules upload PROJECTOR.wasm"))
            }))
        } @else {
            div #live data-every="4000" { div.scroll tabindex="0" role="region" aria-label="Modules" { table {
                thead { tr { th { "Name" } th { "Kind" } th { "State" } th.right { "Size" } th.right { "Compiled in" }
                    th { "Digest" } } }
                tbody { @for module in &modules {
                    tr {
                        th scope="row" { a href=(format!("/console/modules/{}", module.digest)) { (name(module)) } }
                        td { (module.kind) }
                        td { (state(module.state)) }
                        td.right { (bytes(module.bytes)) }
                        td.right { @match module.compile_ms { Some(took) => (duration(took as f64 / 1_000.0)), None =>
                            "–" } }
                        td { code { (short(&module.digest.to_string())) } }
                    }
                } }
            } } }
        }
    };
    Ok(Page::new("Modules", "Modules", body).twin("/v1/modules"))
}

pub fn name(module: &Module) -> &str {
    module.manifest.as_ref().map_or("(not described yet)", Manifest::name)
}

fn state(state: ModuleState) -> Markup {
    match state {
        ModuleState::Compiling => shaped("moving", "compiling"),
        ModuleState::Ready => shaped("live", "ready"),
        ModuleState::Refused => shaped("faulted", "refused"),
    }
}

pub async fn one(visit: &Visit<'_>, digest: &str) -> Result<Page, Problem> {
    let at = format!("/v1/modules/{}", part(digest));
    let module: Module = visit.get(&at).await?;
    let uses: Uses = visit.get(format!("{at}/uses")).await?;
    let body = html! {
        p.crumbs { a href="/console/modules" { "Modules" } }
        div.head { h1 { (name(&module)) } (state(module.state)) }
        @if let Some(problem) = &module.error { (shell::shown(problem)) }
        dl.pairs {
            div { dt { "Kind" } dd { (module.kind) } }
            div { dt { "Size" } dd { (bytes(module.bytes)) } }
            @if let Some(took) = module.compile_ms { div { dt { "Compiled in" } dd { (duration(took as f64 / 1_000.0))
                } } }
            div { dt { "SHA-256" } dd { code { (module.digest) } } }
        }
        (uses_table(&uses))
        @if let Some(manifest) = &module.manifest { (described(manifest)) }
    };
    Ok(Page::new("Modules", name(&module), body).twin(at.clone()).twin(format!("{at}/uses")))
}

fn uses_table(uses: &Uses) -> Markup {
    html! {
        section { h2 { "Used by" }
            @if uses.uses.is_empty() && uses.deciders.is_empty() { p.quiet { "No version uses it." } }
            ul.plain {
                @for one in &uses.uses {
                    li {
                        a href=(format!("/console/projections/{}/versions/{}", part(&one.projection), one.version)) {
                            (one.projection) " version " (one.version)
                        }
                        " " (badge(&one.state)) " " span.quiet { "as " (one.role) }
                    }
                }
                @for one in &uses.deciders {
                    li {
                        a href=(format!("/console/commands/{}", part(&one.decider))) { (one.decider) " version "
                            (one.version) }
                        " " (decider_badge(one.state))
                    }
                }
            }
        }
    }
}

fn described(manifest: &Manifest) -> Markup {
    let list = |title: &str, all: Vec<String>| {
        html! {
            @if !all.is_empty() { div { dt { (title) } dd { @for one in &all { code { (one) } " " } } } }
        }
    };
    let texts = |all: &[kinora_api::modules::EventType]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    html! {
        section { h2 { "What it says of itself" }
            dl.pairs {
                @match manifest {
                    Manifest::Projector(one) => {
                        (list("Handles", texts(&one.handles)))
                        (list("Passes over", one.ignores.clone()))
                        (list("Tables", one.tables.iter().map(|table| table.name.clone()).collect()))
                        (list("Queries", one.queries.iter().map(|query| query.name.clone()).collect()))
                    }
                    Manifest::Upcaster(one) => {
                        @for step in &one.steps {
                            div { dt { (step.from) } dd { "becomes " @for to in &step.to { code { (to) } " " } } }
                        }
                    }
                    Manifest::Decider(one) => {
                        (list("Commands", one.commands.iter().map(|command| command.name.clone()).collect()))
                        (list("Folds", texts(&one.folds)))
                        (list("Emits", one.emits.iter().map(|emits| format!("{}/{}", emits.kind,
                            emits.schema)).collect()))
                    }
                }
            }
            details { summary { "The whole manifest" }
                (json::block(&serde_json::to_string(manifest).unwrap_or_default())) }
        }
    }
}
