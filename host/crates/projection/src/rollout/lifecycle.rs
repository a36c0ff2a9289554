//! The lifecycle of versions: what can be done with one besides making it live: pause, resume, retry, review, abort,
//! retire; and what holds for all versions of a projection.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use crate::ask::compare::Comparisons;
use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::record::history::{By, What};
use crate::record::projection::ProjectionRecord;
use crate::record::request::{Done, Request};
use crate::record::settings::{Settings, SettingsChange};
use crate::record::state::State;
use crate::record::status::{ProjectionStatus, last};
use crate::record::version::{Review, VersionRecord};
use crate::registry::starter::Starter;
use crate::registry::version::Version;
use crate::registry::{Registry, Versions, find};

/// Pauses, resumes, retries and ends versions.
pub struct Lifecycle {
    pub(crate) registry: Arc<Registry>,
    pub(crate) statuses: Statuses,
    pub(crate) comparisons: Arc<Comparisons>,
    pub(crate) starter: Starter,
}

impl Lifecycle {
    /// Stops a version after a last commit. Its rows stay, and can be queried. Blocks.
    pub fn pause(&self, name: &str, number: u32, request: &Request) -> Result<ProjectionStatus, Error> {
        self.registry.known(name)?;
        let done = self.registry.change_for(name, request, |projection, versions| {
            set_paused(name, projection, versions, number, true, &request.by)
        })?;
        if let Done::Now(version) = &done {
            version.stop();
            self.registry.changed();
        }
        self.statuses.after(name, &done)
    }

    /// Lets a paused or faulted version go on from its checkpoint. Blocks.
    pub fn resume(&self, name: &str, number: u32, request: &Request) -> Result<ProjectionStatus, Error> {
        self.registry.version(name, Some(number))?.settle();
        let done = self.registry.change_for(name, request, |projection, versions| {
            set_paused(name, projection, versions, number, false, &request.by)
        })?;
        if let Done::Now(version) = &done {
            self.go_on(version)?;
        }
        self.statuses.after(name, &done)
    }

    /// Starts a version that stands still, once the catalog says that it goes on. Blocks.
    pub fn go_on(&self, version: &Arc<Version>) -> Result<(), Error> {
        version.stop();
        version.set_fault(None);
        let record = self.registry.record(&version.projection, version.number)?;
        self.starter.start(Arc::clone(version), record);
        self.registry.changed();
        Ok(())
    }

    /// Throws the rows of a version away and lets it begin anew, from its start. Not the live one: it has to answer.
    /// Blocks.
    pub fn retry(&self, name: &str, number: u32, request: &Request) -> Result<ProjectionStatus, Error> {
        self.registry.known(name)?;
        let done = self.registry.change_for(name, request, |projection, versions| {
            let old = find(name, projection, versions, number)?;
            refuse_live(name, projection, number, "retried")?;
            let record = not_gone(name, projection, number, "retried")?;
            let fault = record.fault.take();
            record.attempt += 1;
            record.proof = None;
            record.continue_from = None;
            record.continued = None;
            record.paused = false;
            record.replayed_in_ms = None;
            record.ready_at = None;
            record.reviewed = None;
            let record = record.clone();
            let new = Arc::new(Version::new(name, number, self.registry.folders().of(name, number, record.attempt)));
            versions.insert((name.to_owned(), number), Arc::clone(&new));
            let figures = json!({"version": number, "attempt": record.attempt, "fault": fault, "start": record.start});
            projection.record(name, What::Retried, &request.by, figures);
            Ok((old, new, record))
        })?;
        if let Done::Now((old, new, record)) = &done {
            self.comparisons.forget(name, number);
            old.give_up();
            old.remove();
            self.starter.start(Arc::clone(new), record.clone());
            self.registry.changed();
        }
        self.statuses.after(name, &done)
    }

    /// Notes that somebody has looked at what differs between a version and the live one, and finds it right. Blocks.
    pub fn review(
        &self,
        name: &str,
        number: u32,
        against: Option<u32>,
        request: &Request,
    ) -> Result<ProjectionStatus, Error> {
        self.registry.known(name)?;
        let done = self.registry.change_for(name, request, |projection, versions| {
            find(name, projection, versions, number)?;
            let live = projection.live;
            let against = against.or(live).ok_or_else(|| Error::NothingLive { name: name.to_owned() })?;
            if live != Some(against) {
                return Err(Error::OtherLive { expected: Some(against), live });
            }
            let record = not_gone(name, projection, number, "reviewed")?;
            record.reviewed = Some(Review { against, at: Timestamp::now(), who: request.by.who.clone() });
            projection.record(name, What::Reviewed, &request.by, json!({"version": number, "against": against}));
            Ok(())
        })?;
        self.statuses.after(name, &done)
    }

