//! What the writer has just written, in memory: mostly the next request asks about it.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

use super::selection::Item;
use crate::event::{Revision, StreamName, Tag};

/// Entries of one kind that are kept. A name has at most a few hundred bytes, mostly a few dozen.
const ENTRIES: usize = 16_384;

/// Only the writer changes the log, so what it keeps is right for as long as it keeps all that it writes.
#[derive(Default)]
pub struct Recent {
    pub heads: Cache<StreamName, Revision>,
    /// The last position of a type or a tag.
    pub types: Cache<String, u64>,
    pub tags: Cache<Tag, u64>,
}

impl Recent {
    /// Whether events from a position on may match. `false` is certain.
    pub fn may_match(&self, item: &Item, from: u64) -> bool {
        let before = |last: Option<u64>| last.is_some_and(|last| last < from);
        let types = &item.types;
        let no_tag = item.tags.iter().any(|tag| before(self.tags.get(tag)));
        let no_type = !types.is_empty() && types.iter().all(|name| before(self.types.get(name.as_str())));
        !no_tag && !no_type
    }
}

/// A map that forgets what has not been put into it for long.
pub struct Cache<K, V> {
    recent: HashMap<K, V, RandomState>,
    /// Those of the generation before.
    older: HashMap<K, V, RandomState>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self { recent: HashMap::default(), older: HashMap::default() }
    }
}

impl<K: Hash + Eq, V: Copy> Cache<K, V> {
    /// `None`: it has to be looked up.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.recent.get(key).or_else(|| self.older.get(key)).copied()
    }

    pub fn put(&mut self, key: K, value: V) {
        if self.recent.len() >= ENTRIES / 2 {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(key, value);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known_and_memory_is_bounded() {
        let mut cache = Cache::default();
        for n in 0..2 * ENTRIES {
            cache.put(n, 1);
            cache.put(0, n);
            assert_eq!((cache.get(&0), n == 0 || cache.get(&n) == Some(1)), (Some(n), true));
        }
        assert!(cache.recent.len() + cache.older.len() <= ENTRIES);
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn only_what_is_known_to_be_older_cannot_match() {
        let mut recent = Recent::default();
        let [seat, hall]: [Tag; 2] = ["seat:1", "hall:1"].map(|tag| tag.parse().unwrap());
        recent.tags.put(seat, 7);
        recent.types.put("SeatTaken".to_owned(), 9);
        let may = |types: &[&str], tags: &[&str], from| {
            recent.may_match(&Item::new(types.iter().copied(), tags.iter().copied()).unwrap(), from)
        };
        assert!(may(&[], &["seat:1"], 7) && !may(&[], &["seat:1"], 8));
        assert!(may(&[], &[hall.as_str()], 8), "nothing is known of it");
        assert!(!may(&[], &[hall.as_str(), "seat:1"], 8));
        assert!(may(&["SeatTaken"], &[], 9) && !may(&["SeatTaken"], &[], 10));
        assert!(may(&["SeatTaken", "SeatFreed"], &[], 10) && !may(&["SeatTaken", "SeatFreed"], &["seat:1"], 10));
        assert!(may(&[], &[], 10));
    }
}
