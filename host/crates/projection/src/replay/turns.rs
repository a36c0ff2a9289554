//! Turns of replays, which give way to everybody else.
//!
//! A host goes on appending and answering while versions replay. So a replay runs on a thread of low priority, and only
//! so many replays run at once: the others wait in a line, and each that has made a commit lets the next one in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::throttle::Throttle;

/// Replays that run at once: each has a guest, rows that wait for a commit, and up to two threads. More of them would
/// be no faster on few cores, and take more memory than a host promises to.
pub const REPLAYS_AT_ONCE: usize = 2;

/// How much a thread of a replay gives way, as `nice` counts: a thread of the host's own gets about ten times as much.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The turns of a host's replays. Cheap to clone.
#[derive(Clone)]
pub struct Turns {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    throttle: Throttle,
}

/// A replay's turn, until it is dropped.
pub struct Turn {
    throttle: Throttle,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// What the threads of the replay work under.
    pub fn throttle(&self) -> Throttle {
        self.throttle.clone()
    }
}

/// Counts somebody who waits, for as long as they do.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    pub fn new(throttle: Throttle) -> Self {
        Self { free: Arc::new(Semaphore::new(REPLAYS_AT_ONCE)), waiting: Arc::default(), throttle }
    }

    /// What the threads of replays work under.
    pub fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// Waits in the line. `None` never happens: nobody closes it.
    pub async fn next(&self) -> Option<Turn> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(Turn { throttle: self.throttle.clone(), _permit: permit })
    }

    /// Whether somebody waits for a turn.
    pub fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// From here on the calling thread, and those that it starts, get what others leave. There is no way back without
/// privileges. Only Linux does this for a thread rather than the whole process.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(cause) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%cause, "a replay runs with the priority of everybody else");
    }
}
