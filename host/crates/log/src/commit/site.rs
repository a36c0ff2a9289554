//! [`Site`]: the place of a log: its folder, and what stands for the disk there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::Env;

use crate::commit::drive::Drive;
use crate::commit::drive::folder::Folder;
use crate::error::Error;

/// Bytes that a new journal has.
const INITIAL_BYTES: usize = 256 * 1024;

/// Bytes up to which it grows. A lone client's appends take a block each, so that is 32,000 of them. After a crash
/// all of it is read before the log is open.
const LIMIT_BYTES: u64 = 128 * 1024 * 1024;

pub struct Site {
    pub dir: PathBuf,
    /// Where RocksDB has its files.
    pub env: Env,
    /// Where the journal has its files.
    pub drive: Arc<dyn Drive>,
    /// Bytes that a new journal has, and those up to which it grows.
    pub initial_bytes: usize,
    pub limit_bytes: u64,
}

impl Site {
    /// A folder of the system.
    pub fn folder(dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            dir: dir.to_owned(),
            env: Env::new()?,
            drive: Arc::new(Folder(dir.to_owned())),
            initial_bytes: INITIAL_BYTES,
            limit_bytes: LIMIT_BYTES,
        })
    }
}
