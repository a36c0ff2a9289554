//! Backups of a running host: its log, and beside it what does not follow from the log: the modules as they were
//! uploaded, and which versions there are. Read models and machine code are made again from these.
//!
//! A folder of backups has `log/` (RocksDB's backups, incremental) and `hosts/NUMBER/` (`projections.json` and
//! `modules/DIGEST/source.wasm`). The latter is put there last and in one step: without it a backup is not complete.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kinora_log as log;
use kinora_log::{Backup, Log};
use kinora_types::Progress;

use crate::data::DataFolder;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("{} is not empty, and nothing is overwritten: name a new folder", .0.display())]
    NotEmpty(PathBuf),
    #[error("there is no backup {number} in {}; there are: {known}", dir.display())]
    Unknown { number: u32, dir: PathBuf, known: String },
}

/// Where a host keeps its backups.
pub struct Backups {
    dir: PathBuf,
    data: DataFolder,
    log: Log,
    /// One at a time.
    busy: Mutex<()>,
}

impl Backups {
    pub fn new(dir: PathBuf, data: DataFolder, log: Log) -> Self {
        Self { dir, data, log, busy: Mutex::new(()) }
    }

    /// Makes a backup while everything goes on. With `keep`, all but the `keep` newest are deleted then.
    pub fn create(&self, keep: Option<usize>) -> Result<Backup, Error> {
        let _one = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        std::fs::create_dir_all(&self.dir).map_err(|cause| file(&self.dir, cause))?;
        let mut backups = log::Backups::open(&self.dir.join("log"))?;
        let hosts = self.dir.join("hosts");
        std::fs::create_dir_all(&hosts).map_err(|cause| file(&hosts, cause))?;
        let unfinished = tempfile::tempdir_in(&hosts).map_err(|cause| file(&hosts, cause))?;
        // Before the log: what the catalog says of events is about some that the log has.
        copy(&self.data, &DataFolder::at(unfinished.path()))?;
        let backup = backups.create(&self.log)?;
        let place = host_folder(&self.dir, backup.number);
        std::fs::rename(unfinished.keep(), &place).map_err(|cause| file(&place, cause))?;
        std::fs::File::open(&hosts).and_then(|dir| dir.sync_all()).map_err(|cause| file(&hosts, cause))?;
        if let Some(keep) = keep {
            backups.keep(keep.max(1))?;
            let kept = backups.list();
            for (number, path) in numbered(&hosts)? {
                if kept.iter().all(|backup| backup.number != number) {
                    std::fs::remove_dir_all(&path).map_err(|cause| file(&path, cause))?;
                }
            }
        }
        Ok(backup)
    }

    pub fn list(&self) -> Result<Vec<Backup>, Error> {
        let _one = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        list(&self.dir)
    }
}

/// The complete backups of a folder, oldest first.
pub fn list(dir: &Path) -> Result<Vec<Backup>, Error> {
    if !dir.join("log").is_dir() {
        return Ok(Vec::new());
    }
    let backups = log::Backups::open(&dir.join("log"))?.list().into_iter();
    Ok(backups.filter(|backup| host_folder(dir, backup.number).is_dir()).collect())
}

/// Makes the data folder `data` of a backup (of the newest one, if no number is given), and says how far its log goes.
pub fn restore(dir: &Path, number: Option<u32>, data: &Path) -> Result<(Backup, Progress), Error> {
    if std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::NotEmpty(data.to_owned()));
    }
    let known = list(dir)?;
    let wanted = match number {
        Some(number) => known.iter().find(|backup| backup.number == number),
        None => known.last(),
    };
    let Some(backup) = wanted else {
        let known = known.iter().map(|backup| backup.number.to_string()).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        return Err(Error::Unknown { number: number.unwrap_or(1), dir: dir.to_owned(), known });
    };
    std::fs::create_dir_all(data).map_err(|cause| file(data, cause))?;
    let data = DataFolder::at(data);
    copy(&DataFolder::at(host_folder(dir, backup.number)), &data)?;
    let progress = log::Backups::open(&dir.join("log"))?.restore(backup.number, &data.log())?;
    Ok((*backup, progress))
}

fn host_folder(dir: &Path, number: u32) -> PathBuf {
    dir.join("hosts").join(number.to_string())
}

/// The entries of a folder whose names are numbers.
fn numbered(dir: &Path) -> Result<Vec<(u32, PathBuf)>, Error> {
    let entries = std::fs::read_dir(dir).map_err(|cause| file(dir, cause))?;
    let number = |entry: std::fs::DirEntry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()));
    Ok(entries.flatten().filter_map(number).collect())
}

/// Copies what of a host does not follow from its log.
fn copy(from: &DataFolder, to: &DataFolder) -> Result<(), Error> {
    copy_file(&from.catalog(), &to.catalog())?;
    let modules = from.modules();
    let Ok(entries) = std::fs::read_dir(&modules) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(|cause| file(&modules, cause))?;
        let place = to.modules().join(entry.file_name());
        std::fs::create_dir_all(&place).map_err(|cause| file(&place, cause))?;
        copy_file(&entry.path().join("source.wasm"), &place.join("source.wasm"))?;
    }
    Ok(())
}

/// Copies a file, if it is there, and fsyncs the copy.
fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    match std::fs::copy(from, to) {
        Ok(_) => std::fs::File::open(to).and_then(|copy| copy.sync_all()).map_err(|cause| file(to, cause)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(file(from, cause)),
    }
}

fn file(path: &Path, cause: io::Error) -> Error {
    Error::File { path: path.to_owned(), cause }
}
