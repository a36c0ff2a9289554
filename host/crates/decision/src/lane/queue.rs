//! The queue of a lane: who waits, what is under way, and whether somebody leads.

use std::collections::{HashMap, HashSet, VecDeque};

use super::slots::Settled;
use super::unit::Unit;
use crate::record::command::CommandId;
use crate::scope::Scope;

/// Trains of one round.
const ROUND: usize = 256;

#[derive(Default)]
pub struct Queue {
    waiting: VecDeque<Unit>,
    /// Scopes of which something is decided or appended right now.
    busy: HashSet<Scope>,
    is_led: bool,
    settled: Vec<Settled>,
}

/// Who decides a unit that has just come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Somebody leads, or whatever ends what is under way begins to.
    Nobody,
    /// Whoever brings it has to begin to lead.
    Lead,
    /// The same, and nothing else waits or is under way.
    Alone,
}

/// Units that are decided together: those of one aggregate, or one unit with all of its scopes.
pub struct Train {
    pub units: Vec<Unit>,
    pub scopes: Vec<Scope>,
    /// Of its commands.
    ids: HashSet<CommandId>,
}

impl Queue {
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Has a unit wait, and says whether the caller has to begin to lead. Nobody else who waits can be decided now, or
    /// somebody leads.
    pub fn push(&mut self, unit: Unit) -> Begin {
        let begins = !self.is_led && unit.scopes().iter().all(|scope| !self.busy.contains(scope));
        let is_alone = self.waiting.is_empty() && self.busy.is_empty();
        self.waiting.push_back(unit);
        self.is_led |= begins;
        match (begins, is_alone) {
            (false, _) => Begin::Nobody,
            (true, false) => Begin::Lead,
            (true, true) => Begin::Alone,
        }
    }

    /// Those that come again go first, in their order.
    pub fn push_first(&mut self, units: Vec<Unit>) {
        for unit in units.into_iter().rev() {
            self.waiting.push_front(unit);
        }
    }

    pub fn clear(&mut self) -> Vec<Unit> {
        self.waiting.drain(..).collect()
    }

    /// Whether somebody has to begin to lead: then the caller does.
    pub fn begin_to_lead(&mut self) -> bool {
        let begins = !self.is_led && self.has_runnable();
        self.is_led |= begins;
        begins
    }

    pub fn end_lead(&mut self) {
        self.is_led = false;
    }

    pub fn settle(&mut self, settled: Vec<Settled>) {
        self.settled.extend(settled);
    }

    pub fn free(&mut self, scopes: &[Scope]) {
        for scope in scopes {
            self.busy.remove(scope);
        }
    }

    /// Whether anybody waits who could be decided now.
    fn has_runnable(&self) -> bool {
        // As `round` sees it: who waits behind somebody for a scope does not pass them by.
        let mut held: HashSet<&Scope> = HashSet::new();
        self.waiting.iter().any(|unit| {
            let scopes = unit.scopes();
            let is_free = scopes.iter().all(|scope| !self.busy.contains(scope) && !held.contains(&scope));
            held.extend(scopes);
            is_free
        })
    }

    /// What has arrived, and the trains that can go. Commands of one aggregate keep their order.
    pub fn round(&mut self) -> (Vec<Settled>, Vec<Train>) {
        let mut trains: Vec<Train> = Vec::new();
        // The train that further plain commands of a scope may join.
        let mut joined: HashMap<Scope, usize> = HashMap::new();
        let mut held: HashSet<Scope> = HashSet::new();
        let mut left = VecDeque::new();
        for unit in std::mem::take(&mut self.waiting) {
            let scopes = unit.scopes();
            let train = scopes.first().and_then(|own| joined.get(own)).and_then(|index| trains.get_mut(*index));
            if let Some(train) = train.filter(|train| unit.is_plain() && !train.has_id_of(&unit))
                && scopes.iter().all(|scope| !held.contains(scope))
            {
                train.push(unit);
                continue;
            }
            let is_free = |scope: &Scope| !self.busy.contains(scope) && !held.contains(scope);
            if trains.len() < ROUND && scopes.iter().all(is_free) {
                self.busy.extend(scopes.iter().cloned());
                if let (true, Some(own)) = (unit.is_plain(), scopes.first()) {
                    joined.insert(own.clone(), trains.len());
                }
                let mut train = Train { units: Vec::new(), scopes: scopes.to_vec(), ids: HashSet::new() };
                train.push(unit);
                trains.push(train);
            } else {
                held.extend(scopes.iter().cloned());
                left.push_back(unit);
            }
        }
        self.waiting = left;
        (std::mem::take(&mut self.settled), trains)
    }
}

impl Train {
    fn push(&mut self, unit: Unit) {
        self.ids.extend(unit.commands.iter().map(|asked| asked.id));
        self.units.push(unit);
    }

    fn has_id_of(&self, unit: &Unit) -> bool {
        unit.commands.iter().any(|asked| self.ids.contains(&asked.id))
    }
}
