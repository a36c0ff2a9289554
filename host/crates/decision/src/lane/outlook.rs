//! An outlook: an instance with the states that it holds, each brought up to date before anything is decided on it.

use std::sync::Arc;

use kinora_projection::Fault;
use kinora_sandbox::{Category, Commands, Decider, Failure, Outcome as Verdict, Texts};
use kinora_types::{Budget, Progress};

use super::slots::{Slot, Slots};
use super::track::Track;
use super::unit::Asked;
use crate::error::Error;
use crate::rules::Folder;
use crate::scope::{Baseline, Scope};
use crate::snapshots::{Snapshot, Snapshots};

/// The part of an instance's memory from which on it is begun anew: memory of a guest never shrinks.
const MEMORY_PART: (usize, usize) = (3, 4);

/// Events of the log behind which a state by tags is not taken as it is.
const FAR: u64 = 65_536;

/// An instance that states are loaded into.
pub struct Outlook {
    pub track: Arc<Track>,
    budget: Budget,
    folder: Folder,
    guest: Option<Decider>,
    /// Tells instances apart.
    pub number: u64,
    pub slots: Slots,
    kept: Option<Kept>,
    /// Whether a snapshot could not be loaded: then the instance is in an unknown state.
    is_misled: bool,
    /// Events that were folded.
    folded: u64,
}

/// Snapshots that are loaded, and which states become some.
pub struct Kept {
    pub snapshots: Snapshots,
    /// Events that a state has folded since it was loaded or saved, from which on it is saved.
    pub from_events: u64,
    /// Whether each state is saved before it is let go of, however few they were. None of them may be ahead of its
    /// baseline then.
    pub when_let_go: bool,
    /// Those that were used and are to be checked.
    pub to_check: Vec<(Scope, Snapshot)>,
}

/// A state, and up to where it is folded.
pub struct State {
    /// As the guest saves it.
    pub saved: Vec<u8>,
    pub baseline: Baseline,
}

impl Outlook {
    /// `kept`: `None`, if everything is folded from the first event on.
    pub fn new(track: Arc<Track>, budget: &Budget, kept: Option<Kept>) -> Self {
        let folder = track.rules.folder(track.log.clone(), budget);
        let (budget, slots) = (budget.clone(), Slots::default());
        Self { track, budget, folder, guest: None, number: 0, slots, kept, is_misled: false, folded: 0 }
    }

    /// Begins anew; needed after any failure.
    pub fn restart(&mut self) {
        self.folder = self.track.rules.folder(self.track.log.clone(), &self.budget);
        (self.guest, self.slots) = (None, Slots::default());
    }

    pub fn guest(&mut self) -> Result<&mut Decider, Failure> {
        match &mut self.guest {
            Some(guest) => Ok(guest),
            empty => {
                self.number += 1;
                Ok(empty.insert(self.track.rules.decider.pre.instantiate(&self.budget)?))
            }
        }
    }

    /// Brings the states of scopes up to date, all of them up to the same event, and gives their slots.
    pub fn prepare(&mut self, scopes: &[Scope], upto: Progress) -> Result<Vec<(u32, Baseline)>, Failure> {
        let mut most = usize::MAX;
        loop {
            match self.fold_all(scopes, upto, most) {
                // Once: no snapshot is used by this outlook after that.
                Err(failure) if std::mem::take(&mut self.is_misled) => {
                    tracing::warn!(decider = self.track.decider, %failure, "states are folded without snapshots");
                    self.fold_everything();
                }
                // Whether an event passes must not depend on what it was folded together with.
                Err(failure) if failure.category == Category::Fuel && most > 1 => {
                    self.restart();
                    most = 1;
                }
                prepared => return prepared,
            }
        }
    }

    /// Begins anew, without snapshots.
    fn fold_everything(&mut self) {
        self.kept = None;
        self.restart();
    }

