//! A track: all that the lanes of one version have in common.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kinora_log::{AppendError, Appended, Log, SearchRange};
use kinora_types::{Budget, Direction, Revision, StreamName};

use crate::error::Error;
use crate::limits::Limits;
use crate::owners::Owners;
use crate::rejections::Rejections;
use crate::rules::Rules;
use crate::scope::{Baseline, Scope};
use crate::snapshots::Snapshots;

/// How often it is looked whether a change of the decider is known here, and how long between two looks.
const LOOKS: usize = 1_000;
const PAUSE: Duration = Duration::from_millis(1);

/// What all lanes of a version have in common.
pub struct Track {
    pub decider: String,
    pub version: u32,
    pub rules: Rules,
    pub log: Log,
    /// The stream that every append of this version is checked against.
    pub control: StreamName,
    /// The revision of that stream by which this version is live.
    pub control_revision: AtomicU64,
    /// Nothing is decided any more.
    pub closed: AtomicBool,
    pub snapshots: Snapshots,
    /// Of the decider.
    pub rejections: Arc<Rejections>,
    /// Of all deciders.
    pub owners: Arc<Owners>,
    pub limits: Limits,
    /// What one instance may have.
    pub memory_bytes: usize,
    /// What the lanes run in: it ends with the host.
    pub budget: Budget,
}

impl Track {
    /// Whether a stream is for another decider alone.
    pub fn is_anothers(&self, stream: &StreamName) -> bool {
        self.owners.of(stream.as_str()).is_some_and(|owner| owner != self.decider)
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Ends its decisions: another version is live.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// What commands may expect of an aggregate: the last revision of its stream; of one by tag, the position of its
    /// last event.
    pub fn revision(&self, scope: &Scope, at: Baseline) -> Result<Option<Revision>, Error> {
        let Scope::Tags(tags) = scope else { return Ok(at.revision) };
        let Some(from) = at.upto.last() else { return Ok(None) };
        let range = SearchRange { from, upto: at.upto, direction: Direction::Backwards, limit: 1 };
        let mut last = None;
        self.log.visit(&Scope::filter(tags), range, |position, _| {
            last = Some(Revision(position.0));
            ControlFlow::Break(())
        })?;
        Ok(last)
    }

    pub fn control_revision(&self) -> Revision {
        Revision(self.control_revision.load(Ordering::Acquire))
    }

    /// If an append was refused since the decider has changed: waits until that is known here, which is a moment after
    /// it is in the log. Decided again before that, it would be refused again.
    pub async fn follow(&self, result: &Result<Appended, AppendError>) {
        let Err(AppendError::Rejected(refused)) = result else { return };
        let Some(wrong) = refused.wrong_revisions.iter().find(|wrong| wrong.stream == self.control) else { return };
        for _ in 0..LOOKS {
            if self.is_closed() || Some(self.control_revision()) >= wrong.current {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
