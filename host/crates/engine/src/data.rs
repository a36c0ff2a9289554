//! The data folder of a host: everything that it has, in one place.
//!
//! ```text
//! log/                       the log: a RocksDB, JOURNAL (not yet in its tables), DURABLE (how far the log went)
//! modules/DIGEST/            source.wasm as it was uploaded, machine code with a MAC, manifest
//! read-models/NAME/VERSION/  a RocksDB for each version of a projection; `.scratch-*` goes when the host starts
//! snapshots/                 a RocksDB of states of aggregates that took long to fold; a cache
//! projections.json           the catalog: which versions there are, which is live, what the log was not told yet
//! secret.key                 signs machine code
//! repairs/NUMBER/            a log as it was before it was repaired, and what was wrong with it
//! probation/                 a note for each module or version that was started and has not proved well yet
//! ```
//!
//! Only `log/`, `modules/DIGEST/source.wasm` and `projections.json` do not follow from something else: a backup has
//! them, and a host makes the rest again.

use std::io;
use std::path::{Path, PathBuf};

/// The path of a data folder, which need not be there.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the data folder {} cannot be made: {cause}", path.display())]
    Make { path: PathBuf, cause: io::Error },
    #[error("{} is not empty and not a data folder of Kinora: choose another one", .0.display())]
    Foreign(PathBuf),
}

impl DataFolder {
    /// Makes the folder if it is not there, and refuses one with other people's files in it before anything is written.
    pub fn claim(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let data = Self(path.into());
        let failed = |cause| Error::Make { path: data.0.clone(), cause };
        std::fs::create_dir_all(&data.0).map_err(failed)?;
        let empty = std::fs::read_dir(&data.0).map_err(failed)?.next().is_none();
        if empty || data.log().is_dir() { Ok(data) } else { Err(Error::Foreign(data.0)) }
    }

    /// The folder at `path`, whatever is there.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    pub fn modules(&self) -> PathBuf {
        self.0.join("modules")
    }

    pub fn read_models(&self) -> PathBuf {
        self.0.join("read-models")
    }

    pub fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }

    pub fn catalog(&self) -> PathBuf {
        self.0.join("projections.json")
    }

    pub fn probation(&self) -> PathBuf {
        self.0.join("probation")
    }

    pub fn secret(&self) -> PathBuf {
        self.0.join("secret.key")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_claimed_if_it_is_new_empty_or_has_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let new = DataFolder::claim(dir.path().join("deep/new")).unwrap();
        assert!(new.path().is_dir());
        std::fs::create_dir(new.log()).unwrap();
        std::fs::write(new.secret(), "key").unwrap();
        assert!(DataFolder::claim(new.path()).is_ok());
    }

    #[test]
    fn a_folder_with_other_files_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        assert!(matches!(DataFolder::claim(dir.path()), Err(Error::Foreign(path)) if path == dir.path()));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
