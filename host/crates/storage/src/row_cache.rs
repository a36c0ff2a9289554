//! Rows of all read models of a host that were asked for last, as they are: a row that is found here is not searched
//! in blocks.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use indexmap::Equivalent;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

/// Rows and keys, and what holds them.
const BYTES: u64 = 16 * 1024 * 1024;

/// What a row takes in memory beside its bytes, about.
const OVERHEAD_BYTES: u64 = 128;

/// How many rows fit, about; no more than a hint.
const ROWS: usize = 50_000;

/// Under which rows are kept. A read model has one of its own, and another one when most of its rows have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Era(u64);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    era: Era,
    table: u16,
    key: Box<str>,
}

/// A [`Key`] that is only looked up.
#[derive(Hash)]
struct Lookup<'a> {
    era: Era,
    table: u16,
    key: &'a str,
}

impl Equivalent<Key> for Lookup<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.era == key.era && self.table == key.table && *self.key == *key.key
    }
}

/// A row, and the state of its read model that it was read from.
#[derive(Clone)]
struct Row {
    generation: u64,
    text: Arc<str>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Row> for Weight {
    fn weight(&self, key: &Key, row: &Row) -> u64 {
        OVERHEAD_BYTES + (key.key.len() + row.text.len()) as u64
    }
}

type Rows = Cache<Key, Row, Weight, RandomState, DefaultLifecycle<Key, Row>>;

/// Cheap to clone. It knows nothing of what is right: see the cached rows of `kinora-readmodel`.
#[derive(Clone)]
pub struct RowCache {
    rows: Arc<Rows>,
    eras: Arc<AtomicU64>,
}

impl Default for RowCache {
    fn default() -> Self {
        let rows = Cache::with(ROWS, BYTES, Weight, RandomState::default(), DefaultLifecycle::default());
        Self { rows: Arc::new(rows), eras: Arc::default() }
    }
}

impl RowCache {
    /// One that nobody has had before.
    pub fn new_era(&self) -> Era {
        Era(self.eras.fetch_add(1, Ordering::Relaxed))
    }

    /// A row, if it is here and was read from this generation or one before.
    pub fn get(&self, era: Era, generation: u64, table: u16, key: &str) -> Option<Arc<str>> {
        let row = self.rows.get(&Lookup { era, table, key })?;
        (row.generation <= generation).then_some(row.text)
    }

    pub fn put(&self, era: Era, generation: u64, table: u16, key: &str, text: Arc<str>) {
        self.rows.insert(Key { era, table, key: key.into() }, Row { generation, text });
    }

    pub fn remove(&self, era: Era, table: u16, key: &str) {
        self.rows.remove(&Lookup { era, table, key });
    }
}
