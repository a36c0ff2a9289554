//! The worker of a lane: an instance with its slots. It answers what was decided before, brings states up to date, has
//! commands decided, and makes an append of what was accepted.

use std::collections::HashSet;
use std::sync::Arc;

use kinora_sandbox::{Category, Failure, Outcome as Verdict};
use kinora_types::{ExpectedRevision, Revision};

use super::lookup;
use super::lookup::Sought;
use super::outlook::{Kept, Outlook, faulted};
use super::queue::Train;
use super::slots::Settled;
use super::track::Track;
use super::train::{Decided, Departed};
use super::unit::{Asked, MadeClaim, Outcome, Unit};
use crate::error::Error;
use crate::scope::{Baseline, Scope};
use crate::snapshots::Snapshot;

/// Units of a train that are left to decide, and what came of each.
pub struct Worker {
    outlook: Outlook,
}

impl Worker {
    pub fn new(track: Arc<Track>) -> Self {
        let (budget, snapshots) = (track.budget.clone(), track.snapshots.clone());
        let from_events = track.limits.snapshot_events;
        let kept = Kept { snapshots, from_events, when_let_go: false, to_check: Vec::new() };
        Self { outlook: Outlook::new(track, &budget, Some(kept)) }
    }

    pub fn settle(&mut self, settled: Vec<Settled>) {
        let outlook = &mut self.outlook;
        for Settled { scope, instance, baseline } in settled {
            if instance != outlook.number {
                continue;
            }
            match baseline {
                Some(baseline) => outlook.settle(&scope, baseline),
                None if outlook.slots.get(&scope).is_some() => {
                    outlook.forget(std::slice::from_ref(&scope));
                    outlook.slots.contest(scope);
                }
                None => {}
            }
        }
    }

    pub fn tidy(&mut self) {
        self.outlook.tidy();
    }

    /// Snapshots that were used and are to be checked.
    pub fn take_checks(&mut self) -> Vec<(Scope, Snapshot)> {
        self.outlook.take_checks()
    }

    /// Decides a train. What was accepted is to be appended, and some units come again.
    pub fn run(&mut self, train: Train) -> (Option<Departed>, Vec<Unit>) {
        let Train { units, scopes, .. } = train;
        if self.outlook.track.is_closed() {
            superseded(units);
            return (None, Vec::new());
        }
        self.outlook.forget_what_is_wrong();
        let units: Vec<Unit> = units.into_iter().filter_map(|unit| self.unless_known(unit)).collect();
        if units.is_empty() {
            return (None, Vec::new());
        }
        let upto = self.outlook.track.log.progress();
        // What expects something of an aggregate is told where that is, and what has failed before is not tried again
        // on the same states.
        let trusts = |unit: &Unit| unit.attempts == 0 && !unit.dry_run && unit.commands.iter().all(expects_nothing);
        let prepared = match units.iter().all(trusts) {
            true => self.outlook.recall(&scopes, upto),
            false => self.outlook.prepare(&scopes, upto).map(|slots| (slots, false)),
        };
        let (slots, are_recalled) = match prepared {
            Ok(prepared) => prepared,
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
                let is_stale = are_recalled && self.are_stale(&scopes);
                self.outlook.restart();
                return (None, if is_stale { begun_in_vain(units) } else { fail(units, &failure) });
            }
        };
        self.judge(units, verdicts, scopes, Prepared { slots, are_recalled })
    }

    /// Answers what was decided before.
    fn unless_known(&self, unit: Unit) -> Option<Unit> {
        if unit.commands.iter().all(|asked| asked.command.key.is_none()) {
            return Some(unit);
        }
        let sought: Vec<_> = unit.commands.iter().map(Sought::from).collect();
        match lookup::known(&self.outlook.track, &sought) {
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
            match self.outlook.track.revision(&asked.scope, slots.get(at)?.1) {
                Ok(current) => (!holds(expected, current)).then_some(Error::WrongRevision { expected, current }),
                Err(error) => Some(error),
            }
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
        prepared: Prepared,
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
                    match prepared.are_recalled && self.are_stale(&scopes) {
                        true => again.push(unit.begun_in_vain()),
                        false => unit.answer(Err(error)),
                    }
                }
            }
        }
        if gives_up_what_it_took(decided.iter().flat_map(|one| &one.unit.claims)).is_some() {
            // Each by itself says it in an append of its own.
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
        if !has_events {
            // In their order: these were before those that come again anyway.
            let mut all = self.answer(decided, &scopes, prepared, is_spoiled);
            all.extend(again);
            return (None, all);
        }
        let scopes = scopes.into_iter().zip(baselines(&prepared.slots)).collect();
        match Departed::new(&track, decided, scopes, self.outlook.number) {
            Ok(departed) => (Some(departed), again),
            Err((decided, failure)) => {
                self.outlook.restart();
                decided.into_iter().for_each(|one| one.unit.answer(Err(faulted(&failure))));
                (None, again)
            }
        }
    }

    /// Answers what is not appended, so that nobody else checks it: only if it was decided on all that there is. Those
    /// that were not come again.
    fn answer(&mut self, decided: Vec<Decided>, scopes: &[Scope], prepared: Prepared, is_spoiled: bool) -> Vec<Unit> {
        let units = |decided: Vec<Decided>| decided.into_iter().map(|one| one.unit).collect::<Vec<_>>();
        if decided.is_empty() {
            return Vec::new();
        }
        if self.outlook.track.is_closed() {
            superseded(units(decided));
            return Vec::new();
        }
        let at = match prepared.are_recalled {
            false => Ok(Some(prepared.slots)),
            // Nobody knows any more what they were.
            true if is_spoiled => Ok(None),
            true => self.outlook.if_current(scopes),
        };
        match at {
            Ok(Some(slots)) => {
                let at: Vec<_> = scopes.iter().cloned().zip(baselines(&slots)).collect();
                // All of them are up to date at the same event.
                let upto = at.iter().map(|(_, baseline)| baseline.upto).max().unwrap_or_default();
                for one in decided {
                    one.note_rejections(&self.outlook.track, upto);
                    one.answer(&at);
                }
                Vec::new()
            }
            Ok(None) => begun_in_vain(units(decided)),
            Err(failure) => {
                self.outlook.restart();
                fail(units(decided), &failure)
            }
        }
    }

    /// Whether there are events that states lack which were taken as they are.
    fn are_stale(&mut self, scopes: &[Scope]) -> bool {
        !matches!(self.outlook.if_current(scopes), Ok(Some(_)))
    }
}

