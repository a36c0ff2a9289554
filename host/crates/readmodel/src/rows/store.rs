//! The writing side of a read model: rows, index entries and the checkpoint, in one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use kinora_storage::{NoSpace, Storage, ensure_space};
use kinora_types::{Incarnation, Progress, TableSpec};
use rocksdb::{ColumnFamilyDescriptor, DB, Options, WriteBatch, WriteOptions};
use uuid::Uuid;

use crate::error::Error;
use crate::layout::index::Indexes;
use crate::layout::keys;
use crate::rows::cached_rows::CachedRows;
use crate::rows::changes::Changes;
use crate::rows::ingest::{INGESTED_BYTES, ingest};
use crate::rows::range::KeyRange;
use crate::rows::replay_clock::ReplayClock;
use crate::rows::row_versions;
use crate::rows::scan::{Most, Scanned};
use crate::rows::snapshot::Snapshot;
use crate::rows::unique::Unique;
use crate::rows::view::View;
use crate::rows::writes::{Write, Writes};

/// The layout of this database. Another one is refused, never guessed at.
const FORMAT: u32 = 2;

/// Rows whose old index entries are looked up at once.
const LOOKUP_ROWS: usize = 1_000;

/// What a commit leaves behind if the process or the machine dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// No write-ahead log: what is not flushed is lost, whole commits from the end. For replays, which start again
    /// from the checkpoint that is left.
    UntilFlushed,
    /// The write-ahead log, without a sync: a killed process loses nothing, a machine without power the last commits,
    /// which are projected again.
    Logged,
}

/// The rows of one version of a projection.
pub struct Store {
    db: Arc<DB>,
    tables: Arc<[TableSpec]>,
    indexes: Vec<Indexes>,
    changes: Mutex<Changes>,
    /// Where the queue of versions begins that wait to be forgotten, for each table with a history. A commit that fails
    /// leaves it as it was.
    fronts: Mutex<BTreeMap<u16, Vec<u8>>>,
    cached: Arc<CachedRows>,
    /// Those of files that are written beside the database.
    file_options: Options,
    replay_clock: ReplayClock,
    /// The rows as of the last commit, once they have been asked for.
    latest: RwLock<Option<Arc<Snapshot>>>,
}

impl Store {
    /// Opens the read model in `dir`, or makes an empty one there.
    pub fn open(storage: &Storage, dir: &Path, tables: &[TableSpec]) -> Result<Self, Error> {
        let failed = |cause| match NoSpace::of_open(&cause) {
            Some(no_space) => no_space.into(),
            None => Error::Open { dir: dir.to_owned(), cause },
        };
        let default = ColumnFamilyDescriptor::new("default", storage.row_options());
        let db = DB::open_cf_descriptors(&storage.database_options(dir), dir, [default]).map_err(failed)?;
        let declared = serde_json::to_vec(tables).map_err(|cause| Error::Corrupt(cause.to_string()))?;
        match db.get(keys::FORMAT)? {
            None => {
                let mut batch = WriteBatch::default();
                batch.put(keys::FORMAT, FORMAT.to_be_bytes());
                batch.put(keys::TABLES, &declared);
                batch.put(keys::CHECKPOINT, 0_u64.to_be_bytes());
                let mut options = WriteOptions::default();
                options.set_sync(true);
                db.write_opt(batch, &options)?;
            }
            Some(format) if format != FORMAT.to_be_bytes() => {
                let what = format!("its format is {}, this program knows {FORMAT}", hex::encode(format));
                return Err(Error::Foreign { dir: dir.to_owned(), what });
            }
            Some(_) if db.get(keys::TABLES)?.as_deref() != Some(&declared) => {
                return Err(Error::Foreign { dir: dir.to_owned(), what: "its tables are others".into() });
            }
            Some(_) => {}
        }
        let replayed = db.get(keys::REPLAYED)?.and_then(|micros| Some(u64::from_be_bytes(micros.try_into().ok()?)));
        let replay_clock = ReplayClock::new(Duration::from_micros(replayed.unwrap_or_default()));
        let indexes = (0..).zip(tables).map(|(number, table)| Indexes::new(number, table)).collect();
        let changes = Mutex::new(Changes::new(View::now(&db).checkpoint()?));
        let (latest, fronts, file_options) = (RwLock::default(), Mutex::default(), storage.row_file_options());
        let cached = Arc::new(CachedRows::new(storage.rows()));
        Ok(Self {
            db: Arc::new(db),
            tables: tables.into(),
            indexes,
            changes,
            fronts,
            cached,
            file_options,
            replay_clock,
            latest,
        })
    }

