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
    /// Scopes that others have changed lately, and how often they are still to be looked at for that.
    contested: HashMap<Scope, u32>,
}

/// How often a scope is looked at after others have changed it.
const LOOKS: u32 = 64;

/// Scopes of which that is known. Beyond it, it is forgotten of all.
const CONTESTED: usize = 10_000;

#[derive(Clone, Copy)]
pub struct Slot {
    pub number: u32,
    pub baseline: Baseline,
    /// Events that it has folded since it was loaded or saved.
    pub unsaved: u64,
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

    /// The same, unless others may have changed it.
    pub fn get_settled(&mut self, scope: &Scope) -> Option<Slot> {
        // Mostly there are none.
        if !self.contested.is_empty()
            && let Some(looks) = self.contested.get_mut(scope)
        {
            *looks -= 1;
            if *looks == 0 {
                self.contested.remove(scope);
            }
            return None;
        }
        self.get(scope)
    }

    /// Notes that others change a scope, too.
    pub fn contest(&mut self, scope: Scope) {
        if self.contested.len() >= CONTESTED {
            self.contested.clear();
        }
        self.contested.insert(scope, LOOKS);
    }

    /// A number for a scope that has none.
    pub fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Notes where the state in a slot is, after so many events more.
    pub fn put(&mut self, scope: Scope, number: u32, baseline: Baseline, more: u64) {
        self.clock += 1;
        let before = self.by_scope.get(&scope).filter(|slot| slot.number == number).map_or(0, |slot| slot.unsaved);
        self.by_scope.insert(scope, Slot { number, baseline, unsaved: before + more, used: self.clock });
    }

    /// Notes that the state of a scope was saved.
    pub fn saved(&mut self, scope: &Scope) {
        if let Some(slot) = self.by_scope.get_mut(scope) {
            slot.unsaved = 0;
        }
    }

    /// Forgets a scope, and gives the number of its slot.
    pub fn remove(&mut self, scope: &Scope) -> Option<u32> {
        let slot = self.by_scope.remove(scope)?;
        self.free.push(slot.number);
        Some(slot.number)
    }

    /// The scopes that were used least recently: without them there are so many.
    pub fn oldest(&self, most: usize) -> Vec<Scope> {
        let mut used: Vec<u64> = self.by_scope.values().map(|slot| slot.used).collect();
        let Some(more) = used.len().checked_sub(most).filter(|more| *more > 0) else { return Vec::new() };
        let (_, last, _) = used.select_nth_unstable(more - 1);
        let last = *last;
        self.by_scope.iter().filter(|(_, slot)| slot.used <= last).map(|(scope, _)| scope.clone()).collect()
    }
}
