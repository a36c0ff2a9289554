//! Headline: in one sentence whether somebody has to do something, and then what.

use kinora_api::deciders::{Decider, DeciderState, DeciderVersion};
use kinora_api::health::Readiness;
use kinora_api::log::Log;
use kinora_api::projections::Projection;
use kinora_api::versions::{State, Version};
use maud::{Markup, html};

use crate::ask::part;
use crate::pages::commands::address;
use crate::parts::{duration, number};

/// Lines of a kind.
const LINES: usize = 100;

pub fn section(log: &Log, all: &[Projection], deciders: &[Decider], ready: Option<&Readiness>) -> Markup {
    let faults = all.iter().filter_map(|one| one.faulted().map(|version| fault(one, version)));
    let stalled = ready.into_iter().flat_map(|ready| &ready.waiting).filter(|one| one.state != State::Faulted);
    let stalled = stalled.map(|one| {
        html! {
            a href=(format!("/console/projections/{}", part(&one.projection))) { (one.projection) }
            " version " (one.version) " is live and does not go on: it is " (one.state)
            @if let Some(seconds) = one.stalled_seconds { ", stalled for " (duration(seconds as f64)) }
        }
    });
    let trouble: Vec<Markup> =
        poisoned(log).into_iter().chain(faults).chain(stalled).chain(undecided(deciders)).collect();
    let waiting: Vec<Markup> = waiting(all).chain(waiting_deciders(deciders)).collect();
    html! {
        @match trouble.len() {
            0 => h1.well { span.state.live { span.shape aria-hidden="true" {} } "All is well" },
            some => h1.bad { span.state.faulted { span.shape aria-hidden="true" {} }
                @if some == 1 { "One thing needs you" } @else { (some) " things need you" } },
        }
        @if trouble.len() + waiting.len() > 0 {
            ul.attention {
                @for line in trouble.iter().take(LINES) { li.bad { (line) } }
                @for line in waiting.iter().take(LINES) { li { (line) } }
                @let more = trouble.len().saturating_sub(LINES) + waiting.len().saturating_sub(LINES);
                @if more > 0 { li { "and " (number(more as u64)) " more" } }
            }
        }
    }
}

fn poisoned(log: &Log) -> Option<Markup> {
    log.poisoned.as_ref().map(|why| {
        html! { strong { "The log takes no appends: " } (why) ". Restart the host; nothing acknowledged is lost." }
    })
}

fn link(one: &Projection, version: &Version) -> String {
    format!("/console/projections/{}/versions/{}", part(&one.name), version.version)
}

fn fault(one: &Projection, version: &Version) -> Markup {
    let message = version.fault.as_ref().map(|fault| fault.message.as_str()).unwrap_or_default();
    let is_live = one.live == Some(version.version);
    html! {
        a href=(format!("{}/fault", link(one, version))) { (one.name) " version " (version.version) " stopped" }
        @if let Some(position) = version.fault.as_ref().and_then(|fault| fault.position) {
            " at event " (number(position))
        }
        ": " (message) ". "
        span.quiet { @if is_live { "It is live: its queries are refused." } @else { "It is not live." } }
    }
}

/// Deciders that take no commands, and newest versions that cannot.
fn undecided(deciders: &[Decider]) -> impl Iterator<Item = Markup> {
    deciders.iter().filter_map(|one| {
        let newest = one.versions.last().filter(|newest| newest.state == DeciderState::Faulted);
        match (one.live, newest) {
            (Some(live), _) if !one.decides => Some(html! {
                a href=(address::version(&one.name, live)) { (one.name) " takes no commands" }
                ": version " (live) " is live and not loaded"
            }),
            (_, Some(newest)) => Some(html! {
                a href=(address::version(&one.name, newest.version)) { (one.name) " version " (newest.version)
                    " cannot decide" }
                ": " (newest.reason.as_deref().unwrap_or_default())
            }),
            _ => None,
        }
    })
}

/// Versions that are ready, and wait for somebody.
fn waiting(all: &[Projection]) -> impl Iterator<Item = Markup> {
    let newest = all.iter().filter_map(|one| Some((one, one.newest().filter(|one| one.state == State::Ready)?)));
    newest.map(|(one, version)| {
        html! {
            a href=(link(one, version)) { (one.name) " version " (version.version) }
            " is ready. Look at what differs, then promote it."
        }
    })
}

fn waiting_deciders(deciders: &[Decider]) -> impl Iterator<Item = Markup> {
    let is_ready = |version: &&DeciderVersion| version.state == DeciderState::Ready;
    let newest = deciders.iter().filter_map(move |one| Some((one, one.versions.last().filter(is_ready)?)));
    newest.map(|(one, version)| {
        html! {
            a href=(address::version(&one.name, version.version)) { (one.name) " version " (version.version) }
            " is ready to decide. Look at its gates, then promote it."
        }
    })
}
