//! Commands: deciders, each with its versions; a command decided dry or for good; what was rejected lately.

pub mod address;
mod aggregate;
pub mod confirm;
mod rejections;
mod report;
pub mod version;

use kinora_api::commands::{Decided, Outcome};
use kinora_api::deciders::{Decider, DeciderState, Deciders, DecisionReport, Rejections};
use kinora_api::modules::{CommandType, DeciderManifest, Manifest, Module};
use kinora_api::{Kind, Problem};
use maud::{Markup, html};

use crate::ask::{part, with};
use crate::forms::signature;
use crate::history;
use crate::operation::DeciderOperation;
use crate::parts::state::shaped;
use crate::parts::{self, decider_badge, json, number, short};
use crate::shell::{self, Page};
use crate::visit::Visit;
use address::home;

/// What was asked for by a form of the page, and what came of it.
pub enum Came {
    Command(Tried),
    Audit(Result<DecisionReport, Problem>),
}

/// A command that was sent from the page.
pub struct Tried {
    pub id: String,
    pub command: String,
    pub data: String,
    pub dry_run: bool,
    pub answer: Result<Decided, Problem>,
}

pub async fn list(visit: &Visit<'_>) -> Result<Page, Problem> {
    let deciders = visit.get::<Deciders>("/v1/deciders").await?.deciders;
    let body = html! {
        div.head { h1 { "Commands" }
            div.actions { a.button href="/console/deploy?kind=decider" { "Deploy a decider…" } } }
        @if deciders.is_empty() {
            (parts::empty("No decider yet", html! {
                p { "A decider is your rules: it takes commands, and decides which events come of them, or says no." }
                (parts::command("kinora deciders deploy NAME --module DECIDER.wasm"))
            }))
        } @else { (table(&deciders)) }
    };
    Ok(Page::new("Commands", "Commands", body).twin("/v1/deciders"))
}

/// Deciders, each with how it does.
pub fn table(deciders: &[Decider]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Deciders" { table {
            thead { tr { th { "Name" } th { "Health" } th.right { "Live" } th { "Owns" } th { "Versions that wait" } } }
            tbody { @for one in deciders {
                tr {
                    th scope="row" { a href=(home(&one.name)) { (one.name) } }
                    td { @if one.decides { (shaped("live", "decides")) }
                        @else { (shaped("paused", "takes no commands")) } }
                    td.right { @match one.live { Some(version) => { "v" (version) }, None => span.quiet { "none" } } }
                    td { @match &one.owns { Some(category) => { code { (category) "-…" } }, None => "–" } }
                    td { @for version in one.versions.iter().filter(|version| waits(version.state)) {
                        a href=(address::version(&one.name, version.version)) { "v" (version.version) } " "
                        (decider_badge(version.state)) " "
                    } }
                }
            } }
        } }
    }
}

fn waits(state: DeciderState) -> bool {
    matches!(state, DeciderState::Proving | DeciderState::Ready | DeciderState::Faulted)
}

pub async fn one(visit: &Visit<'_>, name: &str) -> Result<Page, Problem> {
    after(visit, name, None).await
}

/// The page, with what came of a form.
pub async fn after(visit: &Visit<'_>, name: &str, came: Option<Came>) -> Result<Page, Problem> {
    let at = format!("/v1/deciders/{}", part(name));
    let decider: Decider = visit.get(&at).await?;
    let manifest = manifest(visit, &decider).await;
    let (tried, audit) = match came {
        Some(Came::Command(tried)) => (Some(tried), None),
        Some(Came::Audit(report)) => (None, Some(report)),
        None => (None, None),
    };
    let id = tried.as_ref().map(|tried| tried.id.as_str()).or_else(|| visit.parameter("id"));
    let rejections: Result<Rejections, Problem> = visit.get(format!("{at}/rejections")).await;
    let history = history::newest(visit, &at).await?;
    let done = visit.parameter("done").and_then(DeciderOperation::named);
    let body = html! {
        p.crumbs { a href="/console/commands" { "Commands" } }
        @if let Some(operation) = done { div.notice.good role="status" { p { (operation.done()) } } }
        div.head { h1 { (name) }
            div.actions {
                a.button href=(with("/console/deploy", &[("kind", "decider"), ("name", name)])) { "Deploy a version…" }
            }
        }
        p.lead {
            @match decider.live { Some(live) => { "Version " (live) " decides." }, None => "No version decides yet." }
            @if let Some(category) = &decider.owns { " Nobody else appends to streams " code { (category) "-…" } "." }
        }
        (versions(visit, &decider))
        @if let Some(audit) = &audit { (audited(audit)) }
        (form(visit, &decider, manifest.as_ref(), tried.as_ref(), id))
        @if let Some(tried) = &tried { (outcome(tried)) }
        @if let Some(id) = id.filter(|id| !id.is_empty()) {
            (aggregate::section(visit, name, manifest.as_ref(), id).await)
        }
        (rejections::section(&rejections, name))
        (history::section(&history, &format!("$kinora/deciders/{name}")))
    };
    let mut page = Page::new("Commands", name, body).twin(&at).twin(format!("{at}/rejections"));
    page.status = tried.and_then(|tried| tried.answer.err()).map_or(200, |problem| problem.status);
    Ok(page.twin(format!("{at}/history")))
}

