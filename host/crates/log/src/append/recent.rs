//! The last writes, in memory: mostly the next request asks about it.

use std::borrow::Borrow;
use std::hash::Hash;

use foldhash::HashMap;

use crate::record::selection::Item;
use crate::record::stream::Head;
use kinora_types::{Progress, StreamName, Tag};

/// Entries of one kind that are kept: some ten megabytes, if all of them are in use. A name has at most a few hundred
/// bytes, mostly a few dozen.
const ENTRIES: usize = 65_536;

/// Only the writer changes the log, so what it keeps is right for as long as it keeps all that it writes.
pub struct Recent {
    pub heads: Cache<StreamName, Head>,
    /// The last position of a type or a tag.
    pub types: Cache<String, u64>,
    pub tags: Cache<Tag, u64>,
}

impl Recent {
    /// Of a log of which nothing is known up to here.
    pub fn from(written: Progress) -> Self {
        Self { heads: Cache::from(written), types: Cache::from(written), tags: Cache::from(written) }
    }

    /// Whether events from a position on may match. `false` is certain.
    pub fn may_match(&self, item: &Item, from: u64) -> bool {
        let types = &item.types;
        let no_tag = item.tags.iter().any(|tag| self.tags.all_before(tag, from));
        let no_type = !types.is_empty() && types.iter().all(|name| self.types.all_before(name.as_str(), from));
        !no_tag && !no_type
    }
}

/// A map that forgets what has not been put into it for long.
pub struct Cache<K, V> {
    recent: HashMap<K, V>,
    /// From here on all that was put into it is in `recent`.
    recent_from: Progress,
    /// Those of the generation before.
    older: HashMap<K, V>,
    /// From here on all that was put into it is in one of both.
    older_from: Progress,
}

impl<K: Hash + Eq, V: Copy> Cache<K, V> {
    fn from(written: Progress) -> Self {
        let (recent, older) = (HashMap::default(), HashMap::default());
        Self { recent, recent_from: written, older, older_from: written }
    }

    /// `None`: it has to be looked up.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.recent.get(key).or_else(|| self.older.get(key)).copied()
    }

    /// Whether all that was put into it since the log had come so far is still in it.
    pub fn knows_all_since(&self, written: Progress) -> bool {
        self.older_from <= written
    }

    /// Takes up what was written when the log had come as far as `written`.
    pub fn put(&mut self, key: K, value: V, written: Progress) {
        if self.recent.len() >= ENTRIES / 2 {
            self.older = std::mem::take(&mut self.recent);
            self.older_from = self.recent_from;
            self.recent_from = written;
        }
        self.recent.insert(key, value);
    }
}

impl<K: Hash + Eq> Cache<K, u64> {
    /// Whether the last position of a name is certain to be before this one.
    fn all_before<Q: Hash + Eq + ?Sized>(&self, name: &Q, position: u64) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(name).map_or(self.older_from.0 <= position, |last| last < position)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known_and_memory_is_bounded() {
        let mut cache = Cache::from(Progress(0));
        for n in 0..2 * ENTRIES {
            cache.put(n, 1, Progress(0));
            cache.put(0, n, Progress(0));
            assert_eq!((cache.get(&0), n == 0 || cache.get(&n) == Some(1)), (Some(n), true));
        }
        assert!(cache.recent.len() + cache.older.len() <= ENTRIES);
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn only_what_is_known_to_be_older_cannot_match() {
        let mut recent = Recent::from(Progress(6));
        let [seat, hall]: [Tag; 2] = ["seat:1", "hall:1"].map(|tag| tag.parse().unwrap());
        recent.tags.put(seat, 7, Progress(10));
        recent.types.put("SeatTaken".to_owned(), 9, Progress(10));
        let may = |types: &[&str], tags: &[&str], from| {
            recent.may_match(&Item::new(types.iter().copied(), tags.iter().copied()).unwrap(), from)
        };
        assert!(may(&[], &["seat:1"], 7) && !may(&[], &["seat:1"], 8));
        assert!(may(&[], &[hall.as_str()], 5), "it may stand at 5");
        assert!(!may(&[], &[hall.as_str()], 6), "from 6 on all are known");
        assert!(!may(&[], &[hall.as_str(), "seat:1"], 8));
        assert!(may(&["SeatTaken"], &[], 9) && !may(&["SeatTaken"], &[], 10));
        assert!(may(&["SeatTaken", "SeatFreed"], &[], 5) && !may(&["SeatTaken", "SeatFreed"], &["seat:1"], 10));
        assert!(may(&[], &[], 10));
    }

    #[test]
    fn what_was_forgotten_may_match() {
        // Commits of two, so that a generation ends within one.
        let mut recent = Recent::from(Progress(0));
        let tag = |n: u64| format!("n:{n}").parse::<Tag>().unwrap();
        let last = 4 * ENTRIES as u64;
        for n in 0..last {
            recent.tags.put(tag(n), n, Progress((n / 2 + 1) * 2));
        }
        let may = |n: u64, from| recent.may_match(&Item { types: vec![], tags: vec![tag(n)] }, from);
        assert!((0..last).all(|n| may(n, n)), "each stands where it was put");
        assert!(!may(last, last) && !may(last, last - ENTRIES as u64 / 2), "all that was put lately is known");
        assert!(may(last, 0));
    }
}
