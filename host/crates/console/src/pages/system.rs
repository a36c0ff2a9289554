//! System: the log and its lives, limits in force, backups, and who one is.

use kinora_api::Problem;
use kinora_api::backups::Backups;
use kinora_api::log::Log;
use kinora_api::settings::{Setting, Settings};
use maud::{Markup, html};
use serde_json::Value;

use crate::parts::{bytes, command, number, short, since};
use crate::shell::Page;
use crate::visit::Visit;

/// The source of a setting that nobody has set.
const DEFAULT: &str = "default";

pub async fn page(visit: &Visit<'_>) -> Result<Page, Problem> {
    let log: Log = visit.get("/v1/log").await?;
    let limits: Value = visit.get("/v1/limits").await?;
    let backups: Result<Backups, Problem> = visit.get("/v1/backups").await;
    let settings: Result<Settings, Problem> = visit.get("/v1/settings").await;
    let body = html! {
        h1 { "System" }
        (log_section(&log))
        (who(visit))
        (backup_section(&backups))
        (limit_section(&limits))
        (setting_section(&settings))
        section { h2 { "Figures for Prometheus" }
            p { a.button href="/console/api/metrics" { "All of them" } }
        }
    };
    let page = Page::new("System", "System", body).twin("/v1/log").twin("/v1/limits").twin("/v1/settings");
    Ok(page.twin("/v1/backups").twin("/readyz").twin("/metrics").twin("/openapi.json"))
}

fn log_section(log: &Log) -> Markup {
    html! {
        section { h2 { "Log" }
            @if let Some(why) = &log.poisoned { div.notice.bad role="alert" { p { strong { "It takes no appends: " }
                (why) } } }
            dl.pairs {
                div { dt { "Events" } dd { (number(log.events)) } }
                div { dt { "Streams" } dd { "about " (number(log.streams_estimated)) } }
                div { dt { "On disk" } dd { (bytes(log.bytes_on_disk)) } }
                div { dt { "Durability" } dd {
                    (serde_json::to_string(&log.durability).unwrap_or_default().trim_matches('"'))
                } }
                div { dt { "Id" } dd { code { (log.id) } } }
                div { dt { "Incarnations" } dd { @for one in &log.incarnations {
                    code { (short(&one.id.to_string())) } " since event " (number(one.since)) " "
                } } }
            }
            @if !log.types.is_empty() {
                div.scroll tabindex="0" role="region" aria-label="Types of events" { table {
                    thead { tr { th { "Type" } th.right { "Schema" } th.right { "Events" } th.right { "First at" } } }
                    tbody { @for one in log.types.iter().take(200) {
                        tr {
                            th scope="row" { a href=(crate::ask::with("/console/events", &[("types", &one.kind)])) {
                                (one.kind) } }
                            td.right { (one.schema) }
                            td.right { (number(one.events)) }
                            td.right { (number(one.first_position)) }
                        }
                    } }
                } }
            }
        }
    }
}

fn who(visit: &Visit<'_>) -> Markup {
    html! {
        section { h2 { "Who you are" }
            @match &visit.visitor.name {
                Some(name) => p { strong { (name) } ", with the roles " (visit.visitor.roles.join(", ")) "." },
                None => {
                    p { "This host has no keys: whoever reaches it may do everything. To let in only those that you \
                        know:" }
                    (command("kinora keys create ada --role operator --data FOLDER"))
                }
            }
        }
    }
}

fn backup_section(backups: &Result<Backups, Problem>) -> Markup {
    html! {
        section { h2 { "Backups" }
            @match backups {
                Ok(all) if all.backups.is_empty() => p.quiet { "None yet." },
                Ok(all) => table {
                    thead { tr { th.right { "Number" } th { "Made" } th.right { "Size" } } }
                    tbody { @for one in all.backups.iter().rev() {
                        tr {
                            th.right scope="row" { (one.number) }
                            td { @match one.time { Some(time) => (since(time)), None => "–" } }
                            td.right { (bytes(one.bytes)) }
                        }
                    } }
                },
                Err(problem) => p.quiet { (problem.detail) @if let Some(hint) = &problem.hint { ". " (hint) } },
            }
        }
    }
}

/// Those that somebody has set, before those that are as they are for everybody.
fn setting_section(settings: &Result<Settings, Problem>) -> Markup {
    let row = |one: &Setting| {
        html! { tr {
            th scope="row" { code { (one.name) } }
            td { @match &one.value { Some(value) => code { (value) }, None => "–" } }
            td { (one.source) }
        } }
    };
    html! {
        section { h2 { "Settings" }
            @match settings {
                Ok(all) => {
                    @let (set, others): (Vec<_>, Vec<_>) = all.settings.iter().partition(|one| one.source != DEFAULT);
                    p.quiet { "As the host was started with them, and what says so." }
                    @if !set.is_empty() {
                        table { thead { tr { th { "Setting" } th { "Value" } th { "From" } } }
                            tbody { @for one in set { (row(one)) } } }
                    }
                    @if !others.is_empty() {
                        details { summary { "As they are for everybody" }
                            table { tbody { @for one in others { (row(one)) } } } }
                    }
                },
                Err(problem) => p.quiet { (problem.detail) @if let Some(hint) = &problem.hint { ". " (hint) } },
            }
        }
    }
}

fn limit_section(limits: &Value) -> Markup {
    let groups = limits.as_object().into_iter().flatten();
    html! {
        section { h2 { "Limits in force" }
            p.quiet { "Set by " code { "kinora serve --limit NAME=VALUE" } ". What each is for stands in LIMITS.md." }
            @for (group, values) in groups {
                details { summary { (group) }
                    table { tbody { @for (name, value) in values.as_object().into_iter().flatten() {
                        tr {
                            th scope="row" { code { (group) "." (name) } }
                            td.right { @match value.as_u64() { Some(value) => (number(value)), None => (value) } }
                        }
                    } } }
                }
            }
        }
    }
}
