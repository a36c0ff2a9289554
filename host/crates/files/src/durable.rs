//! Durable files: replaced in one atomic step.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Replaces a file in one atomic step: after a crash it has its old content or its new one, and what this function
/// has returned for stays.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a file without a folder"))?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    File::open(dir)?.sync_all()
}
