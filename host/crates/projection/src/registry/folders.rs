//! The folders of read models: `NAME/NUMBER` for a version, and some that are made for a moment only.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Error;

/// How the folders begin that are made for a moment only. They are removed when the host starts.
const SCRATCH: &str = ".scratch-";

/// The folder that all of them are in. It is made when it is needed.
#[derive(Clone, Debug)]
pub struct Folders(PathBuf);

impl Folders {
    /// Removes what a crash left of read models that were made for a moment only.
    pub fn open(dir: PathBuf) -> Self {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(SCRATCH)) {
            if let Err(cause) = std::fs::remove_dir_all(entry.path()) {
                tracing::warn!(path = %entry.path().display(), %cause, "a folder that nobody needs is still there");
            }
        }
        Self(dir)
    }

    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// The folder of a version's read model: a new attempt begins in an empty one, while queries may still read the
    /// old rows.
    pub fn of(&self, name: &str, number: u32, attempt: u32) -> PathBuf {
        let folder = if attempt == 0 { number.to_string() } else { format!("{number}.{attempt}") };
        self.0.join(name).join(folder)
    }

    /// A folder for a read model that nobody will keep.
    pub fn scratch(&self) -> Result<TempDir, Error> {
        scratch(&self.0)
            .map_err(|cause| Error::Scratch { path: self.0.display().to_string(), cause: cause.to_string() })
    }
}

/// Makes a folder among the read models in `dir`. It is removed with its handle, or when the host starts at the
/// latest.
pub fn scratch(dir: &Path) -> io::Result<TempDir> {
    std::fs::create_dir_all(dir)?;
    tempfile::Builder::new().prefix(SCRATCH).tempdir_in(dir)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_is_removed_and_the_rows_of_versions_stay() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path().join("read-models"));
        let left = folders.scratch().unwrap().keep();
        let (first, second) = (folders.of("ontime", 1, 0), folders.of("ontime", 1, 1));
        assert_ne!(first, second);
        std::fs::create_dir_all(&first).unwrap();
        let folders = Folders::open(folders.dir().to_owned());
        assert!(!left.exists() && folders.of("ontime", 1, 0).is_dir());
    }
}
