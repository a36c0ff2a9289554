//! The few things that a host does with plain files: replacing one durably, owning a folder, keeping a secret.

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

/// Reads a key of 32 random bytes, or makes one that only the owner can read.
pub fn secret(path: &Path) -> io::Result<[u8; 32]> {
    match std::fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| io::Error::other("the file does not have 32 bytes; remove it to get a new key")),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(io::Error::other)?;
            // Temporary files are made with mode 0600, and keep it.
            write_durably(path, &bytes)?;
            Ok(bytes)
        }
        Err(cause) => Err(cause),
    }
}
