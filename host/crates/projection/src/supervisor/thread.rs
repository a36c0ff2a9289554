//! The thread of a version: opens the rows, proves the projector where that is due, and runs the replay.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use kinora_files::{OnProbation, Place};
use kinora_log::Log;
use kinora_readmodel::Store;
use kinora_sandbox::{Category, Failure, Limits, Schemas};
use kinora_storage::Storage;
use kinora_types::{Budget, Position, Progress};

use crate::feed::dealer::Dealer;
use crate::feed::modules::VersionModules;
use crate::record::fault::Fault;
use crate::record::proof::Proof;
use crate::registry::version::{Content, Running, Version};
use crate::replay::gauges::Phase;
use crate::replay::parts::{instances, parts};
use crate::replay::runner::{Command, End, Parts, Runner};
use crate::replay::turns::Turns;
use crate::rollout::preflight::gaps;
use crate::trial::cast::Cast;
use crate::trial::proof::prove;
use crate::trial::rehearsal::Interrupted;

/// What a version starts with.
pub struct StartWith<'a> {
    pub log: &'a Log,
    pub storage: &'a Storage,
    pub modules: VersionModules,
    /// Whether it has been ready before.
    pub was_ready: bool,
    /// What it leaves out at the beginning of the log.
    pub from: Progress,
    /// Its rows can be read, but it does not project.
    pub paused: bool,
    /// Ends with the thread: nobody has to wait for what its guests do.
    pub budget: Budget,
    /// That it is started is noted, until it is ready.
    pub trial: Option<OnProbation>,
    pub limits: &'a Limits,
    /// Whether its determinism has been checked.
    pub proven: bool,
    /// Events that it passes over.
    pub skipped: Vec<Position>,
    /// The folder for read models that are thrown away.
    pub scratch: PathBuf,
    pub turns: &'a Turns,
}

/// What a thread tells.
pub enum Notice {
    /// The version has been at the head, and can be promoted.
    Ready {
        replayed_in: Duration,
    },
    Proven(Proof),
    Faulted,
}

/// Is told what a thread has to say.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

/// Starts the thread of a version, if none runs, and tells `notify` how it goes. Blocks while the read model is opened.
pub fn start(version: &Arc<Version>, mut with: StartWith<'_>, notify: Notify) -> Result<(), Failure> {
    version.run(|| {
        let StartWith { paused, log, .. } = with;
        let (budget, trial) = (with.budget.clone(), with.trial.take());
        let place = trial.as_ref().map(|trial| trial.place.clone()).unwrap_or_default();
        let (ready, is_ready) = oneshot::channel();
        let (runner, cast) = open(version, with, place, ready)?;
        if paused {
            version.committed().send_replace(runner.committed());
            return Ok(None);
        }
        let told = Arc::clone(&notify);
        tokio::spawn(async move {
            if let Ok(replayed_in) = is_ready.await {
                if let Some(trial) = trial {
                    trial.proved_well();
                }
                // It is written down, which waits for a disk.
                let _ = tokio::task::spawn_blocking(move || told(Notice::Ready { replayed_in })).await;
            }
        });
        spawn(version, runner, cast, log.clone(), budget, notify).map(Some)
    })
}

/// Opens the rows of a version, and makes the runner that goes on with them; and what its projector is proved with, if
/// that is due.
fn open(
    version: &Version,
    with: StartWith<'_>,
    place: Place,
    ready: oneshot::Sender<Duration>,
) -> Result<(Runner, Option<Cast>), Failure> {
    let StartWith { log, storage, modules, was_ready, from, limits, proven, skipped, scratch, turns, .. } = with;
    let modules = VersionModules { place, ..modules.within(&with.budget) };
    let manifest = &modules.projector.manifest;
    let schemas = Schemas::new(&manifest.queries).map_err(|why| Failure::new(Category::Rule, why))?;
    let store = match version.store() {
        Some(store) => store,
        None => Arc::new(Store::open(storage, version.dir(), &manifest.tables).map_err(Failure::storage)?),
    };
    refuse_foreign(&store, log)?;
    if from > Progress::default() && store.checkpoint().map_err(Failure::storage)? < from {
        store.start_at(from).map_err(Failure::storage)?;
    }
    let parts = parts(log, &store, &modules, limits, version.gauges(), version.committed(), turns)?;
    let dealer = Dealer::new(manifest.partition.as_ref(), instances());
    let source = parts.source.skipping(skipped.iter().copied().collect());
    let runner = Runner::new(Parts { was_ready, dealer, source, ..parts }, ready)?;
    // A version that has served goes on as far as it can.
    if !was_ready {
        refuse_gaps(log, &runner)?;
    }
    let to_prove = !was_ready && !proven;
    let cast = to_prove.then(|| Cast::new(log, storage, scratch, from, modules.clone(), skipped, limits)).transpose();
    let cast = cast.map_err(|why| Failure::new(Category::Upcast, why))?;
    if cast.is_some() {
        version.gauges().set_phase(Phase::Validating);
    }
    version.open(Content { projector: Arc::clone(&modules.projector), store, schemas: Arc::new(schemas) });
    version.set_fault(None);
    Ok((runner, cast))
}