fn baselines(slots: &[(u32, Baseline)]) -> Vec<Baseline> {
    slots.iter().map(|(_, baseline)| *baseline).collect()
}

fn begun_in_vain(units: Vec<Unit>) -> Vec<Unit> {
    units.into_iter().map(Unit::begun_in_vain).collect()
}

/// Sends everybody to the version that decides now.
fn superseded(units: impl IntoIterator<Item = Unit>) {
    units.into_iter().for_each(|unit| unit.answer(Err(Error::Superseded)));
}

/// Whether a claim is given up that was taken before: an append releases first, so it cannot say both.
fn gives_up_what_it_took<'a>(claims: impl IntoIterator<Item = &'a MadeClaim>) -> Option<&'a MadeClaim> {
    let mut taken = HashSet::new();
    claims.into_iter().find(|made| {
        if !made.is_released {
            taken.insert(&made.claim.key);
        }
        made.is_released && taken.contains(&made.claim.key)
    })
}

/// States that commands are decided on.
struct Prepared {
    slots: Vec<(u32, Baseline)>,
    /// Whether any of them may be behind the log.
    are_recalled: bool,
}

fn expects_nothing(asked: &Asked) -> bool {
    asked.command.expected.is_none()
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
                Ok((events, _)) if events.iter().any(|event| track.is_anothers(&event.stream)) => {
                    let why = "it would append to a stream that another decider owns".to_owned();
                    return Judged::Refused { unit, error: faulted(&Failure::new(Category::Rule, why)) };
                }
                Ok((events, claims)) => {
                    unit.claims.extend(claims.into_iter().map(|made| MadeClaim { command: index, ..made }));
                    Outcome::Accepted { events, duplicate: false }
                }
                Err(failure) => return Judged::Refused { unit, error: faulted(&failure) },
            },
            Verdict::Wants(wanted) => return wants(track, unit, wanted),
        });
    }
    if let Some(made) = gives_up_what_it_took(&unit.claims) {
        let key = &made.claim.key;
        let why = format!("{:?} of {} is taken and given up at once, so it would stand or not", key.value, key.scope);
        return Judged::Refused { unit, error: faulted(&Failure::new(Category::Rule, why)) };
    }
    Judged::Decided(Decided { unit, outcomes })
}

fn wants(track: &Track, mut unit: Unit, wanted: Vec<kinora_sandbox::Scope>) -> Judged {
    let known = unit.scopes().len();
    for scope in wanted {
        match Scope::wanted(scope) {
            Ok(scope) => unit.want(scope),
            Err(cause) => {
                let failure = Failure::new(Category::Rule, format!("a command wants to see what cannot be: {cause}"));
                return Judged::Refused { unit, error: faulted(&failure) };
            }
        }
    }
    let now = unit.scopes().len();
    if now == known || now > track.limits.scopes {
        let limit = track.limits.scopes;
        let failure = match now == known {
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

fn holds(expected: ExpectedRevision, current: Option<Revision>) -> bool {
    match expected {
        ExpectedRevision::Any => true,
        ExpectedRevision::NoStream => current.is_none(),
        ExpectedRevision::Exists => current.is_some(),
        ExpectedRevision::Exactly(revision) => current == Some(revision),
    }
}
