//! Owners: the categories of streams that are a decider's own. Every append looks here.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// What parts the category of a stream from the id of its aggregate.
pub const SEPARATOR: char = '-';

#[derive(Debug, Default)]
pub struct Owners(RwLock<BTreeMap<String, String>>);

impl Owners {
    /// The decider that owns the category of a stream, if one does: nobody else appends to it.
    pub fn of(&self, stream: &str) -> Option<String> {
        let by_category = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if by_category.is_empty() {
            return None;
        }
        // A category has no such character, so a stream is of one category at most.
        let (category, _) = stream.split_once(SEPARATOR)?;
        by_category.get(category).cloned()
    }

    /// The decider that owns a category.
    pub fn of_category(&self, category: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(category).cloned()
    }

    pub fn set(&self, by_category: BTreeMap<String, String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = by_category;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_of_one_category_at_most() {
        let owners = Owners::default();
        assert_eq!(owners.of("account-1"), None);
        owners.set(BTreeMap::from([("account".to_owned(), "bank".to_owned())]));
        for owned in ["account-1", "account-1-2", "account-"] {
            assert_eq!(owners.of(owned).as_deref(), Some("bank"), "{owned}");
        }
        for free in ["account", "accounts-1", "an-account-1", ""] {
            assert_eq!(owners.of(free), None, "{free}");
        }
    }
}