fn spawn(
    version: &Arc<Version>,
    runner: Runner,
    cast: Option<Cast>,
    log: Log,
    budget: Budget,
    notify: Notify,
) -> Result<Running, Failure> {
    let (commands, received) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::Builder::new().name(format!("{}/{}", version.projection, version.number));
    let version = Arc::clone(version);
    let thread = thread.spawn(move || {
        // What the guest logs says whose it is.
        let span = tracing::info_span!("version", projection = version.projection, number = version.number);
        let run = || match cast.and_then(|cast| proved(&version, &cast, &received, &*notify)) {
            None => runner.run(received, &runtime),
            Some(end) => end,
        };
        let run = std::panic::AssertUnwindSafe(|| span.in_scope(run));
        let end = std::panic::catch_unwind(run).unwrap_or_else(|_| {
            let failure = Failure::new(Category::Storage, "the runner panicked; the host's output says where");
            End::Faulted(Fault::new(&failure, None))
        });
        if let End::Faulted(fault) = end {
            let (projection, number) = (version.projection.as_str(), version.number);
            tracing::error!(projection, version = number, ?fault, "a version stopped at a fault");
            version.set_fault(Some(located(fault, &log)));
            notify(Notice::Faulted);
        }
    });
    Ok(Running { commands, thread: thread.map_err(Failure::storage)?, budget })
}

/// Compares the projector with itself, until nobody waits for it any more. `None`: it may go on.
fn proved(
    version: &Version,
    cast: &Cast,
    commands: &mpsc::UnboundedReceiver<Command>,
    notify: &dyn Fn(Notice),
) -> Option<End> {
    let wanted = |_: Progress| if commands.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    match prove(cast, &|validation| version.gauges().set_validation(validation), &mut { wanted }) {
        Ok(proof) => {
            let (projection, number) = (version.projection.as_str(), version.number);
            let Proof { events, left_out, took_ms, .. } = proof;
            tracing::info!(projection, version = number, events, left_out, took_ms, "the projector is deterministic");
            notify(Notice::Proven(proof));
            version.gauges().set_phase(Phase::Replaying);
            None
        }
        Err(Interrupted::Cancelled) => Some(End::Stopped),
        Err(Interrupted::Failed(failure)) if failure.is_cancelled() => Some(End::Stopped),
        Err(Interrupted::Failed(failure)) => Some(End::Faulted(Fault::new(&failure, None))),
    }
}

/// A fault with what the log says about its event.
pub fn located(mut fault: Fault, log: &Log) -> Fault {
    let event = fault.position.and_then(|position| log.event(Position(position)).ok().flatten());
    if let Some(event) = event {
        fault.event_type = Some(event.kind);
        fault.schema = Some(event.schema);
        fault.stream = Some(event.stream);
    }
    fault
}

/// Rows of a log that was there before are not taken for those of the log as it is.
fn refuse_foreign(store: &Store, log: &Log) -> Result<(), Failure> {
    let lineage = log.lineage();
    let of = store.incarnation().map_err(Failure::storage)?.unwrap_or(lineage.first());
    if of == lineage.current() {
        return Ok(());
    }
    let checkpoint = store.checkpoint().map_err(Failure::storage)?;
    let shared = lineage.shares(of).unwrap_or_default();
    if checkpoint > shared {
        let message = format!(
            "its rows stand for {} events, and the log, which was restored or repaired since, has only the first {} of \
             these: retry the version, or deploy its module anew if it is live",
            checkpoint.0, shared.0
        );
        return Err(Failure::new(Category::Storage, message));
    }
    store.adopt(lineage.current()).map_err(Failure::storage)
}

/// For modules that were not compiled yet when they were deployed: finds what has no route before a long replay does.
fn refuse_gaps(log: &Log, runner: &Runner) -> Result<(), Failure> {
    let gaps = gaps(log, runner.routes(), runner.committed()).map_err(Failure::storage)?;
    let Some(first) = gaps.first() else { return Ok(()) };
    let others =
        gaps.iter().skip(1).map(|gap| format!("; also {} schema {} ({} events)", gap.kind, gap.schema, gap.count));
    let others: String = others.collect();
    let message = format!("{} (found before the replay: the log has {} such events{others})", first.why, first.count);
    Err(Failure::new(Category::UnknownEvent, message).at(Position(first.first_position)))
}
