//! A forecast: what a replay would take, from a sample of it. The sample is the beginning of what the version would go
//! through, since only from there a projector sees what it would see, and it runs just as a replay does.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use kinora_log::Log;
use kinora_readmodel::Store;
use kinora_sandbox::Limits;
use kinora_storage::Storage;
use kinora_types::{Position, Progress};

use crate::error::Error;
use crate::feed::dealer::Dealer;
use crate::feed::modules::VersionModules;
use crate::record::fault::Fault;
use crate::replay::gauges::Gauges;
use crate::replay::parts::{instances, parts};
use crate::replay::runner::{Parts, Runner};
use crate::replay::turns::Turns;

/// Events of a sample, and how long it may take: enough to be past the first, slow ones, and nothing that holds up a
/// person at a terminal.
const SAMPLE_EVENTS: u64 = 200_000;
const SAMPLE_TIME: Duration = Duration::from_millis(1_500);

/// What is sampled, and with what.
pub struct Sample<'a> {
    pub log: &'a Log,
    pub storage: &'a Storage,
    pub limits: &'a Limits,
    pub dir: &'a tempfile::TempDir,
    pub modules: VersionModules,
    pub start: Progress,
    /// Events that are passed over.
    pub skipped: BTreeSet<Position>,
    pub turns: &'a Turns,
}

#[derive(Clone, Debug)]
pub struct Forecast {
    /// Events that the version would go through.
    pub events: u64,
    /// Those that it handles, itself or through upcasters. By the counts of the whole log.
    pub concerned: u64,
    pub sampled_events: u64,
    pub sampled_ms: u64,
    pub events_per_second: f64,
    pub seconds: f64,
    /// Bytes of the read model. Its growth in the second half of the sample is taken to go on.
    pub disk_bytes: u64,
    /// Bytes that are free on the disk now.
    pub disk_free_bytes: Option<u64>,
    /// Memory of the guest in the sample, and at most.
    pub memory_bytes: u64,
    pub memory_limit_bytes: usize,
    /// The version would stop within the sample already.
    pub fault: Option<Fault>,
}

impl Sample<'_> {
    /// Runs the sample. `concerned` of the log's events are for this version.
    pub fn forecast(self, concerned: u64) -> Result<Forecast, Error> {
        let gauges = Arc::<Gauges>::default();
        let failed = |failure: kinora_sandbox::Failure| Error::Sample(failure.message);
        let (log, dir) = (self.log, self.dir.path().join("rows"));
        let store = Arc::new(Store::open(self.storage, &dir, &self.modules.projector.manifest.tables)?);
        if self.start > Progress::default() {
            store.start_at(self.start)?;
        }
        let checkpoint = watch::Sender::new(self.start);
        let made = parts(log, &store, &self.modules, self.limits, &gauges, &checkpoint, self.turns).map_err(failed)?;
        // As the version itself is replayed: by as many instances, which have memory of their own each.
        let dealer = Dealer::new(self.modules.projector.manifest.partition.as_ref(), instances());
        let made = Parts { dealer, source: made.source.skipping(self.skipped), ..made };
        let mut runner = Runner::new(made, oneshot::channel().0).map_err(failed)?;

        let end = log.progress();
        let events = end.0.saturating_sub(self.start.0);
        let sampled = events.min(SAMPLE_EVENTS);
        let half = Progress(self.start.0 + sampled / 2);
        let started = Instant::now();
        let (middle, fault) = runner.run_until(half, started + SAMPLE_TIME / 2);
        store.flush()?;
        let half_bytes = bytes_of(&dir);
        let rest = Progress(self.start.0 + sampled);
        let (reached, fault) = match fault {
            Some(fault) => (middle, Some(fault)),
            None => runner.run_until(rest, started + SAMPLE_TIME),
        };
        let took = started.elapsed();
        store.flush()?;
        let (bytes, memory_bytes) = (bytes_of(&dir), gauges.figures().memory_bytes);

        let applied = reached.0.saturating_sub(self.start.0);
        let rate = applied as f64 / took.as_secs_f64().max(1e-6);
        let remaining = events.saturating_sub(applied) as f64;
        let grown = bytes.saturating_sub(half_bytes) as f64 / reached.0.saturating_sub(middle.0).max(1) as f64;
        let round = |value: f64| (value * 10.0).round() / 10.0;
        Ok(Forecast {
            events,
            concerned,
            sampled_events: applied,
            sampled_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            events_per_second: rate.round(),
            seconds: if rate > 0.0 { round(events as f64 / rate) } else { 0.0 },
            disk_bytes: bytes + (grown * remaining) as u64,
            disk_free_bytes: kinora_storage::free_space(&dir),
            memory_bytes,
            memory_limit_bytes: self.limits.memory_bytes,
            fault,
        })
    }
}

/// Bytes of the files of a database, once it is flushed.
fn bytes_of(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let tables = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst"));
    tables.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}
