//! [`Trace`]: what happened, as a number that tells runs apart, and as text where somebody wants to read it; and how
//! often each thing happened that a simulation is made for.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

#[derive(Default)]
pub struct Trace {
    printed: bool,
    hasher: DefaultHasher,
    counts: BTreeMap<&'static str, u64>,
}

impl Trace {
    pub fn new(printed: bool) -> Self {
        Self { printed, ..Self::default() }
    }

    pub fn note(&mut self, line: &str) {
        self.hasher.write(line.as_bytes());
        if self.printed {
            println!("{line}");
        }
    }

    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}
