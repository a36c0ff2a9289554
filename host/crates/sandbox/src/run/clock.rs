//! The clock of running calls: it ticks while there are any, and at each tick they are asked whether they may go on.
//!
//! Fuel decides how much a guest computes, the same on any machine. The clock is only for ending a call that nobody
//! waits for any more, or that takes too long: what is ended is done again, or is an error, and never in the rows.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::Engine;

use crate::error::Error;

/// How long a call goes on at most after its end is wanted.
const TICK: Duration = Duration::from_millis(10);

/// Ticks for all calls of an engine. Its thread ends with it.
pub struct Clock(Arc<Shared>);

#[derive(Default)]
struct Shared {
    calls: AtomicUsize,
    is_over: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Shared {
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// A call that is running, until it is dropped.
pub struct Ticks<'a>(&'a Shared);

impl Clock {
    pub fn start(engine: &Engine) -> Result<Self, Error> {
        let (shared, engine) = (Arc::<Shared>::default(), engine.weak());
        let clock = Self(Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("guest clock".into()).spawn(move || {
            while !shared.is_over.load(Ordering::Relaxed) {
                if shared.calls.load(Ordering::SeqCst) == 0 {
                    std::thread::park();
                    continue;
                }
                std::thread::sleep(TICK);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        });
        let thread = thread.map_err(|cause| Error::Engine(format!("its clock cannot run: {cause}")))?;
        let _ = clock.0.thread.set(thread.thread().clone());
        // It may have found nothing to do before anybody could wake it.
        clock.0.wake();
        Ok(clock)
    }

    /// A call begins.
    pub fn begin(&self) -> Ticks<'_> {
        if self.0.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            self.0.wake();
        }
        Ticks(&self.0)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
        self.0.wake();
    }
}

impl Drop for Ticks<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}
