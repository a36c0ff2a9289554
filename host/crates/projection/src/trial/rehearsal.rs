//! A projector run over events of the log into a read model that is thrown away: in batches of a chosen size, with
//! commits as often and instances as fresh as chosen. The rows must depend on none of that.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use kinora_log::Log;
use kinora_readmodel::{CommitMode, Snapshot, Store};
use kinora_sandbox::{Batch, Category, Failure, Limits, Module, Needs, Partition};
use kinora_storage::Storage;
use kinora_types::{Position, Progress};

use crate::error::Error;
use crate::feed::routes::Routes;
use crate::feed::source::{Source, Window};
use crate::feed::upcasting::Chain;
use crate::projections as rollout;
use crate::projections::{Projections, SCRATCH};
use crate::replay::guests::Guests;
use crate::replay::partitions::Dealer;
use crate::replay::rows::{VersionRows, commit_failure};
use crate::supervisor::version::{Modules, routes};

/// How events are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Events that cross into the guest at once.
    pub batch: usize,
    /// Events between two commits.
    pub commit: usize,
    /// Whether each commit is followed by a fresh instance.
    pub fresh: bool,
    /// Instances that the events are dealt out to, where the projector declares partitions.
    pub shares: usize,
}

/// One event at a time, each with an instance of its own: nothing but rows can be handed on.
pub const REFERENCE: Pace = Pace { batch: 1, commit: 1, fresh: true, shares: 1 };

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in batches of {} with a commit every {} events and ", self.batch, self.commit)?;
        match (self.fresh, self.shares) {
            (true, _) => f.write_str("a fresh instance after each commit"),
            (false, 1) => f.write_str("one instance"),
            (false, shares) => write!(f, "{shares} instances, by partition"),
        }
    }
}

/// Which events are rehearsed, in the order of the log.
#[derive(Clone, Debug)]
pub enum Events {
    All {
        from: Progress,
        upto: Progress,
    },
    /// Those at these positions, ascending.
    Sample(Vec<u64>),
}

impl Events {
    /// How many there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::All { from, upto } => upto.0.saturating_sub(from.0),
            Self::Sample(positions) => positions.len() as u64,
        }
    }

    /// The progress after the first `count` of them.
    pub fn after(&self, count: u64) -> Progress {
        match self {
            Self::All { from, upto } => Progress(from.0.saturating_add(count)).min(*upto),
            Self::Sample(positions) => {
                let last = count.checked_sub(1).and_then(|last| positions.get(usize::try_from(last).ok()?));
                last.map_or_else(Progress::default, |position| Progress::through(Position(*position)))
            }
        }
    }

    pub fn end(&self) -> Progress {
        self.after(self.count())
    }
}

/// What is rehearsed, on which log, and where the rows go meanwhile.
pub struct Cast {
    pub log: Log,
    pub storage: Storage,
    /// The folder for read models that are thrown away.
    pub scratch: PathBuf,
    /// What the version leaves out at the beginning of the log.
    pub from: Progress,
    pub modules: Modules,
    pub routes: Arc<Routes>,
    pub needs: Needs,
    pub commit_bytes: usize,
}

impl Cast {
    /// # Errors
    /// A sentence, if the modules do not fit together.
    pub fn new(
        log: &Log,
        storage: &Storage,
        scratch: PathBuf,
        from: Progress,
        modules: Modules,
        skipped: impl IntoIterator<Item = Position>,
        limits: &Limits,
    ) -> Result<Self, String> {
        let Module::Projector { manifest, .. } = &*modules.projector else {
            return Err("the module is not a projector".into());
        };
        let routes = routes(manifest, &modules.upcasters)?.skipping(skipped.into_iter().collect());
        Ok(Self {
            log: log.clone(),
            storage: storage.clone(),
            scratch,
            from,
            needs: modules.needs(),
            routes: Arc::new(routes),
            modules,
            commit_bytes: limits.commit_bytes,
        })
    }
}

impl Cast {
    /// What reads its events, with instances of the upcasters of its own.
    fn source(&self, shares: usize) -> Source {
        let chain = Chain::new(self.modules.upcasters.clone());
        let mut source = Source::new(self.log.clone(), Arc::clone(&self.routes), self.needs, chain);
        source.deal(Dealer::new(self.partition(), shares));
        source
    }

    /// What the rows depend on, if the projector says so.
    pub fn partition(&self) -> Option<&Partition> {
        match &*self.modules.projector {
            Module::Projector { manifest, .. } => manifest.partition.as_ref(),
            Module::Upcaster { .. } => None,
        }
    }
}

impl Projections {
    /// What it takes to run a version's guests beside it.
    pub(crate) fn cast(&self, name: &str, number: u32) -> Result<Cast, Error> {
        let record = rollout::record(&self.read().catalog, name, number).cloned();
        let record = record.ok_or_else(|| Error::UnknownProjection { name: name.to_owned() })?;
        let projector = self.modules.ready(record.module)?;
        let upcasters = record.upcasters.iter().map(|digest| self.modules.ready(*digest)).collect::<Result<_, _>>()?;
        let skipped = record.skipped.iter().map(|skipped| Position(skipped.position));
        let modules = Modules { projector, upcasters };
        let limits = self.modules.limits();
        Cast::new(&self.log, &self.storage, self.dir.clone(), Progress(record.start), modules, skipped, limits)
            .map_err(Error::Chain)
    }
}

