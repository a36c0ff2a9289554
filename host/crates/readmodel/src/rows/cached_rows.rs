//! The rows of a read model that were asked for last, in memory, and when they are right.
//!
//! What is kept is a row as a snapshot has it. A commit takes the rows that it writes out of the cache before it writes
//! them, and from its beginning on nothing may be added that was read before. So a row that is here has not changed
//! since the snapshot that it was read from, and is right for that one and all later ones.

use std::sync::{Arc, PoisonError, RwLock};

use kinora_storage::{Era, RowCache};

use crate::rows::writes::Writes;

/// Rows of a commit above which it costs less to forget all than to look for each.
const FEW_ROWS: usize = 1_000;

/// One for each store.
pub struct CachedRows {
    cache: RowCache,
    state: RwLock<State>,
}

struct State {
    moment: Moment,
    is_committing: bool,
}

/// Which rows of the cache a snapshot may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    era: Era,
    /// Commits that have begun since the store was opened.
    generation: u64,
}

impl CachedRows {
    pub fn new(cache: &RowCache) -> Self {
        let moment = Moment { era: cache.new_era(), generation: 0 };
        Self { cache: cache.clone(), state: RwLock::new(State { moment, is_committing: false }) }
    }

    /// Before a commit writes.
    pub fn begin(&self, writes: &Writes) {
        let count = writes.tables().map(|(_, rows)| rows.take(FEW_ROWS + 1).count()).sum::<usize>();
        let era = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.is_committing = true;
            state.moment.generation += 1;
            if count > FEW_ROWS {
                state.moment.era = self.cache.new_era();
                return;
            }
            state.moment.era
        };
        for (table, rows) in writes.tables() {
            rows.for_each(|(key, _)| self.cache.remove(era, table, key));
        }
    }

    /// After a commit has written, or has failed to.
    pub fn end(&self) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).is_committing = false;
    }

    /// Which rows a snapshot may use that is made now: none while a commit may be half seen. To be asked before the
    /// snapshot is made and after, and good only if the answer is the same.
    pub fn moment(&self) -> Option<Moment> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (!state.is_committing).then_some(state.moment)
    }

    pub fn get(&self, moment: Moment, table: u16, key: &str) -> Option<Arc<str>> {
        self.cache.get(moment.era, moment.generation, table, key)
    }

    /// Keeps rows that a snapshot of this moment has, unless a commit has begun since.
    pub fn keep<'a>(&self, moment: Moment, table: u16, rows: impl Iterator<Item = (&'a str, &'a Arc<str>)>) {
        // Held until all are in, so that a commit that begins meanwhile finds them.
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.moment == moment && !state.is_committing {
            rows.for_each(|(key, row)| self.cache.put(moment.era, moment.generation, table, key, Arc::clone(row)));
        }
    }
}
