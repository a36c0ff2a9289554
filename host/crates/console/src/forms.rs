//! Parts that forms have in common.

use maud::{Markup, html};
use uuid::Uuid;

use crate::visit::Visit;

/// What every form has that changes something: that it is of this console, a key by which it is done once even if it is
/// sent twice, and which version was live when it was made.
pub fn signature(visit: &Visit<'_>, live: Option<u32>) -> Markup {
    html! {
        input type="hidden" name="token" value=(visit.token);
        input type="hidden" name="key" value=(Uuid::new_v4());
        @if let Some(live) = live { input type="hidden" name="expected_live" value=(live); }
    }
}

pub fn reason(is_needed: bool) -> Markup {
    html! {
        label for="reason" { "Why " @if !is_needed { span.quiet { "(for the history; may be left out)" } } }
        input #reason type="text" name="reason" maxlength="1000" required[is_needed] autocomplete="off";
    }
}
