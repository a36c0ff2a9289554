//! [`Inspection`]: a log that is only looked at. Nothing in its folder is written, locked or converted, so a host may
//! be at work there, and the folder may be one that cannot be written.

use std::fs::File;
use std::path::{Path, PathBuf};

use rocksdb::DB;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use kinora_files::folder_bytes;
use kinora_storage::Storage;
use kinora_types::{Lineage, Progress};
use uuid::Uuid;

use crate::commit::journal::{Examined, Expected};
use crate::commit::opening;
use crate::commit::site::Site;
use crate::error::Error;
use crate::log::reading::{self, Stats};
use crate::maintain::verify::{self, Report};
use crate::read::lookup;

/// How often a log is looked at that a host changes meanwhile.
const LOOKS: usize = 5;

/// RocksDB's own lock on a database.
const LOCK: &str = "LOCK";

pub struct Inspection {
    dir: PathBuf,
    db: DB,
    format: Option<u32>,
    tables: Progress,
    journal: Journal,
}

/// What the journal has beside the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// How far the log goes with it.
    pub upto: Progress,
    /// How far it should go.
    pub durable: Progress,
    /// Why a host would refuse it.
    pub damage: Option<String>,
}

/// Who has a log open: a process, where the system says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User(pub Option<i32>);

/// Whether another process has the log in `dir` open.
pub fn in_use(dir: &Path) -> Option<User> {
    let lock = File::open(dir.join(LOCK)).ok()?;
    let held = fcntl_getlk(&lock, &Flock::from(FlockType::WriteLock)).ok().flatten()?;
    Some(User(held.pid.map(|pid| pid.as_raw_nonzero().get())))
}

impl Inspection {
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let mut looks = 1;
        loop {
            // A host may have removed a table, or gone round in its journal, while it was looked at.
            let found = match Self::look(dir) {
                Err(Error::Open { .. }) if looks < LOOKS => None,
                Ok(found) if looks < LOOKS && found.journal.damage.is_some() && in_use(dir).is_some() => None,
                found => Some(found?),
            };
            if let Some(found) = found {
                return Ok(found);
            }
            looks += 1;
        }
    }

    fn look(dir: &Path) -> Result<Self, Error> {
        let db = opening::open_to_read(&Storage::default(), dir)?;
        let format = opening::format(&db)?;
        let tables = lookup::end(&db)?;
        let journal = match (format, lookup::id(&db)?) {
            (Some((_, true)), Some(log)) => {
                let epoch = lookup::epoch(&db)?;
                let closed = lookup::closed(&db)? == Some(epoch);
                let expected = Expected { log, epoch, tables, closed };
                let Examined { upto, durable, damage, .. } = Examined::of(&Site::folder(dir)?, &expected, |_| Ok(()))?;
                Journal { upto, durable, damage }
            }
            _ => Journal { upto: tables, durable: tables, damage: None },
        };
        Ok(Self { dir: dir.to_owned(), db, format: format.map(|(format, _)| format), tables, journal })
    }

    /// The version of the layout; `None`: the log was never made to its end.
    pub fn format(&self) -> Option<u32> {
        self.format
    }

    /// How far the tables go: what is checked and counted.
    pub fn tables(&self) -> Progress {
        self.tables
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    pub fn id(&self) -> Result<Option<Uuid>, Error> {
        lookup::id(&self.db)
    }

    /// The lives of the log.
    pub fn lineage(&self) -> Result<Option<Lineage>, Error> {
        self.id()?.map(|id| lookup::lineage(&self.db, id)).transpose()
    }

    /// Checks every record of the tables, and every index against the records. `progress` is told now and then how many
    /// events have been looked at.
    pub fn verify(&self, progress: impl FnMut(u64)) -> Result<Report, Error> {
        verify::verify(&self.db, self.tables, progress)
    }

    /// What the tables hold, in figures.
    pub fn stats(&self) -> Result<Stats, Error> {
        let failed = |cause: std::io::Error| Error::Folder { dir: self.dir.clone(), cause: cause.to_string() };
        reading::stats(&self.db, self.tables, folder_bytes(&self.dir).map_err(failed)?)
    }
}
