//! The record of a projection in the catalog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::history::{By, Entry, What};
use crate::record::settings::Settings;
use crate::record::version::VersionRecord;

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
