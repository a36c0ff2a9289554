//! Keys of the rows that the last commits wrote, for those who follow a query. Kept in memory, so a client that comes
//! back after a long time, or a restart, reads everything again.

use std::collections::{BTreeSet, VecDeque};

use kinora_types::Progress;

use crate::rows::writes::Writes;

/// Keys that are remembered, about 10 MB of usual ones.
const REMEMBERED_KEYS: usize = 100_000;

/// A row: its table and its key.
type RowKey = (u16, Box<str>);

/// The keys of the last commits, in their order.
pub struct Changes {
    commits: VecDeque<(Progress, Vec<RowKey>)>,
    keys: usize,
    /// All commits after this one are there.
    since: Progress,
}

impl Changes {
    pub fn new(since: Progress) -> Self {
        Self { commits: VecDeque::new(), keys: 0, since }
    }

    /// Remembers what a commit is about to write.
    pub fn add(&mut self, progress: Progress, writes: &Writes) {
        let keys = writes.tables().flat_map(|(table, rows)| rows.map(move |(key, _)| (table, key.into())));
        let keys: Vec<_> = keys.collect();
        self.keys += keys.len();
        self.commits.push_back((progress, keys));
        while self.keys > REMEMBERED_KEYS {
            let Some((progress, keys)) = self.commits.pop_front() else { break };
            self.keys -= keys.len();
            self.since = progress;
        }
    }

    /// Forgets everything: nobody follows a replay.
    pub fn forget(&mut self, upto: Progress) {
        *self = Self::new(upto);
    }

    /// The rows of a table that were written after this; `None` if that is not remembered.
    pub fn since(&self, table: u16, progress: Progress) -> Option<BTreeSet<String>> {
        if progress < self.since {
            return None;
        }
        let new = self.commits.iter().rev().take_while(|(at, _)| *at > progress);
        let keys = new.flat_map(|(_, keys)| keys.iter()).filter(|(of, _)| *of == table);
        Some(keys.map(|(_, key)| key.to_string()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_commits_are_remembered_and_older_ones_are_known_to_be_forgotten() {
        let mut changes = Changes::new(Progress(5));
        let commit = |changes: &mut Changes, progress, count: usize| {
            let mut writes = Writes::default();
            (0..count).for_each(|n| writes.set(u16::try_from(n % 2).unwrap_or(0), &format!("{progress}-{n}"), None));
            changes.add(Progress(progress), &writes);
        };
        commit(&mut changes, 7, 3);
        commit(&mut changes, 9, 2);
        let since = |changes: &Changes, progress| changes.since(0, Progress(progress)).map(|keys| keys.len());
        assert_eq!(
            (since(&changes, 4), since(&changes, 5), since(&changes, 7), since(&changes, 9)),
            (None, Some(3), Some(1), Some(0))
        );
        commit(&mut changes, 10, REMEMBERED_KEYS);
        assert_eq!((since(&changes, 7), since(&changes, 9)), (None, Some(REMEMBERED_KEYS / 2)));
        changes.forget(Progress(12));
        assert_eq!((since(&changes, 11), since(&changes, 12)), (None, Some(0)));
    }
}
