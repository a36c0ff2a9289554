//! Rollouts under way: how far each has come, and how long it will take.

use kinora_api::projections::Projection;
use kinora_api::versions::{State, Version};
use maud::{Markup, html};

use crate::ask::part;
use crate::parts::{badge, bar, duration, number, percent};

/// Those that are shown one by one; all are in the table of projections.
const SHOWN: usize = 10;

pub fn section(all: &[Projection]) -> Markup {
    let moving: Vec<_> =
        all.iter().filter_map(|one| Some((one, one.newest().filter(|it| it.state.is_underway())?))).collect();
    html! {
        @if !moving.is_empty() {
            section { h2 { "Rollouts under way" }
                ul.plain.rollouts { @for (one, version) in moving.iter().take(SHOWN) {
                    li { strong { (one.name) } " " (progress(one, version)) " " (badge(&version.state)) }
                } }
                @if moving.len() > SHOWN { p.quiet { "and " (number((moving.len() - SHOWN) as u64)) " more" } }
            }
        }
    }
}

/// That of one projection, if one is under way or waits.
pub fn line(one: &Projection) -> Markup {
    let Some(newest) = one.newest().filter(|newest| Some(newest.version) != one.live) else { return html! {} };
    html! {
        @if newest.state.is_underway() { (progress(one, newest)) }
        @else if newest.state == State::Ready { a href=(link(one, newest)) { "v" (newest.version) " is ready" } }
    }
}

fn link(one: &Projection, version: &Version) -> String {
    format!("/console/projections/{}/versions/{}", part(&one.name), version.version)
}

fn progress(one: &Projection, version: &Version) -> Markup {
    let of = version.head.map_or(0, |head| (head + 1).saturating_sub(version.start));
    let share = percent(version.applied as f64, of as f64);
    html! {
        a href=(link(one, version)) { "v" (version.version) } " "
        (bar(share, &format!("{share:.0} percent of history"))) " " (format!("{share:.0}")) "%"
        @if let Some(left) = version.eta_seconds { span.quiet { ", " (duration(left)) " left" } }
    }
}
