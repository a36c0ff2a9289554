//! Commands: deciders with their versions, a command decided dry or for good, rejections, the state of an aggregate.

use kinora_api::commands::{AggregateState, Decided, Outcome};
use kinora_api::deciders::{Decider, Deciders, DecisionReport, Rejections};
use kinora_api::modules::{CommandType, Manifest, Module};
use kinora_api::{Kind, Problem};
use maud::{Markup, html};

use crate::ask::{part, with};
use crate::parts::{self, decider_badge, json, number, short};
use crate::shell::{self, Page};
use crate::visit::Visit;

/// A command that was sent from the page, and what came of it.
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
        h1 { "Commands" }
        @if deciders.is_empty() {
            (parts::empty("No decider yet", html! {
                p { "A decider is your rules: it takes commands, and decides which events come of them, or says no." }
                (parts::command("kinora deciders deploy NAME --module DECIDER.wasm"))
            }))
        } @else {
            ul.plain { @for one in &deciders {
                li { a href=(format!("/console/commands/{}", part(&one.name))) { (one.name) } " "
                    @match one.live { Some(live) => span.quiet { "version " (live) " decides" }, None => span.quiet {
                        "no version decides yet" } } }
            } }
        }
    };
    Ok(Page::new("Commands", "Commands", body).twin("/v1/deciders"))
}

pub async fn one(visit: &Visit<'_>, name: &str) -> Result<Page, Problem> {
    after(visit, name, None).await
}

/// The page, with what came of a command.
pub async fn after(visit: &Visit<'_>, name: &str, tried: Option<Tried>) -> Result<Page, Problem> {
    let home = format!("/v1/deciders/{}", part(name));
    let decider: Decider = visit.get(&home).await?;
    let live = decider.versions.iter().find(|version| Some(version.version) == decider.live);
    let module: Option<Module> = match live {
        Some(live) => visit.get(format!("/v1/modules/{}", live.module)).await.ok(),
        None => None,
    };
    let commands = match module.and_then(|module| module.manifest) {
        Some(Manifest::Decider(manifest)) => manifest.commands,
        _ => Vec::new(),
    };
    let id = tried.as_ref().map(|tried| tried.id.as_str()).or_else(|| visit.parameter("id"));
    let rejections: Result<Rejections, Problem> = visit.get(format!("{home}/rejections")).await;
    let body = html! {
        p.crumbs { a href="/console/commands" { "Commands" } }
        h1 { (name) }
        p.lead {
            @match decider.live { Some(live) => { "Version " (live) " decides." }, None => "No version decides yet." }
            @if let Some(category) = &decider.owns { " Nobody else appends to streams " code { (category) "-…" } "." }
        }
        (form(visit, &decider, &commands, tried.as_ref(), id))
        @if let Some(tried) = &tried { (outcome(tried)) }
        @if let Some(id) = id.filter(|id| !id.is_empty()) { (state(visit, &home, id).await) }
        (versions(&decider))
        (rejected(&rejections))
    };
    let mut page = Page::new("Commands", name, body).twin(home.clone()).twin(format!("{home}/rejections"));
    page.status = tried.and_then(|tried| tried.answer.err()).map_or(200, |problem| problem.status);
    Ok(page)
}

fn form(
    visit: &Visit<'_>,
    decider: &Decider,
    commands: &[CommandType],
    tried: Option<&Tried>,
    id: Option<&str>,
) -> Markup {
    let why_not = visit.api.may("command", &decider.name).err();
    html! {
        section { h2 { "Have a command decided" }
            form.ask method="post" action=(format!("/console/commands/{}", part(&decider.name))) {
                input type="hidden" name="token" value=(visit.token);
                input type="hidden" name="key" value=(uuid::Uuid::new_v4());
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
            form.inline method="get" action=(format!("/console/commands/{}", part(&decider.name))) {
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

async fn state(visit: &Visit<'_>, home: &str, id: &str) -> Markup {
    let path = format!("{home}/{}/state", part(id));
    let asked: Vec<_> = visit.parameter("position").map(|position| ("position", position)).into_iter().collect();
    let state: Result<AggregateState, Problem> = visit.get(with(&path, &asked)).await;
    html! {
        section { h2 { "State of " (id) }
            @match &state {
                Ok(state) => {
                    p.quiet { @match state.revision { Some(revision) => { "At revision " (number(revision)) }, None =>
                        "It has no events yet" } }
                    (json::block(state.state.get()))
                }
                Err(problem) => (shell::shown(problem)),
            }
        }
    }
}

fn versions(decider: &Decider) -> Markup {
    html! {
        section { h2 { "Versions" }
            table {
                thead { tr { th { "Version" } th { "State" } th { "Recorded commands, decided again" } th {
                    "Since then, in the shadow" } th { "Module" } } }
                tbody { @for version in decider.versions.iter().rev() {
                    tr {
                        th scope="row" { "v" (version.version) }
                        td { (decider_badge(version.state)) @if let Some(reason) = &version.reason { " " (reason) } }
                        td { (report(version.report.as_ref())) }
                        td { (report(version.shadow.as_ref())) }
                        td { a href=(format!("/console/modules/{}", version.module)) { code {
                            (short(&version.module.to_string())) } } }
                    }
                } }
            }
        }
    }
}

fn report(report: Option<&DecisionReport>) -> Markup {
    html! {
        @match report {
            None => "–",
            Some(report) => {
                (number(report.same)) " of " (number(report.commands)) " the same"
                @if report.different + report.rejected > 0 {
                    ", " strong { (number(report.different)) " differ, " (number(report.rejected)) " are rejected" }
                }
            }
        }
    }
}

fn rejected(rejections: &Result<Rejections, Problem>) -> Markup {
    html! {
        section { h2 { "Rejected lately" }
            @match rejections {
                Ok(all) if all.rejections.is_empty() => p.quiet { "None." },
                Ok(all) => div.scroll tabindex="0" role="region" aria-label="Rejected commands" { table {
                    thead { tr { th { "When" } th { "Command" } th { "Aggregate" } th { "Code" } th { "Why" } th.wide
                        { "Data" } } }
                    tbody { @for one in all.rejections.iter().take(50) {
                        tr {
                            td { time datetime=(one.at) { (one.at) } }
                            td { (one.name) }
                            td { (one.aggregate) }
                            td { code { (one.code) } }
                            td { (one.message) }
                            td.wide { code.data { (json::line(&one.data, 80)) } }
                        }
                    } }
                } },
                Err(problem) => p.quiet { "They are not yours to see: " (problem.detail) },
            }
        }
    }
}
