//! The continuation of another version: a mended one goes on where that stopped, instead of replaying, on a copy of its
//! rows, if the two projectors give the same rows for what has been applied already.
//!
//! That is decided as determinism is: on a sample of history. `verify` does it for all of history, at any time later.

use std::collections::BTreeSet;
use std::sync::Arc;

use kinora_readmodel::first_difference;
use kinora_sandbox::Failure;
use kinora_types::{Budget, Exhausted, Position};

use crate::error::Error;
use crate::record::continuation::Continued;
use crate::record::pace::REFERENCE;
use crate::record::version::{Skipped, VersionRecord};
use crate::registry::Registry;
use crate::registry::version::Version;
use crate::trial::cast::Cast;
use crate::trial::casts::Casts;
use crate::trial::events::Events;
use crate::trial::proof::{reference, unwatched};
use crate::trial::rehearsal::{Interrupted, Rehearsal};
use crate::trial::sample::sample;

/// Why a version cannot go on with the rows of another one.
enum Refusal {
    Unsound(String),
    Failed(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Lets versions go on with the rows of others.
pub struct Continuation {
    pub registry: Arc<Registry>,
    pub casts: Casts,
}

impl Continuation {
    /// Takes over the rows of another version if that is sound, and remembers what became of it.
    /// Ends early with the budget.
    pub fn decide(&self, version: &Version, from: u32, budget: &Budget) -> Result<VersionRecord, Failure> {
        let continued = self.take_over(version, from, budget)?;
        let (name, number) = (version.projection.as_str(), version.number);
        tracing::info!(projection = name, version = number, ?continued, "continuation decided");
        let decided = self.registry.change(name, |projection, _| {
            let other = projection.versions.get(&from).cloned().filter(|_| continued.why_not.is_none());
            let record = projection.versions.get_mut(&number);
            let record = record.ok_or_else(|| Error::UnknownProjection { name: name.to_owned() })?;
            record.skipped = inherited(record, other.as_ref());
            record.continued = Some(continued);
            Ok(record.clone())
        });
        decided.map_err(Failure::storage)
    }

    /// Takes over the rows of version `from`, or says why not. Blocks.
    fn take_over(&self, version: &Version, from: u32, budget: &Budget) -> Result<Continued, Failure> {
        match self.try_to_take_over(version, from, budget) {
            Ok(continued) => Ok(continued),
            Err(Refusal::Unsound(why)) => Ok(Continued { from, position: None, compared: 0, why_not: Some(why) }),
            Err(Refusal::Failed(failure)) => Err(failure),
        }
    }

    fn try_to_take_over(&self, version: &Version, from: u32, budget: &Budget) -> Result<Continued, Refusal> {
        let unsound = |why: String| Refusal::Unsound(why);
        let (name, number) = (version.projection.as_str(), version.number);
        let other = self.registry.version(name, Some(from)).map_err(|error| unsound(error.to_string()))?;
        let store = other.store().ok_or_else(|| unsound(format!("version {from} has no rows")))?;
        let cast = |number| self.casts.of(name, number, budget).map_err(|error| unsound(error.to_string()));
        let (old, new) = (cast(from)?, cast(number)?);
        check_shape(&old, &new, from)?;
        let checkpoint = store.checkpoint().map_err(Failure::storage)?;
        let compared = compare(&old, &new, checkpoint.next())?;
        if version.store().is_none() {
            // A crash may have come between the copy and the catalog.
            let _ = std::fs::remove_dir_all(version.dir());
        }
        store.copy_to(version.dir()).map_err(Failure::storage)?;
        Ok(Continued { from, position: checkpoint.last().map(|last| last.0), compared, why_not: None })
    }
}

/// Rows can only be taken over into the same tables, and upcasters are part of what made them.
fn check_shape(old: &Cast, new: &Cast, from: u32) -> Result<(), Refusal> {
    if old.from != new.from {
        return Err(Refusal::Unsound(format!("it does not begin where version {from} does")));
    }
    if old.modules.projector.manifest.tables != new.modules.projector.manifest.tables {
        return Err(Refusal::Unsound(format!("its tables and indexes are not those of version {from}")));
    }
    let upcasters = |cast: &Cast| cast.modules.upcasters.iter().map(|module| module.digest).collect::<Vec<_>>();
    if upcasters(old) != upcasters(new) {
        return Err(Refusal::Unsound(format!("its upcasters are not those of version {from}")));
    }
    Ok(())
}

/// Compares the two projectors on a sample of what comes before `end`.
fn compare(old: &Cast, new: &Cast, end: Position) -> Result<u64, Refusal> {
    let sampled = |cast: &Cast| sample(&cast.log, &cast.routes, cast.from).map_err(Failure::storage);
    let both: BTreeSet<u64> = sampled(old)?.into_iter().chain(sampled(new)?).collect();
    let taken = |position: &u64| *position < end.0 && !old.routes.skips(Position(*position));
    let positions = both.into_iter().filter(taken).collect();
    let stopped = |interrupted| match interrupted {
        Interrupted::Failed(failure) => Refusal::Failed(failure),
        Interrupted::Cancelled => Refusal::Failed(Failure::exhausted(Exhausted::Cancelled)),
    };
    let (applied, events, _) = reference(old, positions, &mut unwatched).map_err(stopped)?;
    let mut mended = Rehearsal::new(new, REFERENCE)?;
    match mended.run(&events, events.end(), &mut unwatched) {
        Ok(()) => {}
        Err(Interrupted::Failed(failure)) if failure.position.is_some() => {
            let position = failure.position.map_or(0, |position| position.0);
            return Err(Refusal::Unsound(format!("it cannot handle event {position}: {failure}")));
        }
        Err(interrupted) => return Err(stopped(interrupted)),
    }
    let row =
        first_difference(&applied.snapshot()?, &mended.snapshot()?, &Budget::unlimited()).map_err(Failure::storage)?;
    match row {
        None => Ok(Events::count(&events)),
        Some(row) => Err(Refusal::Unsound(format!(
            "it gives other rows for events that have been applied already: row {:?} of table {:?}",
            row.key, row.table
        ))),
    }
}

/// The events that a version passes over because the one whose rows it has taken over did.
fn inherited(record: &VersionRecord, other: Option<&VersionRecord>) -> Vec<Skipped> {
    let mut skipped = record.skipped.clone();
    let theirs = other.map(|other| other.skipped.as_slice()).unwrap_or_default();
    skipped.extend(
        theirs.iter().filter(|theirs| record.skipped.iter().all(|own| own.position != theirs.position)).cloned(),
    );
    skipped.sort_by_key(|skipped| skipped.position);
    skipped
}
