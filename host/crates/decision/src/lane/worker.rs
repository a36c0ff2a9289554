//! The worker of a lane: an instance with its slots. It answers what was decided before, brings states up to date, has
//! commands decided, and makes an append of what was accepted.

use std::collections::HashSet;
use std::sync::Arc;

use kinora_projection::Fault;
use kinora_sandbox::{Category, Commands, Decider, Failure, Outcome as Verdict, Texts};
use kinora_types::{Budget, ExpectedRevision, Progress, Revision};

use super::lookup;
use super::queue::Train;
use super::slots::{Settled, Slots};
use super::track::Track;
use super::train::{Decided, Departed};
use super::unit::{Asked, MadeClaim, Outcome, Unit};
use crate::error::Error;
use crate::rules::Folder;
use crate::scope::{Baseline, Scope};

/// The part of an instance's memory from which on it is begun anew: memory of a guest never shrinks.
const MEMORY_PART: (usize, usize) = (3, 4);

/// An instance that states are loaded into.
pub struct Outlook {
    pub track: Arc<Track>,
    folder: Folder,
    guest: Option<Decider>,
    /// Tells instances apart.
    number: u64,
    pub slots: Slots,
}

/// A state, and up to where it is folded.
pub struct State {
    /// As the guest saves it.
    pub saved: Vec<u8>,
    pub baseline: Baseline,
}

impl Outlook {
    pub fn new(track: Arc<Track>) -> Self {
        let folder = track.rules.folder(track.log.clone(), &Budget::unlimited());
        Self { track, folder, guest: None, number: 0, slots: Slots::default() }
    }

    /// Begins anew; needed after any failure.
    pub fn restart(&mut self) {
        self.folder = self.track.rules.folder(self.track.log.clone(), &Budget::unlimited());
        (self.guest, self.slots) = (None, Slots::default());
    }

    pub fn guest(&mut self) -> Result<&mut Decider, Failure> {
        match &mut self.guest {
            Some(guest) => Ok(guest),
            empty => {
                self.number += 1;
                Ok(empty.insert(self.track.rules.decider.pre.instantiate(&Budget::unlimited())?))
            }
        }
    }

    /// Brings the states of scopes up to date, all of them up to the same event, and gives their slots.
    pub fn prepare(&mut self, scopes: &[Scope], upto: Progress) -> Result<Vec<(u32, Baseline)>, Failure> {
        let prepared = self.fold_all(scopes, upto, usize::MAX);
        match prepared {
            // Whether an event passes must not depend on what it was folded together with.
            Err(failure) if failure.category == Category::Fuel => {
                self.restart();
                self.fold_all(scopes, upto, 1)
            }
            prepared => prepared,
        }
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
                self.guest()?.load(number, &scope.to_guest(), &[])?;
                (number, Baseline::default())
            }
        };
        if self.is_current(scope, from)? {
            let baseline = Baseline { upto, ..from };
            self.slots.put(scope.clone(), number, baseline);
            return Ok((number, baseline));
        }
        self.guest()?;
        let Self { folder, guest, .. } = self;
        let Some(guest) = guest else { return Err(Failure::new(Category::Storage, "there is no instance")) };
        let baseline = folder.read(scope, from, upto, most, |batch| guest.evolve(&vec![number; batch.len()], batch))?;
        self.slots.put(scope.clone(), number, baseline);
        Ok((number, baseline))
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
        let limits = &self.track.limits;
        if self.slots.len() > limits.lane_states {
            let numbers = self.slots.shrink(limits.lane_states - limits.lane_states / 4);
            self.drop_slots(&numbers);
        }
        let (part, whole) = MEMORY_PART;
        let limit = self.track.memory_bytes / whole * part;
        if self.guest.as_ref().is_some_and(|guest| guest.memory_bytes() > limit) {
            self.restart();
        }
    }
}

/// Units of a train that are left to decide, and what came of each.
pub struct Worker {
    outlook: Outlook,
}

impl Worker {
    pub fn new(track: Arc<Track>) -> Self {
        Self { outlook: Outlook::new(track) }
    }

    pub fn settle(&mut self, settled: Vec<Settled>) {
        let outlook = &mut self.outlook;
        for Settled { scope, instance, baseline } in settled {
            if instance != outlook.number {
                continue;
            }
            match (baseline, outlook.slots.get(&scope)) {
                (Some(baseline), Some(slot)) => outlook.slots.put(scope, slot.number, baseline),
                (None, Some(_)) => outlook.forget(&[scope]),
                (_, None) => {}
            }
        }
    }

    pub fn tidy(&mut self) {
        self.outlook.tidy();
    }

