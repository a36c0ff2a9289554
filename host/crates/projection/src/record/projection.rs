//! The record of a projection in the catalog.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::record::history::{By, Entry, What};
use crate::record::request::{Answered, KNOWN_REQUESTS, Outcome, Request, RequestKey};
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
    /// Requests that were done, by the keys that their clients gave them, the oldest first.
    #[serde(default)]
    answered: Vec<Answered>,
}

impl ProjectionRecord {
    /// Adds an entry to the history: it reaches the log once this record has reached the catalog.
    pub fn record(&mut self, projection: &str, what: What, by: &By, figures: serde_json::Value) {
        self.entries += 1;
        self.unrecorded.push(Entry::new(self.entries, projection, what, by, figures));
    }

    /// What came of a request that was done before, unless it came more than `kept` ago.
    ///
    /// # Errors
    /// [`Error::KeyReused`], if its key belongs to another one.
    pub fn answered(&self, key: &RequestKey, kept: Duration) -> Result<Option<Outcome>, Error> {
        let known = self.answered.iter().rev().find(|answered| answered.has_key_of(key));
        match known.filter(|answered| !answered.is_older_than(kept)) {
            None => Ok(None),
            Some(answered) if answered.is_for(key) => Ok(Some(answered.outcome)),
            Some(_) => Err(Error::KeyReused { key: key.key.clone() }),
        }
    }

    /// Refuses a request that expects another version to be live.
    pub fn expect(&self, request: &Request) -> Result<(), Error> {
        match request.expected_live {
            Some(expected) if self.live != Some(expected) => {
                Err(Error::OtherLive { expected: Some(expected), live: self.live })
            }
            _ => Ok(()),
        }
    }

    /// Keeps in mind that a request is done, and forgets those that came more than `kept` ago.
    pub fn remember(&mut self, request: &Request, kept: Duration) {
        let Some(key) = &request.key else { return };
        let newest = self.versions.keys().next_back().copied();
        let outcome = Outcome { live: self.live, previous: self.previous, settings: self.settings, newest };
        self.answered.retain(|answered| !answered.has_key_of(key) && !answered.is_older_than(kept));
        let surplus = (self.answered.len() + 1).saturating_sub(KNOWN_REQUESTS);
        self.answered.drain(..surplus);
        self.answered.push(Answered::new(key, outcome));
    }

    /// The projection as an answer shows it that has been given before.
    pub fn as_answered(&self, outcome: &Outcome) -> Self {
        let Outcome { live, previous, settings, newest } = *outcome;
        let versions = self.versions.iter().filter(|(number, _)| Some(**number) <= newest);
        let versions = versions.map(|(number, record)| (*number, record.clone())).collect();
        Self { live, previous, versions, settings, ..Self::default() }
    }

    /// Numbers are never used again.
    pub fn next_version(&self) -> u32 {
        self.versions.keys().next_back().map_or(1, |last| last.saturating_add(1))
    }
}
