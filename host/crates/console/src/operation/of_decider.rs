//! Operations that a visitor can have done to a decider.

use kinora_api::deciders::{Decider, DeciderState, DeciderVersion};
use serde_json::{Value, json};

use crate::ask::part;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeciderOperation {
    Promote,
    Rollback,
    Retire,
}

use DeciderOperation::{Promote, Retire, Rollback};

/// What whoever promotes a version can say of a gate that is closed: its name, and the words for it.
pub const ACCEPTED: [(&str, &str); 3] = [
    ("differences", "It is right where it decides otherwise than was decided"),
    ("stops", "It is right that live projections stop at what it emits"),
    ("one_way", "It is right that it does not fold all that was decided: commands of such aggregates fail"),
];

impl DeciderOperation {
    pub const ALL: [Self; 3] = [Promote, Rollback, Retire];

    /// By the last part of its address.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Promote => "promote",
            Rollback => "rollback",
            Retire => "retire",
        }
    }

    /// Its id in the API.
    pub fn id(self) -> &'static str {
        match self {
            Promote => "promote_decider",
            Rollback => "roll_back_decider",
            Retire => "retire_decider",
        }
    }

    /// On its button.
    pub fn word(self) -> &'static str {
        match self {
            Promote => "Promote",
            Rollback => "Roll back",
            Retire => "Give up",
        }
    }

    /// What it does, for whoever is about to do it.
    pub fn does(self) -> &'static str {
        match self {
            Promote => "This version decides from the next command on. The one before stays on standby.",
            Rollback => "The version that decided before decides again, from the next command on.",
            Retire => "Ends this version. It decides nothing any more; audits of what it has decided still use it.",
        }
    }

    pub fn destroys(self) -> bool {
        self == Retire
    }

    /// What whoever does it is told afterwards.
    pub fn done(self) -> &'static str {
        match self {
            Promote => "It decides.",
            Rollback => "Rolled back: the version before decides.",
            Retire => "Given up.",
        }
    }

    /// Why it makes no sense now, if it does not. The host decides; this says it before.
    pub fn why_not(self, decider: &Decider, version: &DeciderVersion) -> Option<String> {
        let is_live = decider.live == Some(version.version);
        match (self, version.state) {
            (Promote | Retire, _) if is_live => Some("it is live".into()),
            (Promote, DeciderState::Ready | DeciderState::Standby) => None,
            (Promote, DeciderState::Proving) => Some("it is still proving itself".into()),
            (Promote, DeciderState::Faulted) => Some("it is faulted".into()),
            (Promote | Retire, DeciderState::Retired) => Some("it was given up".into()),
            (Promote, DeciderState::Live) => Some("it is live".into()),
            (Rollback, _) if !is_live => Some("it is not live".into()),
            (Rollback, _) => {
                let stands_by = |other: &DeciderVersion| other.state == DeciderState::Standby;
                (!decider.versions.iter().any(stands_by)).then(|| "no version decided before".into())
            }
            (Retire, _) => None,
        }
    }

    /// Where it is sent.
    pub fn path(self, name: &str) -> String {
        format!("/v1/deciders/{}/{}", part(name), self.name())
    }

    /// What is sent, from the fields of the form.
    pub fn body(self, version: u32, field: impl Fn(&str) -> Option<String>) -> Value {
        let live = field("expected_live").and_then(|live| live.parse::<u32>().ok());
        let mut body = serde_json::Map::new();
        if self != Rollback {
            body.insert("version".into(), json!(version));
        }
        if self != Retire && live.is_some() {
            body.insert("expected_live".into(), json!(live));
        }
        if self == Promote {
            for (gate, _) in ACCEPTED {
                let accepted = format!("accept_{gate}");
                body.insert(accepted.clone(), json!(field(&accepted).is_some()));
            }
        }
        Value::Object(body)
    }
}
