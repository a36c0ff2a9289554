//! Reading ahead: a second thread reads, checks and upcasts the next windows while the guest applies the ones before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use kinora_log as log;
use kinora_sandbox::Failure;
use kinora_types::Progress;

use crate::feed::source::{Source, Window};
use crate::replay::throttle::Throttle;

/// Windows that wait for the guest: enough to bridge a commit's small pauses, few enough to stay small.
const WINDOWS_AHEAD: usize = 3;

/// Reads a range of the log ahead of whoever takes its windows.
pub struct Ahead {
    pub upto: Progress,
    /// `None` only while this ends.
    windows: Option<Receiver<Result<Window, log::Error>>>,
    used: Sender<Window>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts to read from `from` up to `upto`, in windows of `limit` events, which may change meanwhile.
    pub fn start(
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
    pub fn next(&self) -> Option<Result<Window, log::Error>> {
        self.windows.as_ref()?.recv().ok()
    }

    /// Takes back a window, for its memory.
    pub fn give_back(&self, window: Window) {
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
