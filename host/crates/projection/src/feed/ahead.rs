//! A feed that reads ahead: a second thread reads, checks and upcasts the next windows while the guest applies the ones
//! before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use kinora_log as log;
use kinora_sandbox::Failure;
use kinora_types::Progress;

use crate::feed::dealer::Dealer;
use crate::feed::routes::Routes;
use crate::feed::source::Source;
use crate::feed::window::{Feed, Window};
use crate::throttle::Throttle;

/// Windows that wait for the guest: enough to bridge a commit's small pauses, few enough to stay small.
const WINDOWS_AHEAD: usize = 3;

/// Events to go from which on a second thread reads ahead.
const AHEAD_FROM_EVENTS: u64 = 16_384;

/// A feed that reads ahead while there is far to go.
pub struct ReadAhead {
    source: Source,
    ahead: Option<Ahead>,
    /// Events of a window that is read ahead.
    window_events: Arc<AtomicUsize>,
    /// What the second thread works under.
    pub throttle: Option<Throttle>,
}

impl ReadAhead {
    pub fn new(source: Source, window_events: Arc<AtomicUsize>) -> Self {
        Self { source, ahead: None, window_events, throttle: None }
    }

    pub fn routes(&self) -> &Routes {
        self.source.routes()
    }

    /// From now on, windows of more than one event are dealt out, or no longer.
    pub fn deal(&mut self, dealer: Option<Dealer>) {
        self.forget();
        self.source.deal(dealer);
    }

    /// Forgets what has been read ahead.
    pub fn forget(&mut self) {
        self.ahead = None;
    }
}

impl Feed for ReadAhead {
    /// One event alone is never read ahead.
    fn fill(&mut self, window: &mut Window, from: Progress, upto: Progress, limit: usize) -> Result<(), Failure> {
        let alone = limit == 1;
        if alone || self.ahead.as_ref().is_some_and(|ahead| ahead.upto > upto) {
            self.ahead = None;
        }
        if !alone && self.ahead.is_none() && upto.0 - from.0 >= AHEAD_FROM_EVENTS {
            let (source, limit) = (self.source.clone(), Arc::clone(&self.window_events));
            self.ahead = Some(Ahead::start(source, from, upto, limit, self.throttle.clone())?);
        }
        match self.ahead.as_ref().and_then(|ahead| Some((ahead.next()?, ahead))) {
            Some((Ok(taken), ahead)) => {
                ahead.give_back(std::mem::replace(window, taken));
                Ok(())
            }
            Some((Err(error), _)) => Err(Failure::storage(error)),
            None => {
                self.ahead = None;
                self.source.fill(window, from, upto, limit)
            }
        }
    }

    fn restart(&mut self) {
        self.forget();
        self.source.restart();
    }
}

/// Reads a range of the log ahead of whoever takes its windows.
struct Ahead {
    upto: Progress,
    /// `None` only while this ends.
    windows: Option<Receiver<Result<Window, log::Error>>>,
    used: Sender<Window>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts to read from `from` up to `upto`, in windows of `limit` events, which may change meanwhile.
    fn start(
        mut source: Source,
        from: Progress,
        upto: Progress,
        limit: Arc<AtomicUsize>,
        throttle: Option<Throttle>,
    ) -> Result<Self, Failure> {
        let (hand_over, windows): (SyncSender<_>, _) = sync_channel(WINDOWS_AHEAD);
        let (used, back) = channel::<Window>();
        let name = format!("ahead {}", std::thread::current().name().unwrap_or_default());
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let limit = || limit.load(Ordering::Relaxed);
            let begin = || throttle.as_ref().map(Throttle::work);
            let mut work = begin();
            let taken = |window| {
                work = None;
                hand_over.send(Ok(window)).ok()?;
                work = begin();
                Some(back.try_recv().unwrap_or_default())
            };
            if let Err(error) = source.windows(Window::default(), from, upto, limit, taken) {
                // Whoever no longer waits has no use for it.
                let _ = hand_over.send(Err(error));
            }
        });
        let thread = thread.map_err(Failure::storage)?;
        Ok(Self { upto, windows: Some(windows), used, thread: Some(thread) })
    }

    /// The next window, or `None` after the last one.
    fn next(&self) -> Option<Result<Window, log::Error>> {
        self.windows.as_ref()?.recv().ok()
    }

    /// Takes back a window, for its memory.
    fn give_back(&self, window: Window) {
        // A thread that is done has no use for it.
        let _ = self.used.send(window);
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // A thread that waits to hand a window over hears that nobody takes it.
        self.windows = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
