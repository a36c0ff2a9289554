//! Buttons for what can be done with a version. One that does nothing now, or not for this visitor, says why.

use kinora_api::projections::Projection;
use kinora_api::rollouts::Checklist;
use kinora_api::versions::Version;
use maud::{Markup, html};

use crate::ask::part;
use crate::operation::Operation;
use crate::visit::Visit;

/// Each leads to a page that asks again, and shows what will come of it.
pub fn of_version(visit: &Visit<'_>, projection: &Projection, version: &Version, gates: Option<&Checklist>) -> Markup {
    let mut all = Operation::OF_A_VERSION.to_vec();
    if projection.live == Some(version.version) {
        all.push(Operation::Rollback);
    }
    let fits = |operation: &Operation| !matches!(operation, Operation::Skip) || version.fault.is_some();
    let wanted = |operation: &Operation| !version.state.is_gone() && fits(operation);
    html! {
        div.buttons {
            @for operation in all.into_iter().filter(wanted) {
                (button(visit, projection, version, operation, gates))
            }
        }
    }
}

pub fn button(
    visit: &Visit<'_>,
    projection: &Projection,
    version: &Version,
    operation: Operation,
    gates: Option<&Checklist>,
) -> Markup {
    let why_not = visit.api.may(operation.name(), &projection.name).err();
    let why_not = why_not.or_else(|| operation.why_not(projection, version));
    let id = format!("{}-{}", operation.name(), version.version);
    let closed = gates.filter(|gates| operation == Operation::Promote && !gates.passed);
    html! {
        @if let Some(why) = &why_not {
            span.choice {
                button type="button" disabled id=(id) aria-describedby=(format!("why-{id}")) { (operation.word()) }
                span.quiet id=(format!("why-{id}")) { (why) }
            }
        } @else {
            span.choice {
                a.button.first[operation == Operation::Promote && closed.is_none()].danger[operation.destroys()]
                    id=(id) href=(address(&projection.name, version.version, operation)) { (operation.word()) "…" }
                @if let Some(gates) = closed {
                    span.quiet { (gates.gates.iter().filter(|gate| !gate.passed).count()) " gates closed" }
                }
            }
        }
    }
}

/// Where an operation is asked for once more, and done.
pub fn address(name: &str, version: u32, operation: Operation) -> String {
    format!("/console/projections/{}/versions/{version}/{}", part(name), operation.name())
}
