//! Iterators of a snapshot that were made for one page of a list, and are kept for the next one: to make an iterator of
//! RocksDB costs more than to read twenty entries with it.
//!
//! They know no bounds, as those of RocksDB cannot be changed later; what lies beyond a range is passed over here. So
//! that no query walks through all that was deleted behind a range, an iterator gives up after a few entries that are
//! not there any more, as if they had not been in memory. The query is then asked again, with an iterator that has
//! bounds.
//!
//! An iterator keeps the files and the memtables alive that it was made for. The next commit drops the snapshot,
//! and so of it.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rocksdb::{DB, DBRawIterator, ReadOptions};
use self_cell::self_cell;

use crate::error::Error;

/// Iterators that wait. More are only needed by more threads.
const KEPT: usize = 8;

/// Entries in a row that were deleted or overwritten.
const SKIPPED_ENTRIES: u64 = 200;

self_cell!(
    struct IdleIterator {
        owner: Arc<DB>,
        #[covariant]
        dependent: DBRawIterator,
    }
);

/// One for each snapshot.
pub struct Idle {
    db: Arc<DB>,
    kept: Mutex<Vec<IdleIterator>>,
}

impl Idle {
    pub fn new(db: Arc<DB>) -> Self {
        Self { db, kept: Mutex::default() }
    }

    /// An iterator at one end of a range. `options` say which snapshot, and which tier; always the same ones.
    pub fn lend(&self, mut options: ReadOptions, range: Range<&[u8]>, reverse: bool) -> Loan<'_> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut kept = kept.unwrap_or_else(|| {
            options.set_max_skippable_internal_keys(SKIPPED_ENTRIES);
            IdleIterator::new(Arc::clone(&self.db), |db| db.raw_iterator_opt(options))
        });
        kept.with_dependent_mut(|_, iterator| {
            if !reverse {
                return iterator.seek(range.start);
            }
            iterator.seek_for_prev(range.end);
            if iterator.key() == Some(range.end) {
                iterator.prev();
            }
        });
        let bound = if reverse { Bound::First(range.start.to_vec()) } else { Bound::Behind(range.end.to_vec()) };
        Loan { idle: self, kept: Some(kept), bound }
    }
}

/// The far end of a range, as seen from where reading begins.
enum Bound {
    First(Vec<u8>),
    Behind(Vec<u8>),
}

/// An iterator on loan. Unless it is in trouble, it goes back when it is dropped.
pub struct Loan<'a> {
    idle: &'a Idle,
    kept: Option<IdleIterator>,
    bound: Bound,
}

impl Loan<'_> {
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        let (key, value) = self.kept.as_ref()?.borrow_dependent().item()?;
        let inside = match &self.bound {
            Bound::First(first) => key >= first.as_slice(),
            Bound::Behind(end) => key < end.as_slice(),
        };
        inside.then_some((key, value))
    }

    pub fn change(&mut self, change: impl FnOnce(&mut DBRawIterator<'_>)) {
        if let Some(kept) = &mut self.kept {
            kept.with_dependent_mut(|_, iterator| change(iterator));
        }
    }

    pub fn end(&self) -> Result<(), Error> {
        Ok(self.kept.as_ref().map_or(Ok(()), |kept| kept.borrow_dependent().status())?)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let Some(kept) = self.kept.take().filter(|kept| kept.borrow_dependent().status().is_ok()) else { return };
        let mut idle = self.idle.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(kept);
        }
    }
}
