//! View of the rows, in the database as it is now or as a snapshot has it: the same code for both.

use std::sync::Arc;

use kinora_types::{Budget, Exhausted, Progress};
use rocksdb::{DB, DBRawIterator, ReadOptions, ReadTier};

use crate::error::Error;
use crate::layout::keys;
use crate::rows::cached_rows::{CachedRows, Moment};
use crate::rows::idle::{Idle, Loan};

/// Bytes that a sweep reads ahead of itself.
const READAHEAD_BYTES: usize = 1 << 20;

/// Entries that are passed between two looks at the budget: it costs about as much as a few of them.
const STEPS: u32 = 64;

#[derive(Clone, Copy)]
pub struct View<'a> {
    db: &'a DB,
    snapshot: Option<&'a rocksdb::Snapshot<'a>>,
    /// Rows of the snapshot in memory.
    cached: Option<(&'a CachedRows, Moment)>,
    /// Whether what is not in memory is left alone, and the reading given up; and the iterators for that.
    memory_only: Option<&'a Idle>,
    /// What is asked on the way through entries.
    budget: Option<&'a Budget>,
}

impl<'a> View<'a> {
    pub fn now(db: &'a DB) -> Self {
        Self { db, snapshot: None, cached: None, memory_only: None, budget: None }
    }

    pub fn of(db: &'a DB, snapshot: &'a rocksdb::Snapshot<'a>, cached: Option<(&'a CachedRows, Moment)>) -> Self {
        Self { db, snapshot: Some(snapshot), cached, memory_only: None, budget: None }
    }

    /// The same, but whoever goes through its entries does so within a budget: when that is used up they end, and the
    /// end is an error.
    pub fn within(self, budget: &'a Budget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// The same, but a read that would wait for the disk fails instead; see [`Error::is_beyond_memory`].
    pub fn in_memory(self, idle: &'a Idle) -> Self {
        Self { memory_only: Some(idle), ..self }
    }

    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if let Some(snapshot) = self.snapshot {
            options.set_snapshot(snapshot);
        }
        if self.memory_only.is_some() {
            options.set_read_tier(ReadTier::BlockCache);
        }
        options
    }

    pub fn checkpoint(&self) -> Result<Progress, Error> {
        let bytes = self.db.get_pinned_opt(keys::CHECKPOINT, &self.options())?;
        bytes
            .and_then(|bytes| keys::number(&bytes))
            .map(Progress)
            .ok_or_else(|| Error::Corrupt("there is no checkpoint".into()))
    }

    /// Rows in the order of the keys.
    pub fn get_many(&self, table: u16, names: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if self.cached.is_none() {
            return self.search(table, names, |_, row| Ok(row.to_vec()));
        }
        let rows = self.texts(table, names)?;
        Ok(rows.into_iter().map(|row| row.map(|row| row.as_bytes().to_vec())).collect())
    }

    /// The same as texts, shared with the cache.
    pub fn texts(&self, table: u16, names: &[&str]) -> Result<Vec<Option<Arc<str>>>, Error> {
        let Some((cached, moment)) = self.cached else { return self.search(table, names, text) };
        let mut rows: Vec<_> = names.iter().map(|name| cached.get(moment, table, name)).collect();
        let missing: Vec<_> = names.iter().zip(&rows).filter(|(_, row)| row.is_none()).map(|(name, _)| *name).collect();
        if missing.is_empty() {
            return Ok(rows);
        }
        let found = self.search(table, &missing, text)?;
        let known = missing.iter().zip(&found).filter_map(|(name, row)| Some((*name, row.as_ref()?)));
        cached.keep(moment, table, known);
        rows.iter_mut().filter(|row| row.is_none()).zip(found).for_each(|(row, found)| *row = found);
        Ok(rows)
    }

    /// Looks rows up, and makes something of each.
    fn search<T>(
        &self,
        table: u16,
        names: &[&str],
        make: impl Fn(&str, &[u8]) -> Result<T, Error>,
    ) -> Result<Vec<Option<T>>, Error> {
        if let [name] = names {
            let row = self.db.get_pinned_opt(keys::row(table, name), &self.options())?;
            return Ok(vec![row.map(|row| make(name, &row)).transpose()?]);
        }
        let family = self.db.cf_handle("default").ok_or_else(|| Error::Corrupt("it has no column family".into()))?;
        let places: Vec<_> = names.iter().map(|name| keys::row(table, name)).collect();
        let sorted = places.is_sorted();
        let found = self.db.batched_multi_get_cf_opt(family, &places, sorted, &self.options());
        found.into_iter().zip(names).map(|(row, name)| row?.map(|row| make(name, &row)).transpose()).collect()
    }

    /// What stands between two keys (`upper` not included), from the first on or from the last back.
    pub fn iterate(&self, lower: &[u8], upper: &[u8], reverse: bool) -> Entries<'a> {
        // An upper bound below the lower one is not a range to RocksDB.
        let upper = upper.max(lower);
        let mut options = self.options();
        if let Some(idle) = self.memory_only {
            return self.entries(Iterator::Lent(idle.lend(options, lower..upper, reverse)), reverse);
        }
        options.set_iterate_lower_bound(lower);
        options.set_iterate_upper_bound(upper);
        let mut iterator = self.db.raw_iterator_opt(options);
        if reverse {
            iterator.seek_to_last()
        } else {
            iterator.seek_to_first()
        }
        self.entries(Iterator::Own(iterator), reverse)
    }

    fn entries(&self, iterator: Iterator<'a>, reverse: bool) -> Entries<'a> {
        Entries { iterator, reverse, steps: Steps::new(self.budget) }
    }

    /// The same forwards, for many rows: it reads ahead, and leaves the cache to others.
    pub fn sweep(&self, lower: &[u8], upper: &[u8]) -> Entries<'a> {
        let mut options = self.options();
        options.set_iterate_lower_bound(lower);
        options.set_iterate_upper_bound(upper.max(lower));
        options.set_readahead_size(READAHEAD_BYTES);
        options.fill_cache(false);
        let mut iterator = self.db.raw_iterator_opt(options);
        iterator.seek_to_first();
        self.entries(Iterator::Own(iterator), false)
    }

    /// The iterator of [`Self::iterate`] itself, which gives up where it would pass over more than `skipped` deleted or
    /// replaced entries in one step.
    pub(super) fn raw(&self, lower: &[u8], upper: &[u8], reverse: bool, skipped: u64) -> DBRawIterator<'a> {
        let mut options = self.options();
        options.set_iterate_lower_bound(lower);
        options.set_iterate_upper_bound(upper.max(lower));
        options.set_max_skippable_internal_keys(skipped.max(1));
        let mut iterator = self.db.raw_iterator_opt(options);
        if reverse {
            iterator.seek_to_last()
        } else {
            iterator.seek_to_first()
        }
        iterator
    }
}

