//! Statuses of projections and versions, as they are now.

use std::sync::Arc;

use kinora_log::Log;
use kinora_sandbox::Modules;
use kinora_types::{Digest, Progress};

use crate::error::Error;
use crate::record::projection::ProjectionRecord;
use crate::record::request::{Done, Outcome};
use crate::record::state::State;
use crate::record::status::{ProjectionStatus, VersionStatus, last};
use crate::record::version::VersionRecord;
use crate::registry::state::state_of;
use crate::registry::version::Version;
use crate::registry::{Registry, Versions, find};

/// Says where projections and versions stand. Cheap to clone.
#[derive(Clone)]
pub struct Statuses {
    pub registry: Arc<Registry>,
    pub log: Log,
    pub modules: Arc<Modules>,
}

impl Statuses {
    pub fn list(&self) -> Result<Vec<ProjectionStatus>, Error> {
        let names: Vec<_> = self.registry.read().catalog.projections.keys().cloned().collect();
        names.iter().map(|name| self.of(name)).collect()
    }

    pub fn of(&self, name: &str) -> Result<ProjectionStatus, Error> {
        let loaded = self.registry.read();
        Ok(self.describe(name, loaded.projection(name)?, &loaded.versions))
    }

    /// The answer to a request that has been answered before: what it says of the projection is what it said then, with
    /// figures of now.
    pub fn as_answered(&self, name: &str, outcome: &Outcome) -> Result<ProjectionStatus, Error> {
        let loaded = self.registry.read();
        Ok(self.describe(name, &loaded.projection(name)?.as_answered(outcome), &loaded.versions))
    }

    /// The answer to a change that is done, now or before.
    pub fn after<T>(&self, name: &str, done: &Done<T>) -> Result<ProjectionStatus, Error> {
        match done {
            Done::Now(_) => self.of(name),
            Done::Before(outcome) => self.as_answered(name, outcome),
        }
    }

    fn describe(&self, name: &str, projection: &ProjectionRecord, versions: &Versions) -> ProjectionStatus {
        let head = self.log.progress();
        let described = projection.versions.iter().filter_map(|(number, record)| {
            let version = versions.get(&(name.to_owned(), *number))?;
            let identity = record.identity(self.modules.settings());
            Some(describe(version, record, projection, head, identity))
        });
        ProjectionStatus {
            name: name.to_owned(),
            live: projection.live,
            previous: projection.previous,
            settings: projection.settings,
            versions: described.collect(),
        }
    }

    /// The status of a version, what the catalog remembers of it, and which version is live: all of one moment.
    pub fn with_record(&self, name: &str, number: u32) -> Result<(VersionStatus, VersionRecord, Option<u32>), Error> {
        let loaded = self.registry.read();
        let projection = loaded.projection(name)?;
        let version = find(name, projection, &loaded.versions, number)?;
        let unknown = || Error::UnknownVersion { name: name.to_owned(), version: number, known: Vec::new() };
        let record = projection.versions.get(&number).ok_or_else(unknown)?;
        let identity = record.identity(self.modules.settings());
        let status = describe(&version, record, projection, self.log.progress(), identity);
        Ok((status, record.clone(), projection.live))
    }

    pub fn version(&self, name: &str, number: u32) -> Result<VersionStatus, Error> {
        self.with_record(name, number).map(|(status, _, _)| status)
    }
}

/// The status of a version, from what is remembered of it and from what its thread shows.
fn describe(
    version: &Version,
    record: &VersionRecord,
    projection: &ProjectionRecord,
    head: Progress,
    identity: Digest,
) -> VersionStatus {
    let (figures, state) = state_of(version, record, projection);
    let (checkpoint, fault) = (version.checkpoint(), version.fault());
    let (applied, rate) = (figures.applied.max(checkpoint), figures.rate);
    let remaining = head.0.saturating_sub(applied.0);
    VersionStatus {
        projection: version.projection.clone(),
        version: version.number,
        state,
        module: record.module,
        upcasters: record.upcasters.clone(),
        checkpoint: last(checkpoint),
        head: last(head),
        lag: head.0.saturating_sub(checkpoint.0),
        applied: applied.0.saturating_sub(record.start),
        stalled_seconds: version.stall.stalled_for().map(|stalled| stalled.as_secs()),
        events_per_second: rate.round(),
        eta_seconds: (rate > 0.0 && remaining > 0).then(|| (remaining as f64 / rate * 10.0).round() / 10.0),
        replayed_in_ms: record.replayed_in_ms,
        validation: (state == State::Validating && version.is_open()).then_some(figures.validation),
        fault,
        promote: record.promote,
        start: record.start,
        reviewed: record.reviewed.clone(),
        determinism: record.proof.clone(),
        continued: record.continued.clone(),
        skipped: record.skipped.clone(),
        identity,
        created_at: record.created_at,
        ready_at: record.ready_at,
        memory_bytes: figures.memory_bytes,
        usage: figures.usage,
    }
}
