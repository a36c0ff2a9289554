//! One decider: what its stream says of it, and the version that decides.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use kinora_log::Log;
use kinora_types::{Direction, Revision, StreamName};

use super::figures::Outcomes;
use crate::error::Error;
use crate::lane::{Lane, Track};
use crate::limits::Limits;
use crate::record::control::{self, Catalog, Entry, State, Version};
use crate::record::report::Report;
use crate::rejections::Rejections;
use crate::scope::Scope;
use crate::snapshots::{Prefix, prefix};

/// How long a command waits for the version that decides it to be loaded.
const LOADING: Duration = Duration::from_secs(10);

/// Bytes of a name.
const NAME_BYTES: usize = 64;

pub struct Decider {
    pub name: String,
    /// Its stream.
    pub control: StreamName,
    catalog: Mutex<Catalog>,
    /// Why nobody knows what its stream says.
    unreadable: Mutex<Option<String>>,
    live: RwLock<Option<Arc<Live>>>,
    /// Changes of it are made one at a time.
    pub changing: tokio::sync::Mutex<()>,
    /// Counts the versions that have gone live here.
    went_live: watch::Sender<u64>,
    pub outcomes: Outcomes,
    pub rejections: Arc<Rejections>,
    /// What versions that wait would have decided since, by version.
    shadows: Mutex<BTreeMap<u32, Report>>,
}

/// The version that decides, and where.
pub struct Live {
    pub track: Arc<Track>,
    pub lanes: Vec<Arc<Lane>>,
}

impl Decider {
    /// # Errors
    /// [`Error::InvalidName`].
    pub fn new(name: &str, limits: Limits) -> Result<Self, Error> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(is_plain) {
            return Err(Error::InvalidName(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            control: control::stream(name)?,
            catalog: Mutex::default(),
            unreadable: Mutex::default(),
            live: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            went_live: watch::Sender::default(),
            outcomes: Outcomes::default(),
            rejections: Arc::new(Rejections::new(limits)),
            shadows: Mutex::default(),
        })
    }

    pub fn shadows(&self) -> MutexGuard<'_, BTreeMap<u32, Report>> {
        self.shadows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many commands a version decides otherwise than they were decided, those since it was ready included.
    pub fn differences(&self, version: u32, found: &Version) -> u64 {
        let since = self.shadows().get(&version).map_or(0, Report::differences);
        found.report.as_ref().map_or(0, Report::differences) + since
    }

    pub fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn live(&self) -> Option<Arc<Live>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// # Errors
    /// [`Error::Unreadable`], if its stream has something that this host does not understand.
    pub fn readable(&self) -> Result<(), Error> {
        let unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        unreadable.clone().map_or(Ok(()), |why| Err(Error::Unreadable { decider: self.name.clone(), why }))
    }

    /// Brings the catalog to where the stream is.
    pub fn catch_up(&self, log: &Log) -> Result<(), Error> {
        let from = self.catalog().revision.map_or(Revision(0), |last| Revision(last.0.saturating_add(1)));
        log.visit_stream(&self.control, from, Direction::Forwards, usize::MAX, |_, record| {
            self.apply(record.data, record.revision);
            ControlFlow::Continue(())
        })?;
        self.readable()
    }

    /// Takes an entry of its stream.
    pub fn apply(&self, entry: &str, revision: Revision) {
        match serde_json::from_str::<Entry>(entry) {
            Ok(entry) => self.catalog().apply(&entry.change, revision),
            Err(cause) => {
                tracing::error!(decider = self.name, %cause, "an entry of a decider cannot be read");
                self.catalog().revision = Some(revision);
                let why = format!("its entry {revision}: {cause}");
                self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
            }
        }
    }

    /// The categories whose streams nobody else appends to.
    pub fn owns(&self) -> Vec<String> {
        let catalog = self.catalog();
        if self.readable().is_ok() {
            return catalog.owns().map(str::to_owned).into_iter().collect();
        }
        // Which version is live is not known: none of its streams is anybody's.
        catalog.versions.values().filter_map(|version| version.owns.clone()).collect()
    }

    /// What stands for the rules of its versions, as snapshots have it.
    pub fn prefixes(&self) -> Vec<Prefix> {
        let catalog = self.catalog();
        let kept = catalog.versions.values().filter(|version| version.state != State::Retired);
        kept.map(|version| prefix(version.module, &version.upcasters)).collect()
    }

    /// Has what decides follow the catalog.
    pub fn settle(&self) {
        let Some(live) = self.live() else { return };
        let catalog = self.catalog();
        if catalog.live != Some(live.track.version) {
            // What it still decides is refused: it goes on expecting the revision by which it was live.
            live.track.close();
        } else if !live.track.is_closed() {
            live.track.control_revision.store(catalog.revision.map_or(0, |last| last.0), Ordering::Release);
        }
    }

    /// Has a version decide, if it is the one that is live.
    pub fn install(&self, live: Live) {
        if self.catalog().live != Some(live.track.version) {
            return;
        }
        {
            let mut installed = self.live.write().unwrap_or_else(PoisonError::into_inner);
            let is_there = |there: &Arc<Live>| there.track.version == live.track.version && !there.track.is_closed();
            if installed.as_ref().is_some_and(is_there) {
                return;
            }
            if let Some(before) = installed.replace(Arc::new(live)) {
                before.track.close();
            }
        }
        self.settle();
        self.went_live.send_modify(|count| *count += 1);
    }

    /// The version that decides, once it is there: its module may still be loaded, or it has just been promoted.
    pub async fn decided_by(&self) -> Result<Arc<Live>, Error> {
        let mut went_live = self.went_live.subscribe();
        let mut waits_for = 0;
        let wait = async {
            loop {
                let Some(version) = self.catalog().live else { return Err(Error::NothingLive(self.name.clone())) };
                if let Some(live) = self.live().filter(|live| live.track.version == version) {
                    return Ok(live);
                }
                waits_for = version;
                if went_live.changed().await.is_err() {
                    return Err(Error::Ends);
                }
            }
        };
        let waited = tokio::time::timeout(LOADING, wait).await;
        waited.unwrap_or_else(|_| Err(Error::Loading { decider: self.name.clone(), version: waits_for }))
    }
}

impl Live {
    pub fn new(track: Arc<Track>) -> Self {
        let lanes = (0..track.limits.instances()).map(|_| Lane::new(Arc::clone(&track))).collect();
        Self { track, lanes }
    }

    pub fn lane(&self, scope: &Scope) -> Option<&Arc<Lane>> {
        let mut hasher = DefaultHasher::new();
        scope.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % (self.lanes.len().max(1) as u64)).unwrap_or(0);
        self.lanes.get(index)
    }
}
