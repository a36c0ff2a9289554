//! The catalog of a decider: a fold of its stream, `$kinora/deciders/NAME`. Each append of the decider is checked
//! against the revision of that stream, so what stands there holds for every decision that is in the log.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use kinora_projection::By;
use kinora_types::{Digest, EventType, InvalidName, NewEvent, RESERVED, Revision, StreamName};

use crate::record::report::Report;

/// What all streams of deciders begin with.
pub fn prefix() -> String {
    format!("{RESERVED}/deciders/")
}

/// The stream of a decider.
pub fn stream(decider: &str) -> Result<StreamName, InvalidName> {
    format!("{}{decider}", prefix()).parse()
}

/// Something that happened to a decider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// `owns` is the category whose streams nobody else appends to while the version is live.
    Deployed {
        version: u32,
        module: Digest,
        upcasters: Vec<Digest>,
        owns: Option<String>,
    },
    /// All of history was folded, and recorded commands were decided again.
    Proved {
        version: u32,
        report: Report,
    },
    Faulted {
        version: u32,
        reason: String,
    },
    /// From here on it decides, and no other.
    Promoted {
        version: u32,
        from: Option<u32>,
    },
    Retired {
        version: u32,
    },
    /// Somebody else was let append to a stream that it owns.
    Overridden {
        stream: String,
    },
}

impl Change {
    fn kind(&self) -> &'static str {
        match self {
            Self::Deployed { .. } => "DeciderDeployed",
            Self::Proved { .. } => "DeciderProved",
            Self::Faulted { .. } => "DeciderFaulted",
            Self::Promoted { .. } => "DeciderPromoted",
            Self::Retired { .. } => "DeciderRetired",
            Self::Overridden { .. } => "DeciderOverridden",
        }
    }
}

/// A change, and who made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub decider: String,
    #[serde(flatten)]
    pub change: Change,
    pub who: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    pub why: Option<String>,
    pub at: Timestamp,
}

impl Entry {
    pub fn new(decider: &str, change: Change, by: &By) -> Self {
        let By { who, said, why } = by.clone();
        Self { decider: decider.to_owned(), change, who, said, why, at: Timestamp::now() }
    }

    pub fn event(&self) -> Result<NewEvent, String> {
        let data = serde_json::to_string(self).map_err(|cause| cause.to_string())?;
        let data = RawValue::from_string(data).map_err(|cause| cause.to_string())?;
        let kind =
            EventType::new(format!("{RESERVED}.{}", self.change.kind()), 1).map_err(|cause| cause.to_string())?;
        let tag = format!("decider:{}", self.decider).parse().map_err(|cause: InvalidName| cause.to_string())?;
        Ok(NewEvent { id: Uuid::new_v4(), kind, data, metadata: None, tags: vec![tag] })
    }
}

/// What a version is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// History is folded, and recorded commands are decided again.
    Proving,
    Ready,
    Live,
    /// It was live, and can be again at once.
    Standby,
    Faulted,
    Retired,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proving => "proving",
            Self::Ready => "ready",
            Self::Live => "live",
            Self::Standby => "standby",
            Self::Faulted => "faulted",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug)]
pub struct Version {
    pub module: Digest,
    pub upcasters: Vec<Digest>,
    /// The category whose streams nobody else appends to while it is live.
    pub owns: Option<String>,
    pub state: State,
    /// Whether it has decided anything: then its module is needed to decide that again.
    pub was_live: bool,
    /// Why it is faulted.
    pub reason: Option<String>,
    pub report: Option<Report>,
}

/// All that is known of a decider.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The last one of its stream.
    pub revision: Option<Revision>,
    pub versions: BTreeMap<u32, Version>,
    pub live: Option<u32>,
    /// Those that were live before, the last one last.
    pub before: Vec<u32>,
}

impl Catalog {
    pub fn next_version(&self) -> u32 {
        self.versions.keys().next_back().map_or(1, |last| last + 1)
    }