    /// Forgets all states if a snapshot was found wrong: they may rest on it.
    pub fn forget_what_is_wrong(&mut self) {
        if self.kept.as_ref().is_some_and(|kept| !kept.snapshots.are_trusted()) {
            self.fold_everything();
        }
    }

    /// The same, but states that are known are taken as they are: an append on them is refused if that is wrong. Those
    /// of more than one list of tags have to be up to date at the same event, and what others have changed lately may
    /// have been changed again: they are looked at.
    ///
    /// Says whether any was taken as it is.
    pub fn recall(&mut self, scopes: &[Scope], upto: Progress) -> Result<(Vec<(u32, Baseline)>, bool), Failure> {
        let is_far = |at: Baseline| upto.0.saturating_sub(at.upto.0) > FAR;
        let known = |scope: &Scope| {
            let slot = self.slots.get_settled(scope)?;
            // The log would have to look through all that has come since.
            let is_dear = matches!(scope, Scope::Tags(_)) && is_far(slot.baseline);
            (!is_dear).then_some((slot.number, slot.baseline))
        };
        let by_tags = scopes.iter().filter(|scope| matches!(scope, Scope::Tags(_))).count();
        let all = if by_tags > 1 { None } else { scopes.iter().map(known).collect::<Option<Vec<_>>>() };
        match all {
            Some(all) => Ok((all, true)),
            None => self.prepare(scopes, upto).map(|slots| (slots, false)),
        }
    }

    /// Where states are now that were taken as they are, if they had all events. They are brought up to date.
    pub fn if_current(&mut self, scopes: &[Scope]) -> Result<Option<Vec<(u32, Baseline)>>, Failure> {
        let before = self.folded;
        let now = self.prepare(scopes, self.track.log.progress())?;
        Ok((self.folded == before).then_some(now))
    }

    /// Whether the state of a scope has all events up to there, and maybe more.
    pub fn has_folded(&mut self, scope: &Scope, upto: Progress) -> bool {
        self.slots.get(scope).is_some_and(|slot| slot.baseline.upto >= upto)
    }

    fn fold_all(&mut self, scopes: &[Scope], upto: Progress, most: usize) -> Result<Vec<(u32, Baseline)>, Failure> {
        scopes.iter().map(|scope| self.fold(scope, upto, most)).collect()
    }

    fn fold(&mut self, scope: &Scope, upto: Progress, most: usize) -> Result<(u32, Baseline), Failure> {
        let known = self.slots.get(scope).filter(|slot| slot.baseline.upto <= upto);
        let (number, from) = match known {
            Some(slot) => (slot.number, slot.baseline),
            None => {
                self.slots.remove(scope);
                let number = self.slots.take();
                (number, self.load(scope, number, upto)?)
            }
        };
        if from.upto == upto || self.is_current(scope, from)? {
            let baseline = Baseline { upto, ..from };
            self.slots.put(scope.clone(), number, baseline, 0);
            return Ok((number, baseline));
        }
        self.guest()?;
        let Self { folder, guest, .. } = self;
        let Some(guest) = guest else { return Err(Failure::new(Category::Storage, "there is no instance")) };
        let mut folded = 0;
        let baseline = folder.read(scope, from, upto, most, |batch| {
            folded += batch.len() as u64;
            guest.evolve(&vec![number; batch.len()], batch)
        })?;
        self.folded += folded;
        self.slots.put(scope.clone(), number, baseline, folded);
        if let Err(failure) = self.keep_if_long(scope) {
            // Its instance may be gone, and with it the states of the scopes before this one.
            self.is_misled = true;
            return Err(failure);
        }
        Ok((number, baseline))
    }