/// A row as text, which it is unless it is damaged.
pub fn text(key: &str, row: &[u8]) -> Result<Arc<str>, Error> {
    let text = std::str::from_utf8(row).map_err(|_| Error::Corrupt(format!("row {key:?} is not UTF-8")))?;
    Ok(text.into())
}

/// The key of a row, out of its key in the database.
pub fn row_key(entry: &[u8]) -> Result<&str, Error> {
    let key = entry.get(keys::ROW_PREFIX_BYTES..).and_then(|key| std::str::from_utf8(key).ok());
    key.ok_or_else(|| Error::Corrupt(format!("the key {} makes no sense", hex::encode(entry))))
}

/// An iterator over keys and values, forwards or backwards.
pub struct Entries<'a> {
    iterator: Iterator<'a>,
    reverse: bool,
    steps: Steps<'a>,
}

enum Iterator<'a> {
    Own(DBRawIterator<'a>),
    Lent(Loan<'a>),
}

/// The way through entries, within a budget.
struct Steps<'a> {
    budget: Option<&'a Budget>,
    /// Since the budget was asked.
    taken: u32,
    exhausted: Option<Exhausted>,
}

impl<'a> Steps<'a> {
    /// Asks at once, so that many short ways are as one long one.
    fn new(budget: Option<&'a Budget>) -> Self {
        let exhausted = budget.and_then(|budget| budget.check().err());
        Self { budget, taken: 0, exhausted }
    }

    fn take(&mut self) {
        let Some(budget) = self.budget else { return };
        self.taken += 1;
        if self.taken == STEPS {
            self.taken = 0;
            self.exhausted = budget.look(u64::from(STEPS)).err();
        }
    }
}

impl Drop for Steps<'_> {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.filter(|_| self.taken > 0) {
            budget.note(u64::from(self.taken));
        }
    }
}

impl Entries<'_> {
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        if self.steps.exhausted.is_some() {
            return None;
        }
        match &self.iterator {
            Iterator::Own(iterator) => iterator.item(),
            Iterator::Lent(loan) => loan.current(),
        }
    }

    pub fn advance(&mut self) {
        let reverse = self.reverse;
        self.change(|iterator| if reverse { iterator.prev() } else { iterator.next() });
    }

    /// Goes to the first key that is not before this one, forwards.
    pub fn seek(&mut self, key: &[u8]) {
        self.change(|iterator| iterator.seek(key));
    }

    fn change(&mut self, change: impl FnOnce(&mut DBRawIterator<'_>)) {
        self.steps.take();
        match &mut self.iterator {
            Iterator::Own(iterator) => change(iterator),
            Iterator::Lent(loan) => loan.change(change),
        }
    }

    /// Whether the end was the end, and not trouble, or the end of the budget.
    pub fn end(&self) -> Result<(), Error> {
        if let Some(exhausted) = self.steps.exhausted {
            return Err(exhausted.into());
        }
        match &self.iterator {
            Iterator::Own(iterator) => Ok(iterator.status()?),
            Iterator::Lent(loan) => loan.end(),
        }
    }
}
