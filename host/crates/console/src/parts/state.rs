//! States, each with a word and a shape of its own, so that nobody has to tell colours apart.

use kinora_api::deciders::DeciderState;
use kinora_api::versions::State;
use maud::{Markup, html};

pub fn badge(state: &State) -> Markup {
    shaped(shape(state), &state.to_string())
}

/// The class that a state is drawn by.
fn shape(state: &State) -> &'static str {
    match state {
        State::Validating | State::Replaying | State::CatchingUp => "moving",
        State::Ready => "ready",
        State::Live => "live",
        State::Standby => "standby",
        State::Paused => "paused",
        State::Faulted => "faulted",
        State::Retired | State::Aborted | State::Other(_) => "gone",
    }
}

pub fn decider_badge(state: DeciderState) -> Markup {
    let (shape, word) = match state {
        DeciderState::Proving => ("moving", "proving"),
        DeciderState::Ready => ("ready", "ready"),
        DeciderState::Live => ("live", "live"),
        DeciderState::Standby => ("standby", "standby"),
        DeciderState::Faulted => ("faulted", "faulted"),
        DeciderState::Retired => ("gone", "retired"),
    };
    shaped(shape, word)
}

pub fn shaped(shape: &str, word: &str) -> Markup {
    html! { span.state.(shape) { span.shape aria-hidden="true" {} (word) } }
}
