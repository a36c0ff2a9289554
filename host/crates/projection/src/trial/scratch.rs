//! Scratch: folders of read models that are made for a moment only, and removed when the host starts at the latest.

use std::path::Path;

use tempfile::TempDir;

/// What the name of such a folder begins with.
pub const SCRATCH: &str = ".scratch-";

/// Makes one among the read models in `dir`.
pub fn scratch(dir: &Path) -> std::io::Result<TempDir> {
    std::fs::create_dir_all(dir)?;
    tempfile::Builder::new().prefix(SCRATCH).tempdir_in(dir)
}