    /// Ends a version that was never live, and removes its rows. Blocks.
    pub fn abort(&self, name: &str, number: u32, request: &Request) -> Result<ProjectionStatus, Error> {
        self.end(name, number, request, What::Aborted)
    }

    /// Ends a version for good and removes its rows. Blocks.
    pub fn retire(&self, name: &str, number: u32, request: &Request) -> Result<ProjectionStatus, Error> {
        self.end(name, number, request, What::Retired)
    }

    fn end(&self, name: &str, number: u32, request: &Request, what: What) -> Result<ProjectionStatus, Error> {
        self.registry.known(name)?;
        let done = self.registry.change_for(name, request, |projection, versions| {
            let wanted = if what == What::Aborted { "aborted" } else { "retired" };
            let version = find(name, projection, versions, number)?;
            refuse_live(name, projection, number, wanted)?;
            let record = not_gone(name, projection, number, wanted)?;
            if what == What::Aborted && record.was_live {
                let name = name.to_owned();
                return Err(Error::WrongState { name, version: number, state: State::Standby, wanted });
            }
            record.retired = true;
            record.aborted = what == What::Aborted;
            if projection.previous == Some(number) {
                projection.previous = None;
            }
            let figures = json!({"version": number, "position": last(version.checkpoint())});
            projection.record(name, what, &request.by, figures);
            Ok(version)
        })?;
        if let Done::Now(version) = &done {
            self.comparisons.forget(name, number);
            version.give_up();
            version.remove();
            tracing::info!(projection = name, version = number, "its rows are gone");
            self.registry.changed();
        }
        self.statuses.after(name, &done)
    }

    /// Changes what holds for all versions. Blocks.
    pub fn set(&self, name: &str, change: SettingsChange, request: &Request) -> Result<ProjectionStatus, Error> {
        self.registry.known(name)?;
        let done = self.registry.change_for(name, request, |projection, _| {
            let Settings { retain, on_fault } = &mut projection.settings;
            *retain = change.retain.unwrap_or(*retain);
            *on_fault = change.on_fault.unwrap_or(*on_fault);
            let settings = projection.settings;
            projection.record(name, What::SettingsChanged, &request.by, json!({"settings": settings}));
            Ok(())
        })?;
        self.retire_surplus(name);
        self.statuses.after(name, &done)
    }

    /// Retires the standby versions beyond those that the projection retains, the ones first that were live last long
    /// ago. Blocks.
    pub fn retire_surplus(&self, name: &str) {
        for number in self.surplus(name) {
            let by = By::host("more versions are on standby than the projection retains");
            if let Err(error) = self.retire(name, number, &by.into()) {
                tracing::warn!(projection = name, version = number, %error, "cannot be retired");
            }
        }
    }

    fn surplus(&self, name: &str) -> Vec<u32> {
        let loaded = self.registry.read();
        let Some(projection) = loaded.catalog.projections.get(name) else { return Vec::new() };
        let Some(retain) = projection.settings.retain else { return Vec::new() };
        let stands_by = |(number, record): &(&u32, &VersionRecord)| {
            record.was_live && !record.retired && projection.live != Some(**number)
        };
        let mut standby: Vec<_> = projection.versions.iter().filter(stands_by).collect();
        standby.sort_by_key(|(number, record)| std::cmp::Reverse((record.live_until, **number)));
        standby.into_iter().skip(retain as usize).map(|(number, _)| *number).collect()
    }
}

/// Notes that a version is to stand still, or to go on, also after a fault.
pub fn set_paused(
    name: &str,
    projection: &mut ProjectionRecord,
    versions: &Versions,
    number: u32,
    paused: bool,
    by: &By,
) -> Result<Arc<Version>, Error> {
    let version = find(name, projection, versions, number)?;
    let record = not_gone(name, projection, number, if paused { "paused" } else { "resumed" })?;
    record.paused = paused;
    let figures = json!({"version": number, "position": last(version.checkpoint()), "fault": record.fault.take()});
    projection.record(name, if paused { What::Paused } else { What::Resumed }, by, figures);
    Ok(version)
}

fn not_gone<'a>(
    name: &str,
    projection: &'a mut ProjectionRecord,
    number: u32,
    wanted: &'static str,
) -> Result<&'a mut VersionRecord, Error> {
    let gone = |state| Error::WrongState { name: name.to_owned(), version: number, state, wanted };
    let record = projection.versions.get_mut(&number).ok_or_else(|| gone(State::Retired))?;
    match record.retired {
        true if record.aborted => Err(gone(State::Aborted)),
        true => Err(gone(State::Retired)),
        false => Ok(record),
    }
}

fn refuse_live(name: &str, projection: &ProjectionRecord, number: u32, wanted: &'static str) -> Result<(), Error> {
    if projection.live != Some(number) {
        return Ok(());
    }
    Err(Error::WrongState { name: name.to_owned(), version: number, state: State::Live, wanted })
}
