//! Plain files of a host: replacing one durably, keeping a secret, notes of what may end the host, and how many may be
//! open.

pub mod descriptors;

mod durable;
mod probation;
mod sealed;

use std::io;
use std::path::Path;

pub use durable::write_durably;
pub use probation::{InPlace, OnProbation, Place, Probation};
pub use sealed::{seal, unseal};

/// Bytes of a secret: one block of SHA-256, the longest key that HMAC takes as it is.
pub const SECRET_BYTES: usize = 64;

/// Reads a key of [`SECRET_BYTES`] random bytes, or makes one that only the owner can read.
pub fn secret(path: &Path) -> io::Result<[u8; SECRET_BYTES]> {
    match std::fs::read(path) {
        Ok(bytes) => bytes
            .try_into()
            .map_err(|_| io::Error::other("the file does not have the bytes of a key; remove it to get a new key")),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; SECRET_BYTES];
            getrandom::fill(&mut bytes).map_err(io::Error::other)?;
            // Temporary files are made with mode 0600, and keep it.
            write_durably(path, &bytes)?;
            Ok(bytes)
        }
        Err(cause) => Err(cause),
    }
}

/// The bytes of all files of a folder and the folders in it. One that goes away meanwhile counts as nothing.
pub fn folder_bytes(dir: &Path) -> io::Result<u64> {
    let gone = |cause: io::Error| if cause.kind() == io::ErrorKind::NotFound { Ok(0) } else { Err(cause) };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(cause) => return gone(cause),
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(file) if file.is_dir() => folder_bytes(&entry.path())?,
            Ok(file) => file.len(),
            Err(cause) => gone(cause)?,
        };
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_folder_are_those_of_its_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("inner")).unwrap();
        std::fs::write(dir.path().join("a"), [0; 10]).unwrap();
        std::fs::write(dir.path().join("inner/b"), [0; 5]).unwrap();
        assert_eq!(folder_bytes(dir.path()).unwrap(), 15);
        assert_eq!(folder_bytes(&dir.path().join("gone")).unwrap(), 0);
    }

    #[test]
    fn a_replaced_file_has_its_new_content_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_durably(&path, b"old").unwrap();
        write_durably(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        let first = secret(&path).unwrap();
        assert_ne!(first, [0; SECRET_BYTES]);
        assert_eq!(secret(&path).unwrap(), first);
        assert_ne!(secret(&dir.path().join("other")).unwrap(), first);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_a_secret() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        secret(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_secret_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        std::fs::write(&path, b"short").unwrap();
        assert!(secret(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
    }
}
