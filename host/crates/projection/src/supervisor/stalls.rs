//! The stall watch: looks at all versions from time to time, and tells which are stalled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kinora_log::Log;

use crate::record::state::State;
use crate::registry::Registry;
use crate::registry::stall::Look;
use crate::registry::state::state_of;
use crate::registry::version::Version;

/// How often versions are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What is watched, and how long a version may have events to apply without progress.
pub struct StallWatch {
    pub registry: Arc<Registry>,
    pub log: Log,
    pub patience: Duration,
}

impl StallWatch {
    /// Looks as long as somebody holds this.
    pub fn start(self: &Arc<Self>) {
        let watched = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(LOOK_INTERVAL);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                let Some(watched) = watched.upgrade() else { return };
                watched.look(Instant::now());
            }
        });
    }

    /// All versions, with their states.
    fn states(&self) -> Vec<(Arc<Version>, State)> {
        let loaded = self.registry.read();
        let of = |((name, number), version): (&(String, u32), &Arc<Version>)| {
            let projection = loaded.catalog.projections.get(name)?;
            let record = projection.versions.get(number)?;
            Some((Arc::clone(version), state_of(version, record, projection).1))
        };
        loaded.versions.iter().filter_map(of).collect()
    }

    fn look(&self, now: Instant) {
        let head = self.log.progress();
        for (version, state) in self.states() {
            // One that is validated has not begun; how far that is shows in its status.
            if matches!(state, State::Paused | State::Validating) || state.is_gone() {
                version.stall.forget();
                continue;
            }
            let (projection, number) = (version.projection.as_str(), version.number);
            let committed = version.checkpoint();
            match version.stall.look(committed, head, now, self.patience) {
                Look::AsBefore => {}
                Look::Stalled => {
                    let (lag, seconds) = (head.0.saturating_sub(committed.0), self.patience.as_secs());
                    tracing::warn!(projection, version = number, ?state, lag, seconds, "a version is stalled");
                }
                Look::GoesOn => tracing::info!(projection, version = number, "a version makes progress again"),
            }
        }
    }
}
