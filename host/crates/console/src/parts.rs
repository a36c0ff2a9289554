//! Parts of which pages are made: figures, times, states, bars, JSON.

pub mod figures;
pub mod json;
mod pager;
pub mod state;

pub use figures::{bar, bytes, duration, number, percent, since, used};
pub use pager::Part;
pub use state::{badge, decider_badge};

use maud::{Markup, html};

/// What is shown where there is nothing yet: what it would be, and how to get it.
pub fn empty(title: &str, what_to_do: Markup) -> Markup {
    html! {
        div.empty {
            p { strong { (title) } }
            (what_to_do)
        }
    }
}

/// A command that can be taken along.
pub fn command(text: &str) -> Markup {
    html! {
        div.command {
            code { (text) }
            button.small type="button" data-copy=(text) hidden { "Copy" }
        }
    }
}

/// The first of a long digest.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
