//! The record of a version in the catalog.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use kinora_types::Digest;

use crate::record::continuation::Continued;
use crate::record::fault::Fault;
use crate::record::gates::Gates;
use crate::record::proof::Proof;

#[derive(Clone, Serialize, Deserialize)]
pub struct VersionRecord {
    pub module: Digest,
    pub upcasters: Vec<Digest>,
    pub promote: Promote,
    pub created_at: Timestamp,
    pub paused: bool,
    pub retired: bool,
    /// Whether it has been live before.
    pub was_live: bool,
    /// Set once it has been ready: its rows are in the write-ahead log since.
    pub replayed_in_ms: Option<u64>,
    /// What the check of its determinism has found, once it has passed.
    #[serde(default)]
    pub proof: Option<Proof>,
    /// The events that it passes over because somebody said so, by position. Never forgotten.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// The version whose rows it is to go on with, if that is sound.
    #[serde(default)]
    pub continue_from: Option<u32>,
    /// What became of that wish, once it is decided.
    #[serde(default)]
    pub continued: Option<Continued>,
    #[serde(default)]
    pub gates: Gates,
    /// The position of the first event that it applies.
    #[serde(default)]
    pub start: u64,
    #[serde(default)]
    pub ready_at: Option<Timestamp>,
    /// The version that was live when this one was deployed: it goes live by itself in the place of no other.
    #[serde(default)]
    pub deployed_over: Option<u32>,
    #[serde(default)]
    pub reviewed: Option<Review>,
    /// When it last stopped being live.
    #[serde(default)]
    pub live_until: Option<Timestamp>,
    /// The event at which it stopped. It stays stopped there, over restarts too, until somebody lets it go on.
    #[serde(default)]
    pub fault: Option<Fault>,
    /// Ended before it was ever live.
    #[serde(default)]
    pub aborted: bool,
    /// How often its rows were thrown away to begin anew: each attempt has a folder of its own.
    #[serde(default)]
    pub attempt: u32,
}

impl VersionRecord {
    /// What the version is made of, in one digest. `settings` stands for the contract and the engine.
    pub fn identity(&self, settings: &Digest) -> Digest {
        let mut text = format!("{settings}\n{}\n", self.module);
        for upcaster in &self.upcasters {
            text.push_str(&format!("upcaster {upcaster}\n"));
        }
        for skipped in &self.skipped {
            text.push_str(&format!("skipped {}\n", skipped.position));
        }
        Digest::of(text.as_bytes())
    }

    /// Whether it needs a module. One that is gone needs none.
    pub fn uses(&self, digest: Digest) -> bool {
        !self.retired && (self.module == digest || self.upcasters.contains(&digest))
    }
}

/// An event that a version could not handle and was told to pass over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub position: u64,
    pub event_type: Option<String>,
    pub schema: Option<u32>,
    pub stream: Option<String>,
    /// Why somebody thought that this was right.
    pub reason: String,
    /// What the fault was.
    pub fault: String,
    pub skipped_at: Timestamp,
}

/// Somebody has looked at what differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The version that it was compared with.
    pub against: u32,
    pub at: Timestamp,
    pub who: Option<String>,
}

/// Who decides that a version goes live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promote {
    /// Somebody does.
    #[default]
    Manual,
    /// It does itself, once it is ready.
    WhenReady,
}