    /// Loads the state of a scope from its snapshot, or an empty one, and says up to where it is folded.
    fn load(&mut self, scope: &Scope, number: u32, upto: Progress) -> Result<Baseline, Failure> {
        let snapshot = self.kept.as_ref().and_then(|kept| kept.snapshots.get(scope));
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.baseline.upto <= upto) else {
            self.guest()?.load(number, &scope.to_guest(), &[])?;
            return Ok(Baseline::default());
        };
        let loaded = self.guest()?.load(number, &scope.to_guest(), &snapshot.saved);
        let baseline = snapshot.baseline;
        let Some(kept) = &mut self.kept else { return Ok(baseline) };
        if let Err(failure) = loaded {
            // Where nobody waits any more, nothing is wrong with it.
            if !matches!(failure.category, Category::Cancelled | Category::Time) {
                self.is_misled = true;
                kept.snapshots.refuse(scope);
            }
            return Err(failure);
        }
        if kept.snapshots.used() && kept.to_check.is_empty() {
            kept.to_check.push((scope.clone(), snapshot));
        }
        Ok(baseline)
    }

    /// Keeps a state as a snapshot, if to fold it took long. It must be at its baseline.
    ///
    /// # Errors
    /// It cannot be saved: the instance is in an unknown state.
    fn keep_if_long(&mut self, scope: &Scope) -> Result<(), Failure> {
        let from_events = self.kept.as_ref().map_or(u64::MAX, |kept| kept.from_events);
        match self.slots.get(scope).filter(|slot| slot.unsaved >= from_events) {
            Some(slot) => self.keep(scope, slot),
            None => Ok(()),
        }
    }

    fn keep(&mut self, scope: &Scope, slot: Slot) -> Result<(), Failure> {
        let Some(snapshots) = self.kept.as_ref().map(|kept| kept.snapshots.clone()) else { return Ok(()) };
        let saved = self.guest()?.save(slot.number)?;
        snapshots.put(scope, &Snapshot { saved, baseline: slot.baseline });
        self.slots.saved(scope);
        Ok(())
    }

    /// Notes where the state of a scope is after an append, and keeps it if to fold it took long.
    pub fn settle(&mut self, scope: &Scope, baseline: Baseline) {
        let Some(slot) = self.slots.get(scope) else { return };
        self.slots.put(scope.clone(), slot.number, baseline, baseline.events_since(slot.baseline));
        if let Err(failure) = self.keep_if_long(scope) {
            tracing::warn!(decider = self.track.decider, %scope, %failure, "a state cannot be saved");
            self.fold_everything();
        }
    }

    /// Those that were used and are to be checked.
    pub fn take_checks(&mut self) -> Vec<(Scope, Snapshot)> {
        self.kept.as_mut().map(|kept| std::mem::take(&mut kept.to_check)).unwrap_or_default()
    }

    /// Whether a stream has no events behind a baseline; cheap, and mostly so.
    fn is_current(&self, scope: &Scope, at: Baseline) -> Result<bool, Failure> {
        let Scope::Stream(stream) = scope else { return Ok(false) };
        let head = self.track.log.stream_head(stream).map_err(|cause| storage(&cause))?;
        Ok(head == at.revision)
    }

    /// The state of a scope after so many events of the log.
    pub fn state(&mut self, scope: &Scope, upto: Progress) -> Result<State, Error> {
        let slots = self.prepare(std::slice::from_ref(scope), upto);
        slots.and_then(|slots| self.saved(&slots)).map_err(|failure| faulted(&failure))
    }

    /// The same, with its events folded one by one, from the first on.
    pub fn state_one_by_one(&mut self, scope: &Scope, upto: Progress) -> Result<State, Error> {
        self.forget(std::slice::from_ref(scope));
        let slots = self.fold_all(std::slice::from_ref(scope), upto, 1);
        slots.and_then(|slots| self.saved(&slots)).map_err(|failure| faulted(&failure))
    }

    /// The state in the first of these slots.
    fn saved(&mut self, slots: &[(u32, Baseline)]) -> Result<State, Failure> {
        let (number, baseline) = slots.first().copied().unwrap_or_default();
        Ok(State { saved: self.guest()?.save(number)?, baseline })
    }

    /// What is saved of a state that was loaded.
    pub fn reloaded(&mut self, scope: &Scope, saved: &[u8]) -> Result<Vec<u8>, Error> {
        let number = self.slots.take();
        let guest = self.guest().map_err(|failure| faulted(&failure))?;
        let again = guest.load(number, &scope.to_guest(), saved).and_then(|()| guest.save(number));
        let again = again.map_err(|failure| faulted(&failure))?;
        self.drop_slots(&[number]);
        Ok(again)
    }

    /// Has commands decided that may look at these slots.
    pub fn decide(&mut self, asked: &[(&Asked, Vec<u32>)]) -> Result<Vec<Verdict>, Failure> {
        let mut commands = Commands {
            kinds: Vec::new(),
            ids: Texts::default(),
            times: Vec::new(),
            seeds: Vec::new(),
            payloads: Texts::default(),
            slot_ends: Vec::new(),
            slots: Vec::new(),
        };
        for (asked, slots) in asked {
            commands.kinds.push(asked.kind);
            let add = |column: &mut Texts, text: &str| {
                column.push(text.as_bytes()).map_err(|cause| Failure::new(Category::Rule, cause.to_string()))
            };
            add(&mut commands.ids, &asked.command.aggregate)?;
            add(&mut commands.payloads, asked.command.data.get())?;
            commands.times.push(asked.command.time.0);
            commands.seeds.push(asked.id.seed());
            commands.slots.extend_from_slice(slots);
            commands.slot_ends.push(u32::try_from(commands.slots.len()).unwrap_or(u32::MAX));
        }
        let track = Arc::clone(&self.track);
        self.guest()?.decide(&commands, &track.rules.decider.manifest)
    }

    /// Forgets states that are not those of any point of the log.
    pub fn forget(&mut self, scopes: &[Scope]) {
        let numbers: Vec<u32> = scopes.iter().filter_map(|scope| self.slots.remove(scope)).collect();
        self.drop_slots(&numbers);
    }

    fn drop_slots(&mut self, numbers: &[u32]) {
        let dropped = match &mut self.guest {
            Some(guest) if !numbers.is_empty() => guest.drop_slots(numbers),
            _ => Ok(()),
        };
        if let Err(failure) = dropped {
            tracing::warn!(decider = self.track.decider, %failure, "the instance is begun anew");
            self.restart();
        }
    }

    /// Lets go of states, once they are too many or too large.
    pub fn tidy(&mut self) {
        let most = self.track.limits.lane_states;
        if self.slots.len() > most {
            let old = self.slots.oldest(most - most / 4);
            self.keep_before_they_go(&old);
            self.forget(&old);
        }
        let (part, whole) = MEMORY_PART;
        let limit = self.track.memory_bytes / whole * part;
        if self.guest.as_ref().is_some_and(|guest| guest.memory_bytes() > limit) {
            self.keep_before_they_go(&self.slots.oldest(0));
            self.restart();
        }
    }

    fn keep_before_they_go(&mut self, scopes: &[Scope]) {
        if !self.kept.as_ref().is_some_and(|kept| kept.when_let_go) {
            return;
        }
        for scope in scopes {
            let Some(slot) = self.slots.get(scope).filter(|slot| slot.unsaved > 0) else { continue };
            if let Err(failure) = self.keep(scope, slot) {
                tracing::warn!(decider = self.track.decider, %scope, %failure, "a state cannot be saved");
                return self.fold_everything();
            }
        }
    }
}

/// What a failure of the decider means for whoever waits.
pub fn faulted(failure: &Failure) -> Error {
    if failure.category == Category::Cancelled {
        return Error::Ends;
    }
    Error::Faulted(Box::new(Fault::new(failure, None)))
}

fn storage(cause: &kinora_log::Error) -> Failure {
    Failure::new(Category::Storage, cause.to_string())
}
