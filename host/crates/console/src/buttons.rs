//! Buttons for what can be done with a version. One that does nothing now, or not for this visitor, says why.

use kinora_api::projections::Projection;
use kinora_api::rollouts::Checklist;
use kinora_api::versions::Version;
use maud::{Markup, Render, html};

use crate::ask::part;
use crate::operation::Operation;
use crate::visit::Visit;

/// A button that leads to a page which asks again, and shows what will come of it.
pub struct Button {
    pub id: String,
    pub word: &'static str,
    pub address: String,
    /// Why it does nothing now.
    pub why_not: Option<String>,
    /// Whether it is what one most likely wants.
    pub is_first: bool,
    pub destroys: bool,
    /// What stands below it.
    pub note: Option<String>,
}

impl Render for Button {
    fn render(&self) -> Markup {
        let Self { id, word, address, why_not, is_first, destroys, note } = self;
        html! {
            span.choice {
                @if let Some(why) = why_not {
                    button type="button" disabled id=(id) aria-describedby=(format!("why-{id}")) { (word) }
                    span.quiet id=(format!("why-{id}")) { (why) }
                } @else {
                    a.button.first[*is_first].danger[*destroys] id=(id) href=(address) { (word) "…" }
                    @if let Some(note) = note { span.quiet { (note) } }
                }
            }
        }
    }
}

/// An operation, as it is offered to a visitor.
#[derive(Clone, Copy)]
pub struct Offer<'a> {
    pub visit: &'a Visit<'a>,
    pub projection: &'a Projection,
    pub version: &'a Version,
    pub operation: Operation,
    /// Of the version, if the page has looked at them.
    pub gates: Option<&'a Checklist>,
}

impl Offer<'_> {
    /// Why it cannot be done now, or not by this visitor.
    pub fn why_not(&self) -> Option<String> {
        let may = self.visit.api.may(self.operation.name(), &self.projection.name);
        may.err().or_else(|| self.operation.why_not(self.projection, self.version))
    }

    /// Whether gates are in the way of it.
    pub fn is_closed(&self) -> bool {
        self.operation == Operation::Promote && self.gates.is_some_and(|gates| !gates.passed)
    }

    /// Where it is asked for once more, and done.
    pub fn address(&self) -> String {
        let (name, version) = (part(&self.projection.name), self.version.version);
        format!("/console/projections/{name}/versions/{version}/{}", self.operation.name())
    }

    pub fn button(&self) -> Button {
        let closed = self.gates.into_iter().flat_map(|gates| &gates.gates).filter(|gate| !gate.passed).count();
        Button {
            id: format!("{}-{}", self.operation.name(), self.version.version),
            word: self.operation.word(),
            address: self.address(),
            why_not: self.why_not(),
            is_first: self.operation == Operation::Promote && !self.is_closed(),
            destroys: self.operation.destroys(),
            note: self.is_closed().then(|| format!("{closed} gates closed")),
        }
    }
}

/// All that fits a version.
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
                (Offer { visit, projection, version, operation, gates }.button())
            }
        }
    }
}