    /// Decides a train. What was accepted is to be appended, and some units come again.
    pub fn run(&mut self, train: Train) -> (Option<Departed>, Vec<Unit>) {
        let Train { units, scopes, .. } = train;
        if self.outlook.track.is_closed() {
            superseded(units);
            return (None, Vec::new());
        }
        let units: Vec<Unit> = units.into_iter().filter_map(|unit| self.unless_known(unit)).collect();
        if units.is_empty() {
            return (None, Vec::new());
        }
        let upto = self.outlook.track.log.progress();
        let slots = match self.outlook.prepare(&scopes, upto) {
            Ok(slots) => slots,
            Err(failure) => {
                self.outlook.restart();
                return (None, fail(units, &failure));
            }
        };
        let units: Vec<Unit> = units.into_iter().filter_map(|unit| self.as_expected(unit, &scopes, &slots)).collect();
        let asked: Vec<_> = units.iter().flat_map(|unit| with_slots(unit, &scopes, &slots)).collect();
        if asked.is_empty() {
            return (None, Vec::new());
        }
        let verdicts = match self.outlook.decide(&asked) {
            Ok(verdicts) => verdicts,
            Err(failure) => {
                self.outlook.restart();
                return (None, fail(units, &failure));
            }
        };
        self.judge(units, verdicts, scopes, &slots)
    }

    /// Answers what was decided before.
    fn unless_known(&self, unit: Unit) -> Option<Unit> {
        match lookup::known(&self.outlook.track, &unit) {
            Ok(None) => Some(unit),
            Ok(Some(answers)) => {
                unit.answer(Ok(answers));
                None
            }
            Err(error) => {
                unit.answer(Err(error));
                None
            }
        }
    }

    /// Refuses what expects its aggregate to be elsewhere.
    fn as_expected(&self, unit: Unit, scopes: &[Scope], slots: &[(u32, Baseline)]) -> Option<Unit> {
        let wrong = unit.commands.iter().find_map(|asked| {
            let expected = asked.command.expected?;
            let at = scopes.iter().position(|scope| *scope == asked.scope)?;
            let current = slots.get(at)?.1.revision;
            (!holds(expected, current)).then_some(Error::WrongRevision { expected, current })
        });
        match wrong {
            None => Some(unit),
            Some(error) => {
                unit.answer(Err(error));
                None
            }
        }
    }

    fn judge(
        &mut self,
        units: Vec<Unit>,
        verdicts: Vec<Verdict>,
        scopes: Vec<Scope>,
        slots: &[(u32, Baseline)],
    ) -> (Option<Departed>, Vec<Unit>) {
        let track = Arc::clone(&self.outlook.track);
        let (mut decided, mut again) = (Vec::new(), Vec::new());
        let mut verdicts = verdicts.into_iter();
        let (mut is_spoiled, mut is_refused) = (false, false);
        for unit in units {
            let of_unit: Vec<Verdict> = verdicts.by_ref().take(unit.commands.len()).collect();
            if is_refused {
                // It was decided on what will never be there.
                again.push(unit);
                continue;
            }
            match judged(&track, unit, of_unit) {
                Judged::Decided(one) => {
                    is_spoiled |= one.unit.dry_run && one.has_events();
                    decided.push(one);
                }
                Judged::Again(unit) => {
                    // Those of its commands that were accepted are decided again, too.
                    is_spoiled |= unit.commands.len() > 1;
                    again.push(unit);
                }
                Judged::Refused { unit, error } => {
                    (is_spoiled, is_refused) = (true, true);
                    unit.answer(Err(error));
                }
            }
        }
        if gives_up_what_it_took(&decided) {
            self.outlook.forget(&scopes);
            let mut alone: Vec<Unit> = decided.into_iter().map(|one| one.unit).collect();
            alone.iter_mut().for_each(|unit| unit.alone = true);
            alone.extend(again);
            return (None, alone);
        }
        if is_spoiled {
            // Its states are those of events that will never be there.
            self.outlook.forget(&scopes);
        }
        let has_events = decided.iter().any(|one| one.has_events() && !one.unit.dry_run);
        let baselines: Vec<_> = slots.iter().map(|(_, baseline)| *baseline).collect();
        if !has_events && track.is_closed() {
            // What is not appended is checked by nobody else.
            superseded(decided.into_iter().map(|one| one.unit));
            return (None, again);
        }
        if !has_events {
            let scopes: Vec<_> = scopes.into_iter().zip(baselines).collect();
            decided.into_iter().for_each(|one| one.answer(&scopes));
            return (None, again);
        }
        let scopes = scopes.into_iter().zip(baselines).collect();
        (Some(Departed::new(&track, decided, scopes, self.outlook.number)), again)
    }
}

/// Sends everybody to the version that decides now.
fn superseded(units: impl IntoIterator<Item = Unit>) {
    units.into_iter().for_each(|unit| unit.answer(Err(Error::Superseded)));
}