    pub fn apply(&mut self, change: &Change, revision: Revision) {
        self.revision = Some(revision);
        match change {
            Change::Deployed { version, module, upcasters, owns } => {
                let (module, upcasters, owns) = (*module, upcasters.clone(), owns.clone());
                let state = State::Proving;
                let (was_live, reason, report) = (false, None, None);
                let deployed = Version { module, upcasters, owns, state, was_live, reason, report };
                self.versions.insert(*version, deployed);
            }
            Change::Proved { version, report } => {
                if let Some(proved) = self.proving(*version) {
                    proved.state = State::Ready;
                    proved.report = Some(report.clone());
                }
            }
            Change::Faulted { version, reason } => {
                if let Some(faulted) = self.waiting(*version) {
                    faulted.state = State::Faulted;
                    faulted.reason = Some(reason.clone());
                }
            }
            Change::Promoted { version, .. } => {
                if let Some(old) = self.live.replace(*version) {
                    self.set(old, State::Standby);
                    self.before.push(old);
                }
                self.before.retain(|before| before != version);
                self.set(*version, State::Live);
                if let Some(live) = self.versions.get_mut(version) {
                    live.was_live = true;
                }
            }
            Change::Retired { version } => {
                self.set(*version, State::Retired);
                self.before.retain(|before| before != version);
            }
            Change::Overridden { .. } => {}
        }
    }

    /// The category whose streams nobody else appends to now.
    pub fn owns(&self) -> Option<&str> {
        self.versions.get(&self.live?)?.owns.as_deref()
    }

    /// A version that proves itself; it may have been given up meanwhile.
    fn proving(&mut self, version: u32) -> Option<&mut Version> {
        self.versions.get_mut(&version).filter(|version| version.state == State::Proving)
    }

    /// The same, or one that has.
    fn waiting(&mut self, version: u32) -> Option<&mut Version> {
        self.versions.get_mut(&version).filter(|version| matches!(version.state, State::Proving | State::Ready))
    }

    /// Whether a version waits to go live.
    pub fn is_ready(&self, version: u32) -> bool {
        self.versions.get(&version).is_some_and(|version| version.state == State::Ready)
    }

    /// The same, and no newer one does.
    pub fn is_next(&self, version: u32) -> bool {
        let newest = self.versions.iter().rev().find(|(_, version)| version.state == State::Ready);
        newest.is_some_and(|(number, _)| *number == version)
    }

    fn set(&mut self, version: u32, state: State) {
        if let Some(version) = self.versions.get_mut(&version) {
            version.state = state;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_is_a_fold_and_goes_back_the_way_it_came() {
        let module = Digest::of(b"m");
        let mut catalog = Catalog::default();
        let deployed = |version| Change::Deployed { version, module, upcasters: vec![], owns: None };
        let promoted = |version| Change::Promoted { version, from: None };
        let changes = [deployed(1), promoted(1), deployed(2), promoted(2), deployed(3), promoted(3), promoted(2)];
        for (revision, change) in (0..).map(Revision).zip(&changes) {
            let text = serde_json::to_string(&Entry::new("bank", change.clone(), &By::default())).unwrap();
            let again: Entry = serde_json::from_str(&text).unwrap();
            catalog.apply(&again.change, revision);
        }
        assert_eq!((catalog.live, catalog.before.as_slice()), (Some(2), [1, 3].as_slice()));
        assert_eq!((catalog.next_version(), catalog.revision), (4, Some(Revision(6))));
        let states: Vec<_> = catalog.versions.values().map(|version| version.state).collect();
        assert_eq!(states, [State::Standby, State::Live, State::Standby]);
    }

    #[test]
    fn a_version_that_was_given_up_stays_so_whatever_its_trial_finds() {
        let module = Digest::of(b"m");
        let mut catalog = Catalog::default();
        let deployed = Change::Deployed { version: 1, module, upcasters: vec![], owns: None };
        let proved = Change::Proved { version: 1, report: Report::default() };
        for (revision, change) in (0..).map(Revision).zip([deployed, Change::Retired { version: 1 }, proved]) {
            catalog.apply(&change, revision);
        }
        assert_eq!(catalog.versions[&1].state, State::Retired);
    }
}
