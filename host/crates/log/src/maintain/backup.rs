//! Backups of a log while it is appended to, by RocksDB's backup engine: incremental (a table file that an earlier
//! backup has is not copied again), with a checksum of every file.

use std::path::Path;

use rocksdb::Env;
use rocksdb::backup::{BackupEngine, BackupEngineOptions, RestoreOptions};

use crate::commit::opening;
use crate::error::Error;
use crate::log::{Log, Options};
use kinora_storage::Storage;
use kinora_types::Progress;

/// A backup that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// From 1, in the order in which they were made.
    pub number: u32,
    /// Seconds since the Unix epoch.
    pub time: i64,
    /// Bytes that it needs, those that it shares with others included.
    pub bytes: u64,
}

/// A folder of backups of one log.
pub struct Backups(BackupEngine);

fn failed(cause: &rocksdb::Error) -> Error {
    Error::Backup(cause.to_string())
}

impl Backups {
    /// Opens the folder; it is made if it is not there.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let open = || BackupEngine::open(&BackupEngineOptions::new(dir)?, &Env::new()?);
        open().map(Self).map_err(|cause| failed(&cause))
    }

    /// Oldest first.
    pub fn list(&self) -> Vec<Backup> {
        let backups = self.0.get_backup_info().into_iter();
        backups.map(|info| Backup { number: info.backup_id, time: info.timestamp, bytes: info.size }).collect()
    }

    /// Makes a backup of all that is durable now, and of more if more comes meanwhile.
    pub fn create(&mut self, log: &Log) -> Result<Backup, Error> {
        // Flushed first: what is in the tables is a log by itself. The journal is no part of a backup.
        self.0.create_new_backup_flush(log.db(), true).map_err(|cause| failed(&cause))?;
        self.list().pop().ok_or_else(|| Error::Backup("the one just made is not listed".to_owned()))
    }

    /// Deletes all but the newest ones, and the files that only those needed.
    pub fn keep(&mut self, newest: usize) -> Result<(), Error> {
        self.0.purge_old_backups(newest).map_err(|cause| failed(&cause))
    }

    /// Reads all files of a backup, checks them against their checksums, and puts them into `dir`, where no log may be.
    pub fn restore(&mut self, number: u32, dir: &Path) -> Result<Progress, Error> {
        if !self.list().iter().any(|backup| backup.number == number) {
            let known = self.list().iter().map(|backup| backup.number.to_string()).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Err(Error::Backup(format!("there is no number {number}; there are: {known}")));
        }
        if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::Backup(format!("{} is not empty, and nothing is overwritten", dir.display())));
        }
        std::fs::create_dir_all(dir).map_err(|cause| Error::Backup(format!("{}: {cause}", dir.display())))?;
        self.0.verify_backup(number).map_err(|cause| failed(&cause))?;
        self.0.restore_from_backup(dir, dir, &RestoreOptions::default(), number).map_err(|cause| failed(&cause))?;
        opening::revive(dir)?;
        // Opened once, so that it is known to be a log, and how far it goes.
        Ok(Log::open(&Storage::default(), dir, Options::default())?.progress())
    }
}
