//! The choice of the version that is asked, and rows that stand still.

use kinora_api::projections::Projection;
use kinora_api::versions::State;
use maud::{Markup, html};

use crate::parts::badge;
use crate::visit::Visit;

/// Somebody who looks at rows wants to see them even if they stand still; the page says that they do.
pub const STALE: (&str, &str) = ("stale", "true");

/// Chooses which version is asked.
pub fn versions(visit: &Visit<'_>, projection: &Projection) -> Markup {
    let there: Vec<_> = projection.versions.iter().filter(|version| !version.state.is_gone()).collect();
    let chosen = visit.number("version").or(projection.live.map(u64::from));
    html! {
        @if there.len() > 1 {
            form.inline method="get" action=(format!("/console{}", visit.path)) {
                @for (name, value) in visit.parameters.iter().filter(|(name, _)| name != "version" && name !=
                    "cursor") {
                    input type="hidden" name=(name) value=(value);
                }
                select name="version" aria-label="The version that is asked" data-submit="true" {
                    @for version in there {
                        option value=(version.version) selected[Some(u64::from(version.version)) == chosen] {
                            "version " (version.version) ", " (version.state)
                        }
                    }
                }
                " " button.small { "Ask" }
            }
        } @else if let Some(only) = there.first().filter(|only| only.state != State::Live) { (badge(&only.state)) }
    }
}
