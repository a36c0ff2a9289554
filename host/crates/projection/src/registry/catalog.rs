//! What a host remembers of its projections: `projections.json`, replaced as a whole. Its replacement is the moment at
//! which a promotion happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use kinora_types::Digest;

use crate::error::Error;
use crate::record::status::Fault;
use crate::registry::history::{By, Entry, What};
use crate::rollout::gates::Gates;
use crate::trial::continuation::Continued;
use crate::trial::proof::Proof;

/// The layout of this file. Another one is refused, never guessed at.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    projections: BTreeMap<String, ProjectionRecord>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ProjectionRecord {
    pub live: Option<u32>,
    pub previous: Option<u32>,
    pub versions: BTreeMap<u32, VersionRecord>,
    #[serde(default)]
    pub settings: Settings,
    /// Entries of its history so far.
    #[serde(default)]
    entries: u64,
    /// Those of them that the log may not have yet.
    #[serde(default)]
    pub unrecorded: Vec<Entry>,
}

/// What holds for all versions of a projection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many versions on standby are kept; all of them if it is not set. The rest is retired after a switch.
    pub retain: Option<u32>,
    pub on_fault: OnFault,
}

/// How a version answers that stopped at a fault: its rows no longer follow the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFault {
    /// Not at all, unless the query says that old rows are welcome.
    #[default]
    Refuse,
    /// With what it has, and a warning.
    Stale,
}

impl ProjectionRecord {
    /// Adds an entry to the history: it reaches the log once this record has reached the catalog.
    pub fn record(&mut self, projection: &str, what: What, by: &By, figures: serde_json::Value) {
        self.entries += 1;
        self.unrecorded.push(Entry::new(self.entries, projection, what, by, figures));
    }

    /// Numbers are never used again.
    pub fn next_version(&self) -> u32 {
        self.versions.keys().next_back().map_or(1, |last| last.saturating_add(1))
    }
}

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

pub struct Catalog {
    path: PathBuf,
    pub projections: BTreeMap<String, ProjectionRecord>,
}

impl Catalog {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |cause: String| Error::Catalog { path: path.display().to_string(), cause };
        let projections = match std::fs::read(path) {
            Ok(bytes) => {
                let file: File = serde_json::from_slice(&bytes).map_err(|cause| failed(cause.to_string()))?;
                if file.format != FORMAT {
                    return Err(failed(format!("its format is {}, this program knows {FORMAT}", file.format)));
                }
                file.projections
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(cause) => return Err(failed(cause.to_string())),
        };
        Ok(Self { path: path.to_owned(), projections })
    }

    /// Replaces the record of a projection on disk, and gives the catalog as it is then.
    pub fn with(&self, name: &str, changed: ProjectionRecord) -> Result<Self, Error> {
        let failed = |cause: String| Error::Catalog { path: self.path.display().to_string(), cause };
        let mut projections = self.projections.clone();
        projections.insert(name.to_owned(), changed);
        let file = File { format: FORMAT, projections };
        let bytes = serde_json::to_vec_pretty(&file).map_err(|cause| failed(cause.to_string()))?;
        kinora_files::write_durably(&self.path, &bytes).map_err(|cause| failed(cause.to_string()))?;
        Ok(Self { path: self.path.clone(), projections: file.projections })
    }
}
