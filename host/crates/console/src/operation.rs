//! Operations that a visitor can have done to a projection: their words, when they make sense, what is sent.

mod of_decider;

use kinora_api::projections::Projection;
use kinora_api::versions::{State, Version};
use serde_json::{Value, json};

use crate::ask::part;

pub use of_decider::{ACCEPTED, DeciderOperation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Promote,
    Rollback,
    Review,
    Pause,
    Resume,
    Retry,
    Abort,
    Retire,
    Skip,
}

use Operation::{Abort, Pause, Promote, Resume, Retire, Retry, Review, Rollback, Skip};

impl Operation {
    /// What can be done with a version, what one wants most first.
    pub const OF_A_VERSION: [Self; 8] = [Promote, Review, Pause, Resume, Skip, Retry, Abort, Retire];

    /// By the last part of its address, which is its id in the API as well.
    pub fn named(name: &str) -> Option<Self> {
        Self::OF_A_VERSION.into_iter().chain([Rollback]).find(|operation| operation.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Promote => "promote",
            Rollback => "rollback",
            Review => "review",
            Pause => "pause",
            Resume => "resume",
            Retry => "retry",
            Abort => "abort",
            Retire => "retire",
            Skip => "skip",
        }
    }

    /// On its button.
    pub fn word(self) -> &'static str {
        match self {
            Promote => "Promote",
            Rollback => "Roll back",
            Review => "Mark as reviewed",
            Pause => "Pause",
            Resume => "Resume",
            Retry => "Retry from the beginning",
            Abort => "Abort",
            Retire => "Retire",
            Skip => "Skip the event",
        }
    }

    /// What it does, for whoever is about to do it.
    pub fn does(self) -> &'static str {
        match self {
            Promote => {
                "Queries are answered by this version from then on, in one step. The one before stays on standby."
            }
            Rollback => "Queries are answered by the version before, in one step and without gates.",
            Review => "Says that what differs from the live version is right. It opens the gate `reviewed`.",
            Pause => "Stops projecting and keeps the rows. A live version that is paused answers no query.",
            Resume => "Goes on from the checkpoint.",
            Retry => "Throws the rows away and replays history from the beginning.",
            Abort => "Ends this version, which was never live, and removes its rows.",
            Retire => "Ends this version and removes its rows. Rolling back to it is not possible any more.",
            Skip => "Passes over the event at which the version stopped, for ever, and goes on.",
        }
    }

    /// Whether rows are lost by it.
    pub fn destroys(self) -> bool {
        matches!(self, Retry | Abort | Retire | Skip)
    }

    /// What whoever does it is told afterwards.
    pub fn done(self) -> &'static str {
        match self {
            Promote => "It is live.",
            Rollback => "Rolled back: the version before is live.",
            Review => "Marked as reviewed.",
            Pause => "Paused.",
            Resume => "It goes on.",
            Retry => "It begins anew.",
            Abort => "Aborted.",
            Retire => "Retired.",
            Skip => "The event is passed over, and the version goes on.",
        }
    }

    /// Why it makes no sense now, if it does not. The host decides; this says it before.
    pub fn why_not(self, projection: &Projection, version: &Version) -> Option<String> {
        let is_live = projection.live == Some(version.version);
        let is = &version.state;
        let says = |makes_sense: bool, why: &str| (!makes_sense).then(|| why.to_owned());
        match self {
            Promote if is_live => Some("it is live".into()),
            Promote if *is == State::Standby => None,
            Promote => says(*is == State::Ready, &format!("it is {is}, and has to be ready")),
            Rollback => says(projection.previous.is_some(), "no version was live before"),
            Review if is_live => Some("it is live".into()),
            Review => says(projection.live.is_some() && !is.is_gone(), "there is no live version to compare it with"),
            Pause => {
                says(is.is_underway() || matches!(is, State::Ready | State::Live | State::Standby), "it stands still")
            }
            Resume => says(matches!(is, State::Paused | State::Faulted), "it is neither paused nor faulted"),
            Skip => says(stopped_at(version).is_some(), "it did not stop at an event"),
            Retry | Abort | Retire if is_live => Some("it is live".into()),
            Retry | Retire => says(!is.is_gone(), "its rows are gone"),
            Abort => says(!is.is_gone() && *is != State::Standby, "it was live once, or is gone: retire it"),
        }
    }

    /// Where it is sent.
    pub fn path(self, name: &str, version: u32) -> String {
        match self {
            Rollback => format!("/v1/projections/{}/rollback", part(name)),
            _ => format!("/v1/projections/{}/versions/{version}/{}", part(name), self.name()),
        }
    }

    /// What is sent, from the fields of the form.
    pub fn body(self, field: impl Fn(&str) -> Option<String>) -> Value {
        let mut body = serde_json::Map::new();
        let live = field("expected_live").and_then(|live| live.parse::<u32>().ok());
        if let Some(live) = live {
            body.insert("expected_live".into(), json!(live));
        }
        match self {
            Promote => {
                body.insert("force".into(), json!(field("force").is_some()));
            }
            Review => {
                if let Some(live) = live {
                    body.insert("against".into(), json!(live));
                }
            }
            Skip => {
                body.insert("position".into(), json!(field("position").and_then(|at| at.parse::<u64>().ok())));
                body.insert("reason".into(), json!(field("reason").unwrap_or_default()));
            }
            _ => {}
        }
        Value::Object(body)
    }
}

/// The event at which a version stopped.
pub fn stopped_at(version: &Version) -> Option<u64> {
    version.fault.as_ref().filter(|_| version.state == State::Faulted).and_then(|fault| fault.position)
}
