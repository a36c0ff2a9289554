//! The tables of the log's database, as the journal sees them: where its commits end up.

use std::io;
use std::sync::Arc;

use rocksdb::{DB, FlushOptions, ReadOptions, ReadTier, WriteBatch, WriteOptions};
use uuid::Uuid;

use kinora_types::Progress;

use crate::commit::drive::{Drive, Running};
use crate::error::Error;
use crate::read::lookup;
use crate::record::keys;

pub struct Tables {
    db: Arc<DB>,
    flushing: Option<Box<dyn Running>>,
}

/// What a write without RocksDB's write-ahead log is made with.
pub fn without_wal() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

/// Moves all that is in memory to tables.
pub fn flush(db: &DB) -> Result<(), Error> {
    let families = keys::FAMILIES.into_iter().map(|name| lookup::family(db, name)).collect::<Result<Vec<_>, _>>()?;
    let mut options = FlushOptions::default();
    options.set_wait(true);
    Ok(db.flush_cfs_opt(&families, &options)?)
}

/// Begins another incarnation behind these events. It takes the next flush to last.
pub fn part(db: &DB, kept: Progress) -> Result<(), Error> {
    let meta = lookup::family(db, keys::META)?;
    let mut all = db.get_cf(meta, keys::INCARNATIONS_KEY)?.unwrap_or_default();
    all.extend_from_slice(Uuid::new_v4().as_bytes());
    all.extend_from_slice(&kept.0.to_be_bytes());
    Ok(db.put_cf_opt(meta, keys::INCARNATIONS_KEY, all, &without_wal())?)
}

impl Tables {
    pub fn new(db: Arc<DB>) -> Self {
        Self { db, flushing: None }
    }

    /// How far they go, with what is in memory only.
    pub fn end(&self) -> Result<Progress, Error> {
        lookup::end(&self.db)
    }

    /// Whether a commit that leads up to there is in files.
    pub fn keep(&self, upto: Progress) -> Result<bool, Error> {
        let Some(last) = upto.last() else { return Ok(true) };
        let mut options = ReadOptions::default();
        options.set_read_tier(ReadTier::Persisted);
        let events = lookup::family(&self.db, keys::EVENTS)?;
        Ok(self.db.get_pinned_cf_opt(events, keys::event(last), &options)?.is_some())
    }

    pub fn apply(&self, batch: &[u8]) -> Result<(), Error> {
        Ok(self.db.write_opt(WriteBatch::from_data(batch), &without_wal())?)
    }

    pub fn epoch(&self) -> Result<u64, Error> {
        lookup::epoch(&self.db)
    }

    /// Flushes all to files, with the number of the time that begins now.
    pub fn begin(&self, epoch: u64) -> Result<(), Error> {
        let meta = lookup::family(&self.db, keys::META)?;
        self.db.put_cf_opt(meta, keys::EPOCH_KEY, epoch.to_be_bytes(), &without_wal())?;
        flush(&self.db)
    }

    pub fn flush(&self) -> Result<(), Error> {
        flush(&self.db)
    }

    /// Flushes all to files, and says that they have all there is of this time.
    pub fn close(&self, epoch: u64) -> Result<(), Error> {
        let meta = lookup::family(&self.db, keys::META)?;
        self.db.put_cf_opt(meta, keys::CLOSED_KEY, epoch.to_be_bytes(), &without_wal())?;
        flush(&self.db)
    }

    /// Whether they have all there was when the log was used last.
    pub fn were_closed(&self) -> Result<bool, Error> {
        Ok(lookup::closed(&self.db)? == Some(lookup::epoch(&self.db)?))
    }

    /// Another incarnation begins with the next flush, behind these events.
    pub fn part(&self, kept: Progress) -> Result<(), Error> {
        part(&self.db, kept)
    }

    /// Whether they are being flushed beside what is written.
    pub fn are_flushed(&self) -> bool {
        self.flushing.as_ref().is_some_and(|chore| !chore.is_finished())
    }

    /// Without a thread they are flushed when they must be.
    pub fn flush_beside(&mut self, drive: &dyn Drive) {
        let db = Arc::clone(&self.db);
        let chore = move || {
            flush(&db).map_err(|error| {
                tracing::warn!(%error, "the log's tables could not be flushed");
                io::Error::other(error)
            })
        };
        self.flushing = drive.beside("log-flush", Box::new(chore));
    }
}

impl Drop for Tables {
    /// The thread has the database, too, and it is not closed before.
    fn drop(&mut self) {
        if let Some(chore) = self.flushing.take() {
            let _ = chore.wait();
        }
    }
}
