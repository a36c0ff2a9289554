//! Unique indexes, checked before a commit.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::layout::keys;
use crate::rows::view::View;

/// The values that the rows of one commit give up and take in unique indexes. Texts count with the first bytes that an
/// entry has of them.
#[derive(Default)]
pub struct Unique {
    /// By what stands before the key in an entry.
    taken: BTreeMap<Vec<u8>, Taken>,
    released: BTreeSet<Vec<u8>>,
}

struct Taken {
    key: String,
    index: String,
    /// Another row of the same commit that has the same values.
    rival: Option<String>,
}

impl Unique {
    /// What a row has from now on, be it new or not.
    pub fn take(&mut self, key: &str, values: Vec<(Vec<u8>, String)>) {
        for (start, index) in values {
            match self.taken.get_mut(&start) {
                Some(taken) => taken.rival = Some(key.to_owned()),
                None => drop(self.taken.insert(start, Taken { key: key.to_owned(), index, rival: None })),
            }
        }
    }

    /// An entry that goes.
    pub fn release(&mut self, entry: Vec<u8>) {
        self.released.insert(entry);
    }

    /// Finds a row, here or in what was committed before, that has the same values as another one.
    pub fn check(self, committed: View<'_>, table: &str) -> Result<(), Error> {
        for (start, Taken { key, index, rival }) in self.taken {
            let mut other = rival;
            let mut entries = committed.iterate(&start, &keys::after(&start), false);
            while let Some((entry, _)) = entries.current() {
                let holder = entry.get(start.len()..).unwrap_or_default();
                if holder != key.as_bytes() && !self.released.contains(entry) {
                    other = Some(String::from_utf8_lossy(holder).into_owned());
                }
                entries.advance();
            }
            entries.end()?;
            if let Some(other) = other {
                return Err(Error::NotUnique { table: table.to_owned(), index, key, other });
            }
        }
        Ok(())
    }
}
