//! Upcasting of an event: what it is for a version, at each step.

use std::collections::BTreeMap;

use kinora_api::Problem;
use kinora_api::events::Event;
use kinora_api::modules::{Manifest, Module, Modules, Uses};
use kinora_api::upcasters::{After, Arrival, UpcasterCall, Upcasting};
use kinora_api::versions::State;
use maud::{Markup, html};

use crate::ask::part;
use crate::parts::{json, short};
use crate::shell;
use crate::visit::Visit;

/// Versions that one can choose from.
const VERSIONS: usize = 20;

/// By projection and version: whether it is live.
type Seen = BTreeMap<(String, u32), bool>;

/// What the versions see of it whose upcasters take it; one of them at a time.
pub async fn section(visit: &Visit<'_>, event: &Event) -> Markup {
    let seen = match seen(visit, event).await {
        Ok(seen) => seen,
        Err(problem) => {
            return html! { p.quiet { "What upcasters make of it is not yours to see: "
            (problem.detail) } };
        }
    };
    let asked = visit.parameter("seen_by").and_then(|name| name.rsplit_once('/'));
    let asked = asked.and_then(|(name, version)| Some((name.to_owned(), version.parse::<u32>().ok()?)));
    let live = || seen.iter().find(|(_, live)| **live).or_else(|| seen.iter().next_back()).map(|(one, _)| one.clone());
    let Some((name, version)) = asked.or_else(live) else { return html! {} };
    let upcasting = ask(visit, &name, version, event.position).await;
    html! {
        section #upcasting { h2 { "As a version gets it" }
            div.tabs { @for (one, number) in seen.keys().take(VERSIONS) {
                a href=(format!("{}#upcasting", visit.here_with(&[("seen_by", &format!("{one}/{number}"))])))
                    aria-current=[(*one == name && *number == version).then_some("true")] { (one) " v" (number) }
            } }
            @match &upcasting {
                Ok(upcasting) => (way(upcasting)),
                Err(problem) => (shell::shown(problem)),
            }
        }
    }
}

pub async fn ask(visit: &Visit<'_>, name: &str, version: u32, position: u64) -> Result<Upcasting, Problem> {
    visit.get(format!("/v1/projections/{}/versions/{version}/upcasting/{position}", part(name))).await
}

/// The versions whose upcasters have a step for it.
async fn seen(visit: &Visit<'_>, event: &Event) -> Result<Seen, Problem> {
    let modules = visit.get::<Modules>("/v1/modules").await?.modules;
    let mut seen = Seen::new();
    for module in modules.iter().filter(|module| takes(module, event)) {
        let uses: Uses = visit.get(format!("/v1/modules/{}/uses", module.digest)).await?;
        let there = uses.uses.into_iter().filter(|one| one.state != State::Validating);
        seen.extend(there.map(|one| ((one.projection, one.version), one.live)));
    }
    Ok(seen)
}

fn takes(module: &Module, event: &Event) -> bool {
    match &module.manifest {
        Some(Manifest::Upcaster(upcaster)) => {
            upcaster.steps.iter().any(|step| step.from.kind == event.kind && step.from.schema == event.schema)
        }
        _ => false,
    }
}

/// From the log to the projector, step by step.
pub fn way(upcasting: &Upcasting) -> Markup {
    html! {
        ol.trace {
            @for call in &upcasting.calls { (step(call)) }
            li {
                @match upcasting.outcome {
                    Arrival::Handled if upcasting.arrives.is_empty() => "An upcaster drops it: the projector gets \
                        nothing.",
                    Arrival::Handled if upcasting.calls.is_empty() => "The projector gets it as it is in the log.",
                    Arrival::Handled => { "The projector gets " (kinds(&upcasting.arrives)) "." },
                    Arrival::PassedOver => "The projector passes over events of this type.",
                    Arrival::Skipped => "This version was told to pass over this event.",
                    Arrival::NoRoute | Arrival::Failed => strong.bad { "The version stops at it: "
                        (upcasting.reason.as_deref().unwrap_or_default()) },
                }
            }
        }
    }
}

fn step(call: &UpcasterCall) -> Markup {
    let digest = call.upcaster.to_string();
    html! {
        li {
            a href=(format!("/console/modules/{digest}")) title=(short(&digest)) { (call.name) }
            " makes of " (kinds(&call.takes)) ": "
            @if call.makes.is_empty() { "nothing" }
            @for made in &call.makes {
                strong { (made.kind) "/" (made.schema) }
                @if let Some(data) = &made.data { (json::block(data.get())) }
            }
        }
    }
}

fn kinds(all: &[After]) -> String {
    all.iter().map(|one| format!("{}/{}", one.kind, one.schema)).collect::<Vec<_>>().join(", ")
}
