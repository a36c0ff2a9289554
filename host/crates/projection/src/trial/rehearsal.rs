//! A rehearsal: a projector run over events of the log into a read model that is thrown away, by the same
//! [`Stepper`] as a version, at a pace of its own. The rows must not depend on it.

use std::ops::ControlFlow;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::watch;

use kinora_readmodel::{Snapshot, Store};
use kinora_sandbox::Failure;
use kinora_types::Progress;

use crate::record::pace::FixedPace;
use crate::registry::folders::scratch;
use crate::replay::row_sink::RowSink;
use crate::replay::sink::Sink;
use crate::replay::stepper::{Stepper, Stop};
use crate::trial::cast::Cast;
use crate::trial::events::{EventFeed, Events};

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
    stepper: Stepper<EventFeed, FixedPace, RowSink>,
    /// Dropped last: the store is in it.
    _dir: TempDir,
}

impl Rehearsal {
    pub fn new(cast: &Cast, pace: FixedPace) -> Result<Self, Failure> {
        let tables = &cast.modules.projector.manifest.tables;
        let dir = scratch(&cast.scratch).map_err(Failure::storage)?;
        let store = Store::open(&cast.storage, &dir.path().join("rows"), tables);
        let store = Arc::new(store.map_err(Failure::storage)?);
        let checkpoint = watch::Sender::new(cast.from);
        let sink = RowSink::new(&cast.modules, store, cast.commit_bytes, checkpoint);
        let feed = EventFeed::new(cast.source(pace.shares));
        Ok(Self { stepper: Stepper::new(feed, pace, sink, cast.room, cast.from), _dir: dir })
    }

    /// Goes on through `events` up to `upto`, and commits. After a failure everything before the event is committed.
    pub fn run(&mut self, events: &Events, upto: Progress, watch: Watch<'_>) -> Result<(), Interrupted> {
        self.stepper.feed.events = events.clone();
        while self.stepper.applied() < upto {
            if watch(self.stepper.applied()).is_break() {
                return Err(Interrupted::Cancelled);
            }
            if let Err(stop) = self.stepper.advance(upto) {
                self.stepper.rewind();
                return Err(match failure(stop) {
                    failure if failure.is_cancelled() => Interrupted::Cancelled,
                    failure => failure.into(),
                });
            }
        }
        Ok(())
    }

    pub fn snapshot(&self) -> Result<Snapshot, Failure> {
        self.stepper.sink.snapshot()
    }
}

/// What failed, with the position of the event that failed alone: whatever the guest says, another one is not to blame.
fn failure(stop: Stop) -> Failure {
    match stop {
        Stop::Failed(failure) | Stop::Unknown { failure, .. } => failure,
        Stop::Alone { failure, first } => Failure { position: first.or(failure.position), ..failure },
    }
}
