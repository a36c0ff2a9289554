//! Slots: the states that an instance keeps, and up to where each is folded.

use std::collections::HashMap;

use crate::scope::{Baseline, Scope};

/// What a slot is after an append.
pub struct Settled {
    pub scope: Scope,
    /// Of the instance; another one knows nothing of it.
    pub instance: u64,
    /// `None`: its state is nobody's.
    pub baseline: Option<Baseline>,
}

#[derive(Default)]
pub struct Slots {
    by_scope: HashMap<Scope, Slot>,
    /// Numbers that are free again.
    free: Vec<u32>,
    next: u32,
    /// Counts uses.
    clock: u64,
}

#[derive(Clone, Copy)]
pub struct Slot {
    pub number: u32,
    pub baseline: Baseline,
    used: u64,
}

impl Slots {
    pub fn len(&self) -> usize {
        self.by_scope.len()
    }

    pub fn get(&mut self, scope: &Scope) -> Option<Slot> {
        self.clock += 1;
        let slot = self.by_scope.get_mut(scope)?;
        slot.used = self.clock;
        Some(*slot)
    }

    /// A number for a scope that has none.
    pub fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    pub fn put(&mut self, scope: Scope, number: u32, baseline: Baseline) {
        self.clock += 1;
        self.by_scope.insert(scope, Slot { number, baseline, used: self.clock });
    }

    /// Forgets a scope, and gives the number of its slot.
    pub fn remove(&mut self, scope: &Scope) -> Option<u32> {
        let slot = self.by_scope.remove(scope)?;
        self.free.push(slot.number);
        Some(slot.number)
    }

    /// Forgets the scopes that were used least recently, down to so many, and gives the numbers of their slots.
    pub fn shrink(&mut self, most: usize) -> Vec<u32> {
        let mut used: Vec<u64> = self.by_scope.values().map(|slot| slot.used).collect();
        let Some(more) = used.len().checked_sub(most).filter(|more| *more > 0) else { return Vec::new() };
        let (_, last, _) = used.select_nth_unstable(more - 1);
        let last = *last;
        let old: Vec<Scope> =
            self.by_scope.iter().filter(|(_, slot)| slot.used <= last).map(|(scope, _)| scope.clone()).collect();
        old.iter().filter_map(|scope| self.remove(scope)).collect()
    }
}