/// Why a rehearsal did not go through.
pub enum Interrupted {
    /// The guest cannot handle an event, or the host is in trouble.
    Failed(Failure),
    /// Whoever watches does not want more.
    Cancelled,
}

impl From<Failure> for Interrupted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Told how far it is; says whether to go on.
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

pub struct Rehearsal {
    pace: Pace,
    guests: Guests,
    rows: VersionRows,
    store: Arc<Store>,
    source: Source,
    window: Window,
    applied: Progress,
    committed: Progress,
    /// Events since the last commit.
    pending: usize,
    /// Up to here events run one at a time, after a failure among them.
    careful: Option<Progress>,
    /// Dropped last: the store is in it.
    _dir: TempDir,
}

impl Rehearsal {
    pub fn new(cast: &Cast, pace: Pace) -> Result<Self, Failure> {
        let Module::Projector { manifest, pre, .. } = &*cast.modules.projector else {
            return Err(Failure::new(Category::Upcast, "the module is not a projector"));
        };
        std::fs::create_dir_all(&cast.scratch).map_err(Failure::storage)?;
        let dir = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(&cast.scratch).map_err(Failure::storage)?;
        let store = Store::open(&cast.storage, &dir.path().join("rows"), &manifest.tables).map_err(Failure::storage)?;
        let store = Arc::new(store);
        // As a runner does it.
        let pace = if store.is_stepwise() { Pace { batch: 1, commit: 1, ..pace } } else { pace };
        Ok(Self {
            guests: Guests::new(pre.clone()),
            source: cast.source(pace.shares),
            rows: VersionRows::new(Arc::clone(&store), cast.commit_bytes),
            store,
            window: Window::default(),
            applied: cast.from,
            committed: cast.from,
            pending: 0,
            careful: None,
            pace,
            _dir: dir,
        })
    }

    /// Goes on through `events` up to `upto`, and commits. After a failure everything before the event is committed.
    pub fn run(&mut self, events: &Events, upto: Progress, watch: Watch<'_>) -> Result<(), Interrupted> {
        while self.applied < upto {
            if watch(self.applied).is_break() {
                return Err(Interrupted::Cancelled);
            }
            let alone = self.careful.is_some_and(|until| self.applied < until);
            self.read(events, upto, if alone { 1 } else { self.room() })?;
            let fresh = self.guests.are_fresh();
            match self.step(alone, upto) {
                Ok(()) => {}
                // As a runner does it: what fails alone, after a commit and with a fresh instance, is what fails.
                Err(failure) if alone && !fresh && failure.category != Category::Storage => self.rewind(),
                Err(failure) if alone || failure.category == Category::Storage => {
                    // Trouble of the host's own is no event's fault.
                    let position = self.window.first.filter(|_| failure.category != Category::Storage);
                    self.rewind();
                    return Err(Failure { position: position.or(failure.position), ..failure }.into());
                }
                Err(_) => {
                    self.careful = Some(self.window.next.max(self.applied));
                    self.rewind();
                }
            }
        }
        Ok(())
    }

    /// Events that may be added before the next commit.
    fn room(&self) -> usize {
        self.pace.batch.min(self.pace.commit.saturating_sub(self.pending)).max(1)
    }

    fn read(&mut self, events: &Events, upto: Progress, limit: usize) -> Result<(), Failure> {
        let read = match events {
            Events::All { .. } => self.source.read(&mut self.window, self.applied, upto, limit),
            Events::Sample(positions) => {
                let first = positions.partition_point(|position| *position < self.applied.0);
                let next = positions.iter().copied().skip(first).take(limit);
                let next: Vec<u64> = next.take_while(|position| upto.includes(Position(*position))).collect();
                self.source.gather(&mut self.window, self.applied, &next)
            }
        };
        read.map_err(Failure::storage)?;
        match self.window.unknown.take() {
            // What comes before it is run first.
            Some((failure, _)) if self.window.next == self.applied => Err(failure),
            _ => Ok(()),
        }
    }

    /// Applies the window, and commits if it is time to.
    fn step(&mut self, alone: bool, upto: Progress) -> Result<(), Failure> {
        let events = self.window.events.len() + self.window.dealt.iter().map(Batch::len).sum::<usize>();
        // As a runner does it: what is not dealt out is for an instance that sees what all have written.
        let changes = self.pace.shares > 1 && self.window.dealt.is_empty();
        if changes && self.applied > self.committed {
            self.commit()?;
        }
        if changes {
            self.guests.restart();
        }
        let rows = &self.rows;
        self.guests.apply(&mut self.window, || rows.clone())?;
        self.applied = self.window.next;
        self.pending += events;
        if alone || changes || self.pending >= self.pace.commit || self.applied >= upto {
            self.commit()?;
        }
        if changes {
            self.guests.restart();
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Failure> {
        self.guests.flush()?;
        let mut pending = self.rows.pending();
        self.store.commit(&pending, self.applied, CommitMode::UntilFlushed).map_err(commit_failure)?;
        pending.clear();
        drop(pending);
        self.committed = self.applied;
        self.pending = 0;
        if self.pace.fresh {
            self.guests.restart();
            self.source.restart();
        }
        Ok(())
    }

    /// Back to the last commit, with fresh instances.
    fn rewind(&mut self) {
        self.rows.pending().clear();
        self.guests.restart();
        self.source.restart();
        self.applied = self.committed;
        self.pending = 0;
    }

    pub fn snapshot(&self) -> Result<Snapshot, Failure> {
        self.store.snapshot().map_err(Failure::storage)
    }
}
