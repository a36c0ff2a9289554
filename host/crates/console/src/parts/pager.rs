//! Pages of a long list that is there as a whole, and a search in its names.

use maud::{Markup, html};

use crate::parts::figures::number;
use crate::visit::Visit;

/// Entries of a page.
const PAGE: usize = 100;

/// What of a list is shown: those whose names contain what was typed, a page of them.
pub struct Part<'a, T> {
    pub shown: Vec<&'a T>,
    /// What was typed.
    wanted: String,
    from: usize,
    found: usize,
    all: usize,
}

impl<'a, T> Part<'a, T> {
    /// What the parameters `q` and `from` choose.
    pub fn chosen(visit: &Visit<'_>, all: &'a [T], name: impl Fn(&T) -> &str) -> Self {
        let wanted = visit.parameter("q").unwrap_or_default().to_lowercase();
        let found: Vec<_> = all.iter().filter(|one| name(one).to_lowercase().contains(&wanted)).collect();
        let from = visit.number("from").and_then(|from| usize::try_from(from).ok()).unwrap_or(0).min(found.len());
        let shown = found.iter().skip(from).take(PAGE).copied().collect();
        Self { shown, wanted, from, found: found.len(), all: all.len() }
    }

    /// Only where there is much to search.
    pub fn search(&self, visit: &Visit<'_>, what: &str) -> Markup {
        html! {
            @if self.all > PAGE || !self.wanted.is_empty() {
                form.inline method="get" action=(format!("/console{}", visit.path)) {
                    input #filter type="search" name="q" value=(self.wanted) placeholder="name contains…"
                        aria-label=(format!("{what} whose names contain"));
                }
            }
        }
    }

    /// Where one is in it, and the way on and back. `order` says what comes first.
    pub fn pager(&self, visit: &Visit<'_>, order: &str) -> Markup {
        let Self { shown, from, found, .. } = self;
        html! {
            @if *found > PAGE {
                p.pager {
                    (from + 1) "–" (from + shown.len()) " of " (number(*found as u64)) (order) ". "
                    @if *from > 0 {
                        a rel="prev" href=(visit.here_with(&[("from", &from.saturating_sub(PAGE).to_string())])) {
                            "Previous" } " "
                    }
                    @if from + shown.len() < *found {
                        a rel="next" href=(visit.here_with(&[("from", &(from + shown.len()).to_string())])) { "Next" }
                    }
                }
            }
        }
    }
}