/// Whether a unit gives up what one before it takes: an append releases first, so it cannot say both.
fn gives_up_what_it_took(decided: &[Decided]) -> bool {
    let mut taken = HashSet::new();
    let crosses = |made: &MadeClaim| {
        if !made.is_released {
            taken.insert(made.claim.key.clone());
        }
        made.is_released && taken.contains(&made.claim.key)
    };
    decided.len() > 1 && decided.iter().flat_map(|one| &one.unit.claims).any(crosses)
}

enum Judged {
    Decided(Decided),
    /// It wants to see more.
    Again(Unit),
    /// Nothing of it stands.
    Refused {
        unit: Unit,
        error: Error,
    },
}

/// What the verdicts on its commands mean for a unit.
fn judged(track: &Track, mut unit: Unit, verdicts: Vec<Verdict>) -> Judged {
    let is_single = unit.commands.len() == 1;
    // It may have been decided before.
    unit.claims.clear();
    let mut outcomes = Vec::new();
    for (index, (asked, verdict)) in unit.commands.iter().zip(verdicts).enumerate() {
        outcomes.push(match verdict {
            Verdict::Unchanged => Outcome::Unchanged,
            Verdict::Rejected(rejection) if is_single => Outcome::Rejected(rejection),
            Verdict::Rejected(rejection) => {
                return Judged::Refused { unit, error: Error::RejectedTogether { index, rejection } };
            }
            Verdict::Accepted(emitted) => match super::train::events(track, asked, emitted) {
                Ok((events, claims)) => {
                    unit.claims.extend(claims.into_iter().map(|made| MadeClaim { command: index, ..made }));
                    Outcome::Accepted { events, duplicate: false }
                }
                Err(failure) => return Judged::Refused { unit, error: faulted(&failure) },
            },
            Verdict::Wants(wanted) => return wants(track, unit, wanted),
        });
    }
    Judged::Decided(Decided { unit, outcomes })
}

fn wants(track: &Track, mut unit: Unit, wanted: Vec<kinora_sandbox::Scope>) -> Judged {
    let known = unit.scopes();
    for scope in wanted {
        match Scope::wanted(scope) {
            Ok(scope) if known.contains(&scope) || unit.wants.contains(&scope) => {}
            Ok(scope) => unit.wants.push(scope),
            Err(cause) => {
                let failure = Failure::new(Category::Rule, format!("a command wants to see what cannot be: {cause}"));
                return Judged::Refused { unit, error: faulted(&failure) };
            }
        }
    }
    let now = unit.scopes().len();
    if now == known.len() || now > track.limits.scopes {
        let limit = track.limits.scopes;
        let failure = match now == known.len() {
            true => Failure::new(Category::Rule, "a command wants to see what it was given"),
            false => Failure::new(Category::Rule, format!("a command wants to see {now} scopes, the limit is {limit}")),
        };
        return Judged::Refused { unit, error: faulted(&failure) };
    }
    Judged::Again(unit)
}

/// The commands of a unit with the slots that each may look at, its own first.
fn with_slots<'a>(unit: &'a Unit, scopes: &[Scope], slots: &[(u32, Baseline)]) -> Vec<(&'a Asked, Vec<u32>)> {
    let of_unit = unit.scopes();
    let number = |scope: &Scope| {
        let at = scopes.iter().position(|known| known == scope)?;
        slots.get(at).map(|(number, _)| *number)
    };
    let all: Vec<u32> = of_unit.iter().filter_map(number).collect();
    let with = |asked: &'a Asked| {
        let own = number(&asked.scope);
        let mut of_command: Vec<u32> = own.into_iter().collect();
        of_command.extend(all.iter().filter(|number| Some(**number) != own));
        (asked, of_command)
    };
    unit.commands.iter().map(with).collect()
}

/// Several are tried one by one, to know which of them it is.
fn fail(units: Vec<Unit>, failure: &Failure) -> Vec<Unit> {
    let is_one = units.len() == 1;
    let mut again = Vec::new();
    for mut unit in units {
        if is_one {
            unit.answer(Err(faulted(failure)));
        } else {
            unit.alone = true;
            again.push(unit);
        }
    }
    again
}

pub fn faulted(failure: &Failure) -> Error {
    Error::Faulted(Box::new(Fault::new(failure, None)))
}

fn storage(cause: &kinora_log::Error) -> Failure {
    Failure::new(Category::Storage, cause.to_string())
}

fn holds(expected: ExpectedRevision, current: Option<Revision>) -> bool {
    match expected {
        ExpectedRevision::Any => true,
        ExpectedRevision::NoStream => current.is_none(),
        ExpectedRevision::Exists => current.is_some(),
        ExpectedRevision::Exactly(revision) => current == Some(revision),
    }
}
