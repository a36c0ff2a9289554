//! The place of a log: its folder within a data folder.

use std::path::{Path, PathBuf};

use kinora_engine::descriptors;

/// The folder of the log. Whoever looks into it opens all its files at once, so this process may have as many as the
/// system allows.
pub fn of(data: &Path) -> anyhow::Result<PathBuf> {
    let dir = data.join("log");
    anyhow::ensure!(dir.is_dir(), "{} is not the data folder of a host: it has no log", data.display());
    // If it cannot have more, the system has the last word.
    let _ = descriptors::raise();
    Ok(dir)
}
