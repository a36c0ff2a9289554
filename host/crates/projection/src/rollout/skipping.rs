//! Skipping: a version passes over the event that stopped it, only for a reason, and never in silence.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::record::fault::Fault;
use crate::record::history::What;
use crate::record::request::{Done, Request};
use crate::record::status::ProjectionStatus;
use crate::record::version::Skipped;
use crate::registry::Registry;
use crate::rollout::lifecycle::{Lifecycle, set_paused};

/// Bytes of the reason for skipping an event.
const REASON_BYTES: usize = 1_000;

/// Lets versions pass over events.
pub struct Skipping {
    pub(crate) registry: Arc<Registry>,
    pub(crate) statuses: Statuses,
    pub(crate) lifecycle: Arc<Lifecycle>,
}

impl Skipping {
    /// Lets a version that stopped at an event go on behind it. The event, the reason and the fault are kept for ever.
    /// Blocks.
    pub fn skip(
        &self,
        name: &str,
        number: u32,
        position: u64,
        reason: &str,
        request: &Request,
    ) -> Result<ProjectionStatus, Error> {
        let reason = reason.trim();
        self.registry.known(name)?;
        if let Some(outcome) = self.registry.before(name, request)? {
            return self.statuses.as_answered(name, &outcome);
        }
        if reason.is_empty() || reason.len() > REASON_BYTES {
            return Err(Error::NoReason { limit: REASON_BYTES });
        }
        let version = self.registry.version(name, Some(number))?;
        version.settle();
        let fault = version.fault().filter(Fault::is_of_one_event);
        let stopped = fault.as_ref().and_then(|fault| fault.position);
        let Some(fault) = fault.filter(|_| stopped == Some(position)) else {
            return Err(Error::NotStoppedThere { name: name.to_owned(), version: number, position, stopped });
        };
        tracing::warn!(projection = name, version = number, position, reason, fault = fault.message, "event skipped");
        let skipped = Skipped {
            position,
            event_type: fault.event_type,
            schema: fault.schema,
            stream: fault.stream,
            reason: reason.to_owned(),
            fault: fault.message,
            skipped_at: Timestamp::now(),
        };
        let done = self.registry.change_for(name, request, |projection, versions| {
            let record = projection.versions.get_mut(&number);
            if let Some(record) = record.filter(|record| record.skipped.iter().all(|known| known.position != position))
            {
                let figures = json!({"version": number, "skipped": &skipped});
                record.skipped.push(skipped);
                projection.record(name, What::EventSkipped, &request.by, figures);
            }
            set_paused(name, projection, versions, number, false, &request.by)
        })?;
        if let Done::Now(version) = &done {
            self.lifecycle.go_on(version)?;
        }
        self.statuses.after(name, &done)
    }
}
