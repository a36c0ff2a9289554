//! Statuses of projections and versions, as they are now.

use std::sync::Arc;

use kinora_log::Log;
use kinora_sandbox::Modules;
use kinora_types::{Digest, Progress};

use crate::error::Error;
use crate::record::projection::ProjectionRecord;
use crate::record::status::{ProjectionStatus, VersionStatus, last};
use crate::record::version::VersionRecord;
use crate::registry::Registry;
use crate::registry::state::state_of;
use crate::registry::version::Version;

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
        let projection = loaded.projection(name)?;
        let head = self.log.progress();
        let versions = projection.versions.iter().filter_map(|(number, record)| {
            let version = loaded.versions.get(&(name.to_owned(), *number))?;
            let identity = record.identity(self.modules.settings());
            Some(describe(version, record, projection, head, identity))
        });
        Ok(ProjectionStatus {
            name: name.to_owned(),
            live: projection.live,
            previous: projection.previous,
            settings: projection.settings,
            versions: versions.collect(),
        })
    }

    pub fn version(&self, name: &str, number: u32) -> Result<VersionStatus, Error> {
        self.registry.version(name, Some(number))?;
        let status = self.of(name)?;
        let known = status.versions.iter().map(|version| version.version).collect();
        let found = status.versions.into_iter().find(|version| version.version == number);
        found.ok_or_else(|| Error::UnknownVersion { name: name.to_owned(), version: number, known })
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
    let gauges = version.gauges();
    let (checkpoint, fault) = (version.checkpoint(), version.fault());
    let applied = gauges.applied().max(checkpoint);
    let rate = gauges.rate();
    let remaining = head.0.saturating_sub(applied.0);
    VersionStatus {
        projection: version.projection.clone(),
        version: version.number,
        state: state_of(version, record, projection),
        module: record.module,
        upcasters: record.upcasters.clone(),
        checkpoint: last(checkpoint),
        head: last(head),
        lag: head.0.saturating_sub(checkpoint.0),
        applied: applied.0,
        stalled_seconds: version.stall.stalled_for().map(|stalled| stalled.as_secs()),
        events_per_second: rate.round(),
        eta_seconds: (rate > 0.0 && remaining > 0).then(|| (remaining as f64 / rate * 10.0).round() / 10.0),
        replayed_in_ms: record.replayed_in_ms,
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
        memory_bytes: gauges.memory(),
        usage: gauges.usage(),
    }
}
