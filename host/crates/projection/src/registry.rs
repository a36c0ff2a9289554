//! The registry: the catalog and its lock, the versions in memory, and their history on its way to the log.
//!
//! Every change is written to the catalog first and takes effect in memory after it, under one lock. The registry knows
//! no feature: what a change means is for those above it to say.

pub(crate) mod catalog;
pub(crate) mod folders;
pub(crate) mod recorder;
pub(crate) mod stall;
pub(crate) mod starter;
pub(crate) mod state;
pub(crate) mod version;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::watch;

use kinora_log::Log;

use crate::error::Error;
use crate::record::projection::ProjectionRecord;
use crate::record::request::{Done, Outcome, Request};
use crate::record::settings::OnFault;
use crate::record::version::VersionRecord;
use catalog::Catalog;
use folders::Folders;
use recorder::Recorder;
use version::Version;

/// How long an answer waits for the history to be in the log.
const HISTORY_PATIENCE: Duration = Duration::from_secs(2);

/// The versions of all projections, by name and number.
pub type Versions = BTreeMap<(String, u32), Arc<Version>>;

/// What is known of all projections.
pub struct Registry {
    /// Held while the catalog changes, so that queries do not wait for its disk.
    changing: Mutex<()>,
    loaded: RwLock<Loaded>,
    changes: watch::Sender<u64>,
    recorder: Recorder,
    folders: Folders,
    log: Log,
    /// How long a request is known by its key.
    kept: Duration,
}

/// The catalog, and a version in memory for each that it names.
pub struct Loaded {
    pub catalog: Catalog,
    pub versions: Versions,
}

/// A version that answers, and what that depends on.
pub struct Serving {
    pub version: Arc<Version>,
    /// Somebody has it stand still.
    pub paused: bool,
    /// How it answers while it stands still.
    pub on_fault: OnFault,
}

impl Loaded {
    pub fn projection(&self, name: &str) -> Result<&ProjectionRecord, Error> {
        self.catalog.projections.get(name).ok_or_else(|| Error::UnknownProjection { name: name.to_owned() })
    }

    pub fn record(&self, name: &str, number: u32) -> Option<&VersionRecord> {
        self.catalog.projections.get(name)?.versions.get(&number)
    }
}

impl Registry {
    /// Opens the catalog at `path`. Needs a runtime to be there: what the log does not have yet of the history is on
    /// its way when this returns.
    pub fn open(path: &Path, folders: Folders, log: Log) -> Result<Self, Error> {
        let catalog = Catalog::open(path, log.lineage())?;
        let mut versions = Versions::new();
        for (name, projection) in &catalog.projections {
            for (number, record) in &projection.versions {
                let version = Version::new(name, *number, folders.of(name, *number, record.attempt));
                versions.insert((name.clone(), *number), Arc::new(version));
            }
        }
        let kept = log.options().keep_requests;
        let recorder = Recorder::start(log.clone());
        for (name, projection) in &catalog.projections {
            projection.unrecorded.iter().for_each(|entry| recorder.send(name, entry.clone()));
        }
        Ok(Self {
            changing: Mutex::default(),
            loaded: RwLock::new(Loaded { catalog, versions }),
            changes: watch::Sender::new(0),
            recorder,
            folders,
            log,
            kept,
        })
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a projection in the catalog and then in memory, or neither. Blocks.
    pub fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut ProjectionRecord, &mut Versions) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = self.read();
        let mut record = loaded.catalog.projections.get(name).cloned().unwrap_or_default();
        self.recorder.forget_recorded(name, &mut record.unrecorded);
        let mut versions = loaded.versions.clone();
        let known = record.unrecorded.len();
        let result = change(&mut record, &mut versions)?;
        let entries = record.unrecorded.get(known..).unwrap_or_default().to_vec();
        let catalog = loaded.catalog.with(name, record)?;
        drop(loaded);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Loaded { catalog, versions };
        entries.into_iter().for_each(|entry| self.recorder.send(name, entry));
        self.changed();
        Ok(result)
    }

    /// Makes a change that somebody asks for, or neither: once, however often that is, and only while the version is
    /// live that they expect. That it is done is in the catalog together with the change. Blocks.
    pub fn change_for<T>(
        &self,
        name: &str,
        request: &Request,
        change: impl FnOnce(&mut ProjectionRecord, &mut Versions) -> Result<T, Error>,
    ) -> Result<Done<T>, Error> {
        if let Some(outcome) = self.before(name, request)? {
            return Ok(Done::Before(outcome));
        }
        self.change(name, |projection, versions| {
            // The same request may have been faster.
            if let Some(outcome) = self.answered(projection, request)? {
                return Ok(Done::Before(outcome));
            }
            projection.expect(request)?;
            let done = change(projection, versions)?;
            projection.remember(request, self.kept);
            Ok(Done::Now(done))
        })
    }

    /// What came of a request that was done before. One that cannot be done now is refused: for those who have to look
    /// at more than the catalog before a change.
    pub fn before(&self, name: &str, request: &Request) -> Result<Option<Outcome>, Error> {
        let loaded = self.read();
        let unknown = ProjectionRecord::default();
        let projection = loaded.catalog.projections.get(name).unwrap_or(&unknown);
        let answered = self.answered(projection, request)?;
        if answered.is_none() {
            projection.expect(request)?;
        }
        Ok(answered)
    }

    /// What came of a request that was done before.
    pub fn answered(&self, projection: &ProjectionRecord, request: &Request) -> Result<Option<Outcome>, Error> {
        let answered = request.key.as_ref().map(|key| projection.answered(key, self.kept));
        Ok(answered.transpose()?.flatten())
    }

    /// Tells those who watch that a version shows something else.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells whenever a version has come, gone, or changed its state. Figures change without a word.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until the log has all of the history so far, within reason.
    pub async fn recorded(&self) {
        self.recorder.settled(HISTORY_PATIENCE).await;
    }

    /// The log that its history goes to.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The folders of the read models.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    pub fn known(&self, name: &str) -> Result<(), Error> {
        self.read().projection(name).map(|_| ())
    }

    /// The version that answers now, or the one that is asked for.
    pub fn version(&self, name: &str, number: Option<u32>) -> Result<Arc<Version>, Error> {
        self.serving(name, number).map(|serving| serving.version)
    }

    /// The version that answers now, or the one that is asked for, and what that depends on: all of one moment.
    pub fn serving(&self, name: &str, number: Option<u32>) -> Result<Serving, Error> {
        let loaded = self.read();
        let projection = loaded.projection(name)?;
        let live = || projection.live.ok_or_else(|| Error::NothingLive { name: name.to_owned() });
        let number = number.map_or_else(live, Ok)?;
        let version = find(name, projection, &loaded.versions, number)?;
        let record = projection.versions.get(&number).filter(|record| !record.retired);
        let paused = record.is_some_and(|record| record.paused || version.is_held());
        Ok(Serving { version, paused, on_fault: projection.settings.on_fault })
    }

    /// What the catalog remembers of a version.
    pub fn record(&self, name: &str, number: u32) -> Result<VersionRecord, Error> {
        self.version(name, Some(number))?;
        let unknown = || Error::UnknownVersion { name: name.to_owned(), version: number, known: Vec::new() };
        self.read().record(name, number).cloned().ok_or_else(unknown)
    }
}

