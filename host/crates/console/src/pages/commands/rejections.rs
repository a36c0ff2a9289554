//! Rejections: commands that the rules have said no to lately.

use kinora_api::Problem;
use kinora_api::deciders::Rejections;
use maud::{Markup, html};

use crate::ask::with;
use crate::pages::commands::address::home;
use crate::parts::json;

/// Rejections on the page: the last ones.
const SHOWN: usize = 50;

/// Characters of the data of a command.
const DATA: usize = 80;

pub fn section(rejections: &Result<Rejections, Problem>, name: &str) -> Markup {
    html! {
        section { h2 { "Rejected lately" }
            @match rejections {
                Ok(all) if all.rejections.is_empty() => p.quiet { "None." },
                Ok(all) => (table(all, name)),
                Err(problem) => p.quiet { "They are not yours to see: " (problem.detail) },
            }
        }
    }
}

fn table(all: &Rejections, name: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Rejected commands" { table {
            thead { tr { th { "When" } th { "Command" } th { "Aggregate" } th.right { "By" } th { "Code" } th { "Why" }
                th.wide { "Data" } } }
            tbody { @for one in all.rejections.iter().take(SHOWN) {
                tr {
                    td { time datetime=(one.at) { (one.at) } }
                    td { (one.name) }
                    // As it was when the command was decided.
                    td { a href=(then(name, &one.aggregate, one.events)) { (one.aggregate) } }
                    td.right { "v" (one.version) }
                    td { code { (one.code) } }
                    td { (one.message) }
                    td.wide { code.data { (json::line(&one.data, DATA)) } }
                }
            } }
        } }
    }
}

/// The state that a command was decided on.
fn then(name: &str, aggregate: &str, events: u64) -> String {
    let position = events.checked_sub(1).map(|last| last.to_string());
    let parameters = [Some(("id", aggregate)), position.as_deref().map(|position| ("position", position))];
    with(&home(name), &parameters.into_iter().flatten().collect::<Vec<_>>())
}