/// What the version that decides says of itself.
async fn manifest(visit: &Visit<'_>, decider: &Decider) -> Option<DeciderManifest> {
    let live = decider.versions.iter().find(|version| Some(version.version) == decider.live)?;
    let module: Module = visit.get(format!("/v1/modules/{}", live.module)).await.ok()?;
    match module.manifest {
        Some(Manifest::Decider(manifest)) => Some(manifest),
        _ => None,
    }
}

fn form(
    visit: &Visit<'_>,
    decider: &Decider,
    manifest: Option<&DeciderManifest>,
    tried: Option<&Tried>,
    id: Option<&str>,
) -> Markup {
    let why_not = visit.api.may("command", &decider.name).err();
    let commands: &[CommandType] = manifest.map_or(&[], |manifest| &manifest.commands);
    html! {
        section { h2 { "Have a command decided" }
            form.ask method="post" action=(home(&decider.name)) {
                (signature(visit, None))
                label for="id" { "Aggregate" }
                input #id name="id" required value=(id.unwrap_or_default()) placeholder="1" autocomplete="off";
                label for="command" { "Command" }
                select #command name="command" required { @for one in commands {
                    option value=(one.name) selected[tried.is_some_and(|tried| tried.command == one.name)] {
                        (one.name) ": " (one.description)
                    }
                } }
                label for="data" { "Data, as JSON" }
                textarea #data name="data" rows="3" { (tried.map_or("{}", |tried| tried.data.as_str())) }
                @for one in commands.iter().filter(|one| one.schema.is_some()) {
                    details { summary { "What " (one.name) " takes" }
                        (json::block(&one.schema.as_ref().map(ToString::to_string).unwrap_or_default())) }
                }
                @match why_not {
                    Some(why) => p.quiet { "Commands are not for you: " (why) "." },
                    None => p {
                        button.first name="dry" value="true" { "Decide, and append nothing" } " "
                        button.danger name="dry" value="" { "Decide, and append" }
                    },
                }
            }
            form.inline method="get" action=(home(&decider.name)) {
                label for="look" { "Or look at the state of an aggregate: " }
                input #look name="id" value=(id.unwrap_or_default()) autocomplete="off"; " " button { "Look" }
            }
        }
    }
}

fn outcome(tried: &Tried) -> Markup {
    html! {
        section #outcome { h2 { (tried.command) " for " (tried.id) }
            @match &tried.answer {
                Ok(decided) => {
                    div.notice.good role="status" { p { strong {
                        @match decided.outcome { Outcome::Accepted => "Accepted", Outcome::Unchanged =>
                            "Accepted: all was so already" }
                    } " by version " (decided.version) @if tried.dry_run { ". Nothing was appended." } } }
                    ol.trace { @for event in &decided.events { li {
                        strong { (event.kind) } "/" (event.schema) " in " code { (event.stream) }
                        @if let Some(position) = event.position {
                            ", " a href=(format!("/console/events/{position}")) { "event " (number(position)) }
                        }
                        (json::block(event.data.get()))
                    } } }
                }
                Err(problem) if problem.slug() == Kind::CommandRejected.slug() => div.notice role="status" {
                    p { strong { "The rules say no: " (problem.detail) } }
                    @if let Some(code) = problem.more.get("code").and_then(|code| code.as_str()) { p { "Code " code {
                        (code) } } }
                    @if let Some(details) = problem.more.get("details") { (json::block(&details.to_string())) }
                },
                Err(problem) => (shell::shown(problem)),
            }
        }
    }
}

fn versions(visit: &Visit<'_>, decider: &Decider) -> Markup {
    html! {
        section { div.head { h2 { "Versions" } div.actions { (audit_form(visit, decider)) } }
            div.scroll tabindex="0" role="region" aria-label="Versions" { table {
                thead { tr { th { "Version" } th { "State" } th { "Recorded commands, decided again" } th {
                    "Since then, in the shadow" } th { "Module" } } }
                tbody { @for version in decider.versions.iter().rev() {
                    tr {
                        th scope="row" { a href=(address::version(&decider.name, version.version)) { "v"
                            (version.version) } }
                        td { (decider_badge(version.state)) @if let Some(reason) = &version.reason { " " (reason) } }
                        td { (report::line(version.report.as_ref())) }
                        td { (report::line(version.shadow.as_ref())) }
                        td { a href=(format!("/console/modules/{}", version.module)) { code {
                            (short(&version.module.to_string())) } } }
                    }
                } }
            } }
        }
    }
}

/// It changes nothing, but takes long.
fn audit_form(visit: &Visit<'_>, decider: &Decider) -> Markup {
    html! {
        @match visit.api.may("audit_decider", &decider.name) {
            Ok(()) => form method="post" action=(format!("{}/audit", home(&decider.name))) {
                (signature(visit, None))
                button title="Every recorded command, each by the version of that time; nothing is appended" {
                    "Decide all of history again" }
            },
            Err(why) => span.quiet { "Audits are not for you: " (why) },
        }
    }
}

fn audited(audit: &Result<DecisionReport, Problem>) -> Markup {
    html! {
        section #audit { h2 { "Decided again, each by the version of that time" }
            @match audit { Ok(report) => (report::whole(report)), Err(problem) => (shell::shown(problem)) }
        }
    }
}