    /// Whether each event has to be committed alone: only then the same events break the same rules, however they come
    /// in batches.
    pub fn is_stepwise(&self) -> bool {
        self.indexes.iter().any(Indexes::has_unique) || self.tables.iter().any(|table| table.history.is_some())
    }

    pub fn tables(&self) -> &Arc<[TableSpec]> {
        &self.tables
    }

    /// How many events the rows stand for.
    pub fn checkpoint(&self) -> Result<Progress, Error> {
        self.view().checkpoint()
    }

    /// The life of the log that the rows follow from; `None`: nobody has said so, and it is the first one.
    pub fn incarnation(&self) -> Result<Option<Incarnation>, Error> {
        let Some(bytes) = self.db.get(keys::INCARNATION)? else { return Ok(None) };
        let id = Uuid::from_slice(&bytes).map_err(|_| Error::Corrupt("its incarnation makes no sense".to_owned()))?;
        Ok(Some(Incarnation(id)))
    }

    /// Says which life of the log the rows follow from, before anything of it is applied.
    pub fn adopt(&self, incarnation: Incarnation) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.put_opt(keys::INCARNATION, incarnation.0.as_bytes(), &options)?)
    }

    /// Rows in the order of the keys, as they were committed last.
    pub fn get_many(&self, table: u16, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.view().get_many(table, keys)
    }

    /// Rows of a range, with what is pending on top of what was committed.
    pub fn scan(&self, table: u16, range: &KeyRange, most: &Most<'_>, pending: &Writes) -> Result<Scanned, Error> {
        self.view().scan(table, range, most, pending)
    }

    /// Makes rows, their index entries and the checkpoint visible in one step.
    pub fn commit(&self, writes: &Writes, progress: Progress, mode: CommitMode) -> Result<(), Error> {
        ensure_space(self.db.path())?;
        let entries = self.entries(writes)?;
        self.remember(writes, progress, mode);
        self.cached.begin(writes);
        let large = mode == CommitMode::UntilFlushed && writes.bytes() >= INGESTED_BYTES && !self.is_stepwise();
        let written = if large {
            ingest(&self.db, &self.file_options, writes, entries, (progress, self.replay_clock.bytes()))
        } else {
            self.write(writes, entries, progress, mode)
        };
        self.cached.end();
        // Whoever made a snapshot before the write made it under this lock, so none of an earlier commit stays.
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = None;
        written
    }

    fn write(
        &self,
        writes: &Writes,
        entries: Vec<(Vec<u8>, bool)>,
        progress: Progress,
        mode: CommitMode,
    ) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        for (entry, exists) in entries {
            if exists { batch.put(entry, b"") } else { batch.delete(entry) }
        }
        let mut key = Vec::new();
        let mut fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut moved = Vec::new();
        for (table, rows) in writes.tables() {
            let retention = self.tables.get(usize::from(table)).and_then(|table| table.history);
            let mut count = 0;
            for (name, row) in rows {
                keys::row_into(table, name, &mut key);
                match row {
                    Some(row) => batch.put(&key, row),
                    None => batch.delete(&key),
                }
                if retention.is_some() {
                    row_versions::add(&mut batch, table, name, row, progress);
                    count += 1;
                }
            }
            if let Some(retention) = retention {
                let front = fronts.get(&table).cloned().unwrap_or_else(|| keys::queue(table));
                moved.push((
                    table,
                    row_versions::forget(&mut batch, self.view(), table, retention, progress, count, front)?,
                ));
            }
        }
        batch.put(keys::CHECKPOINT, progress.0.to_be_bytes());
        batch.put(keys::REPLAYED, self.replay_clock.bytes());
        let mut options = WriteOptions::default();
        options.disable_wal(mode == CommitMode::UntilFlushed);
        self.db.write_opt(batch, &options)?;
        fronts.extend(moved);
        Ok(())
    }

    /// The rows as of the last commit: one snapshot for all who ask before the next one.
    pub fn latest(&self) -> Result<Arc<Snapshot>, Error> {
        if let Some(latest) = &*self.latest.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(latest));
        }
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        let made = match latest.take() {
            Some(made) => made,
            None => Arc::new(self.snapshot()?),
        };
        *latest = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Counts the time from here on as that of a replay.
    pub fn begin_replay(&self) {
        self.replay_clock.start();
    }

    /// Counts no longer: whoever replays has stopped on the way.
    pub fn pause_replay(&self) {
        self.replay_clock.stop();
    }

    /// Ends the replay, and says how long all of its runs took.
    pub fn end_replay(&self) -> Result<Duration, Error> {
        self.replay_clock.stop();
        self.db.put(keys::REPLAYED, self.replay_clock.bytes())?;
        Ok(self.replay_clock.elapsed())
    }

    /// Makes an empty read model stand for the events before `progress`, which its projector never sees.
    pub fn start_at(&self, progress: Progress) -> Result<(), Error> {
        self.commit(&Writes::default(), progress, CommitMode::Logged)
    }

    /// Bytes that the index entries of a row will take, about.
    pub fn index_bytes(&self, table: u16, key: &str, row: &[u8]) -> Result<usize, Error> {
        match self.indexes.get(usize::from(table)) {
            Some(indexes) if !indexes.is_empty() => indexes.bytes(key, row),
            _ => Ok(0),
        }
    }

    /// What becomes of index entries: whether each exists from now on.
    fn entries(&self, writes: &Writes) -> Result<Vec<(Vec<u8>, bool)>, Error> {
        let mut changes = Vec::new();
        for (table, rows) in writes.tables() {
            let indexes = self.indexes.get(usize::from(table)).ok_or_else(|| unknown_ordinal(table))?;
            if indexes.is_empty() {
                continue;
            }
            let rows: Vec<_> = rows.collect();
            let mut unique = Unique::default();
            for rows in rows.chunks(LOOKUP_ROWS) {
                self.index(&mut changes, indexes, rows, &mut unique)?;
            }
            unique.check(self.view(), indexes.name())?;
        }
        Ok(changes)
    }

    /// Before the commit can be seen, so that a reader who sees it finds what it changed.
    fn remember(&self, writes: &Writes, progress: Progress, mode: CommitMode) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        match mode {
            CommitMode::UntilFlushed => changes.forget(progress),
            CommitMode::Logged => changes.add(progress, writes),
        }
    }

    /// The keys of a table that commits after this one wrote; `None` if that is too long ago to be remembered.
    pub fn changed_since(&self, table: u16, progress: Progress) -> Option<BTreeSet<String>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).since(table, progress)
    }

    /// Brings the index entries of rows from what they were to what they will be.
    fn index(
        &self,
        changes: &mut Vec<(Vec<u8>, bool)>,
        indexes: &Indexes,
        rows: &[(&str, Write<'_>)],
        unique: &mut Unique,
    ) -> Result<(), Error> {
        let names: Vec<&str> = rows.iter().map(|(key, _)| *key).collect();
        let old = self.get_many(indexes.table(), &names)?;
        for ((key, new), old) in rows.iter().zip(old) {
            let mut outdated = indexes.entries(key, old.as_deref())?.all;
            let entries = indexes.entries(key, *new)?;
            unique.take(key, entries.unique);
            for entry in entries.all {
                match outdated.iter().position(|old| *old == entry) {
                    Some(kept) => drop(outdated.swap_remove(kept)),
                    None => changes.push((entry, true)),
                }
            }
            for entry in outdated {
                if indexes.has_unique() {
                    unique.release(entry.clone());
                }
                changes.push((entry, false));
            }
        }
        Ok(())
    }

    /// Makes a copy as it is now in `dir`, where nothing is yet: hard links, which cost next to nothing.
    pub fn copy_to(&self, dir: &Path) -> Result<(), Error> {
        if let Some(parent) = dir.parent() {
            std::fs::create_dir_all(parent).map_err(|cause| Error::Copy { dir: dir.to_owned(), cause })?;
        }
        Ok(rocksdb::checkpoint::Checkpoint::new(&self.db)?.create_checkpoint(dir)?)
    }

    /// Writes everything to disk that has been committed.
    pub fn flush(&self) -> Result<(), Error> {
        Ok(self.db.flush()?)
    }

    /// Everything as it is now; it stays so.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::new(Arc::clone(&self.db), Arc::clone(&self.tables), Arc::clone(&self.cached))
    }

    fn view(&self) -> View<'_> {
        View::now(&self.db)
    }
}

pub fn unknown_ordinal(table: u16) -> Error {
    Error::Corrupt(format!("table number {table} does not exist"))
}