pub fn find(
    name: &str,
    projection: &ProjectionRecord,
    versions: &Versions,
    number: u32,
) -> Result<Arc<Version>, Error> {
    versions.get(&(name.to_owned(), number)).cloned().ok_or_else(|| Error::UnknownVersion {
        name: name.to_owned(),
        version: number,
        known: projection.versions.keys().copied().collect(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kinora_log::Limits;
    use kinora_storage::Storage;
    use kinora_types::Lineage;

    use super::*;

    fn open(dir: &Path) -> Registry {
        let log = Log::open(&Storage::default(), &dir.join("log"), Limits::default()).unwrap();
        Registry::open(&dir.join("projections.json"), Folders::open(dir.join("read-models")), log).unwrap()
    }

    fn retain(registry: &Registry, retain: u32) -> Result<(), Error> {
        registry.change("ontime", |projection, _| {
            projection.settings.retain = Some(retain);
            Ok(())
        })
    }

    fn retained(registry: &Registry) -> Option<u32> {
        registry.read().projection("ontime").unwrap().settings.retain
    }

    #[tokio::test]
    async fn a_change_is_in_the_catalog_and_in_memory_and_those_who_watch_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let registry = open(dir.path());
        assert!(matches!(registry.known("ontime"), Err(Error::UnknownProjection { .. })));
        let watched = registry.watch();
        retain(&registry, 3).unwrap();
        assert!(watched.has_changed().unwrap());
        let lineage = Lineage::new(registry.log().incarnation());
        let written = Catalog::open(&dir.path().join("projections.json"), &lineage).unwrap();
        let written = written.projections.get("ontime").unwrap().settings.retain;
        assert_eq!((retained(&registry), written), (Some(3), Some(3)));
    }

    #[tokio::test]
    async fn a_change_that_is_refused_or_cannot_be_written_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let registry = open(dir.path());
        retain(&registry, 3).unwrap();
        let watched = registry.watch();
        let refused = registry.change("ontime", |projection, versions| {
            projection.settings.retain = Some(4);
            versions.clear();
            Err::<(), _>(Error::NothingLive { name: "ontime".into() })
        });
        assert!(matches!(refused, Err(Error::NothingLive { .. })));
        // A folder takes the place of the file, so that nothing can be written there.
        let path = dir.path().join("projections.json");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        assert!(matches!(retain(&registry, 5), Err(Error::Catalog { .. })));
        assert_eq!(retained(&registry), Some(3));
        assert!(!watched.has_changed().unwrap());
    }
}
