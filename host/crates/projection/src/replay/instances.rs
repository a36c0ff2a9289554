//! Instances side by side: a projector that declares that each row depends on one partition only is replayed by several
//! instances, each with its share of the partitions, on a thread of its own.
//!
//! Between two commits no instance sees what another one has written. At a commit all of them hand over what they left,
//! which is joined; a row from two of them shows that the declaration is not true.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use kinora_sandbox::{Batch, Category, Failure, TextsTooLong};
use kinora_types::Progress;

use crate::replay::sink::{Guest, Sink};
use crate::throttle::Throttle;

/// Batches that wait for an instance.
const BATCHES_AHEAD: usize = 2;

/// Bytes of events from which on an instance gathers no more.
const GATHERED_BYTES: usize = 8 << 20;

/// A batch that failed: the windows that it is from, and why.
pub struct Failed {
    pub from: Progress,
    pub next: Progress,
    /// Whether it was of more than one window.
    pub is_gathered: bool,
    pub failure: Failure,
}

enum Job<P> {
    Apply { events: Box<Batch>, from: Progress, next: Progress },
    Flush(SyncSender<Result<P, Failure>>),
}

/// What an instance shows while it works.
#[derive(Default)]
struct Shown {
    memory: AtomicUsize,
    pending: AtomicUsize,
}

/// Instances that work side by side.
pub struct Instances<S: Sink> {
    instances: Vec<Instance<S::Pending>>,
    /// Once something is in here, nobody applies any more.
    failed: Arc<Mutex<Vec<Failed>>>,
}

struct Instance<P> {
    /// `None` only while this ends.
    jobs: Option<SyncSender<Job<P>>>,
    thread: Option<JoinHandle<()>>,
    shown: Arc<Shown>,
}

impl<S: Sink> Instances<S> {
    /// Starts `count` threads. Each gathers the events of as many windows as `gather` says before it applies them.
    pub fn start(
        sink: &S,
        count: usize,
        gather: &Arc<AtomicUsize>,
        throttle: Option<&Throttle>,
    ) -> Result<Self, Failure> {
        let failed: Arc<Mutex<Vec<Failed>>> = Arc::default();
        let start = |number: usize| {
            let sink = sink.beside(count);
            let shown = Arc::<Shown>::default();
            let (jobs, received) = sync_channel(BATCHES_AHEAD);
            let worker = Worker {
                guest: sink.instance()?,
                sink,
                shown: Arc::clone(&shown),
                failed: Arc::clone(&failed),
                gather: Arc::clone(gather),
                gathered: None,
                throttle: throttle.cloned(),
            };
            let thread = std::thread::Builder::new().name(format!("share {number}"));
            let span = tracing::Span::current();
            let thread = thread.spawn(move || span.in_scope(|| worker.run(&received))).map_err(Failure::storage)?;
            Ok(Instance { jobs: Some(jobs), thread: Some(thread), shown })
        };
        Ok(Self { instances: (0..count).map(start).collect::<Result<_, Failure>>()?, failed })
    }

    /// Gives each instance its share of a window. Whether it could be applied is known later.
    pub fn apply(&self, dealt: Vec<Batch>, from: Progress, next: Progress) {
        for (instance, events) in self.instances.iter().zip(dealt) {
            if !events.is_empty()
                && let Some(jobs) = &instance.jobs
            {
                // A thread that has ended has said why.
                let _ = jobs.send(Job::Apply { events: Box::new(events), from, next });
            }
        }
    }

    pub fn has_failed(&self) -> bool {
        !self.failed().is_empty()
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Vec<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all instances, and gives the first window that one of them failed at.
    pub fn end(mut self) -> Option<Failed> {
        self.instances.clear();
        self.failed().drain(..).min_by_key(|failed| failed.from)
    }

    /// Has all that is held back handed over, and joins it. All that was given before has been applied then.
    pub fn flush(&self, into: &mut S) -> Result<(), Failure> {
        let asked = self.instances.iter().map(|instance| {
            let (answer, answered) = sync_channel(1);
            let sent = instance.jobs.as_ref().is_some_and(|jobs| jobs.send(Job::Flush(answer)).is_ok());
            sent.then_some(answered)
        });
        let asked: Vec<_> = asked.collect();
        let parts = asked.into_iter().map(|answered| {
            let answer = answered.and_then(|answered| answered.recv().ok());
            answer.unwrap_or_else(|| Err(Failure::storage("a thread of a partition ended")))
        });
        into.join(parts.collect::<Result<_, _>>()?)
    }

    /// Bytes of guest memory, of all together.
    pub fn memory(&self) -> usize {
        self.instances.iter().map(|instance| instance.shown.memory.load(Ordering::Relaxed)).sum()
    }

    /// Bytes of rows that wait for a commit.
    pub fn pending(&self) -> usize {
        self.instances.iter().map(|instance| instance.shown.pending.load(Ordering::Relaxed)).sum()
    }
}

impl<P> Drop for Instance<P> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker<S: Sink> {
    guest: S::Guest,
    sink: S,
    shown: Arc<Shown>,
    failed: Arc<Mutex<Vec<Failed>>>,
    gather: Arc<AtomicUsize>,
    gathered: Option<Gathered>,
    throttle: Option<Throttle>,
}

/// The share of several windows.
struct Gathered {
    events: Box<Batch>,
    from: Progress,
    next: Progress,
    windows: usize,
}

impl<S: Sink> Worker<S> {
    fn run(mut self, jobs: &Receiver<Job<S::Pending>>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Apply { events, from, next } => {
                    self.gather(events, from, next);
                    let most = self.gather.load(Ordering::Relaxed);
                    let is_enough = |gathered: &Gathered| {
                        gathered.windows >= most || gathered.events.text_bytes() >= GATHERED_BYTES
                    };
                    if self.gathered.as_ref().is_some_and(is_enough) {
                        self.apply();
                    }
                }
                Job::Flush(answer) => {
                    self.apply();
                    // Whoever asks sees that something has failed.
                    let flushed = if self.has_failed() { Ok(()) } else { self.flush() };
                    let _ = answer.send(flushed.map(|()| self.sink.take()));
                }
            }
            self.shown.memory.store(self.guest.memory_bytes(), Ordering::Relaxed);
            self.shown.pending.store(self.sink.pending_bytes(), Ordering::Relaxed);
        }
    }

    fn gather(&mut self, events: Box<Batch>, from: Progress, next: Progress) {
        let Some(gathered) = &mut self.gathered else {
            self.gathered = Some(Gathered { events, from, next, windows: 1 });
            return;
        };
        if let Err(cause) = gathered.append(&events, next) {
            let failure = Failure::new(Category::Rule, cause.to_string());
            self.gathered = None;
            self.failed().push(Failed { from, next, failure, is_gathered: true });
        }
    }

    fn apply(&mut self) {
        let Some(Gathered { events, from, next, windows }) = self.gathered.take() else { return };
        let _work = self.throttle.as_ref().map(Throttle::work);
        // What comes after a failure is done again.
        if !self.has_failed()
            && let Err(failure) = self.guest.apply(&events)
        {
            self.failed().push(Failed { from, next, failure, is_gathered: windows > 1 });
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let _work = self.throttle.as_ref().map(Throttle::work);
        self.guest.flush()
    }

    fn has_failed(&self) -> bool {
        !self.failed().is_empty()
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Vec<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    /// Takes up the next window.
    fn append(&mut self, events: &Batch, next: Progress) -> Result<(), TextsTooLong> {
        self.next = next;
        self.windows += 1;
        self.events.append(events)
    }
}
