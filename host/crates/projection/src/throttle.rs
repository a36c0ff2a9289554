//! The throttle of replays: they leave a core to clients while there are any.
//!
//! Low priority alone is not enough: an append waits for its sync, and a sync for threads of the kernel, which have to
//! find a core that is not taken. With replays on all cores they were seen to wait for more than a tenth of a second.
//! So while events are appended or queries answered, the threads of all replays take turns on all cores but one. Nobody
//! is slowed down where nobody is served.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use kinora_types::Progress;

/// How long after an append or a query clients are taken to be there.
const SERVED_TIME: Duration = Duration::from_millis(500);

/// How often a thread that waits looks whether clients are still there.
const LOOK_TIME: Duration = Duration::from_millis(20);

/// How long a thread waits at most. A stretch of work is shorter, unless a guest makes it longer: others are not to
/// wait for it.
const PATIENCE: Duration = Duration::from_millis(200);

/// One for all replays of a host. Cheap to clone.
#[derive(Clone)]
pub struct Throttle(Arc<Inner>);

struct Inner {
    cores: usize,
    patience: Duration,
    /// Where the log ends: it moves with each append.
    log: watch::Receiver<Progress>,
    seen: AtomicU64,
    started: Instant,
    /// When somebody was served last, in milliseconds since the start.
    served: AtomicU64,
    working: Mutex<usize>,
    freed: Condvar,
}

/// A stretch of work on a core, until it is dropped. Whoever has one waits for nobody else who needs one.
pub struct Work<'a>(&'a Inner);

impl Throttle {
    /// `log` says where the log ends; replays take so many cores while clients are served.
    pub fn new(log: watch::Receiver<Progress>, cores: usize) -> Self {
        Self::patient(log, cores, PATIENCE)
    }

    fn patient(log: watch::Receiver<Progress>, cores: usize, patience: Duration) -> Self {
        let seen = AtomicU64::new(log.borrow().0);
        // Nobody has been served yet.
        let started = Instant::now().checked_sub(SERVED_TIME).unwrap_or_else(Instant::now);
        let (served, working, freed) = (AtomicU64::default(), Mutex::default(), Condvar::default());
        Self(Arc::new(Inner { cores: cores.max(1), patience, log, seen, started, served, working, freed }))
    }

    /// Somebody has asked for something, and waits for the answer.
    pub fn serve(&self) {
        self.0.served.store(self.0.now(), Ordering::Relaxed);
    }

    /// Begins a stretch of work, of some milliseconds. Waits for a core while clients are served.
    pub fn work(&self) -> Work<'_> {
        let inner = &*self.0;
        let asked = Instant::now();
        let mut working = inner.working.lock().unwrap_or_else(PoisonError::into_inner);
        while *working >= inner.cores && inner.serves() && asked.elapsed() < inner.patience {
            working = inner.freed.wait_timeout(working, LOOK_TIME).unwrap_or_else(PoisonError::into_inner).0;
        }
        *working += 1;
        Work(inner)
    }
}

impl Inner {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn serves(&self) -> bool {
        let (now, head) = (self.now(), self.log.borrow().0);
        if self.seen.swap(head, Ordering::Relaxed) != head {
            self.served.store(now, Ordering::Relaxed);
        }
        u128::from(now.saturating_sub(self.served.load(Ordering::Relaxed))) < SERVED_TIME.as_millis()
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        *self.0.working.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Longer than any test takes.
    const FOR_EVER: Duration = Duration::from_secs(600);

    /// Lets four threads work, and calls `meanwhile` before each stretch. Gives how many worked at once, at most.
    fn most_at_once(throttle: &Throttle, stretches: usize, meanwhile: impl Fn() + Sync) -> usize {
        let (working, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..stretches {
                        meanwhile();
                        let _work = throttle.work();
                        most.fetch_max(working.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(1));
                        working.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        most.into_inner()
    }

    #[test]
    fn no_more_cores_are_taken_while_clients_are_served() {
        let (head, log) = watch::channel(Progress(7));
        for cores in [0, 1, 2] {
            let throttle = Throttle::patient(log.clone(), cores, FOR_EVER);
            throttle.serve();
            assert!(most_at_once(&throttle, 25, || throttle.serve()) <= cores.max(1), "queries, {cores}");
            let throttle = Throttle::patient(log.clone(), cores, FOR_EVER);
            let append = || head.send_modify(|head| head.0 += 1);
            append();
            assert!(most_at_once(&throttle, 25, append) <= cores.max(1), "appends, {cores}");
        }
    }

    #[test]
    fn nobody_waits_where_nobody_is_served() {
        let (_head, log) = watch::channel(Progress(7));
        let throttle = Throttle::patient(log, 1, FOR_EVER);
        let all = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let _work = throttle.work();
                    all.wait();
                });
            }
        });
        // Who waits goes on once the clients are gone.
        throttle.serve();
        let _work = throttle.work();
        drop(throttle.work());
    }

    #[test]
    fn nobody_waits_for_a_guest_that_does_not_come_to_an_end() {
        let (_head, log) = watch::channel(Progress(7));
        let throttle = Throttle::patient(log, 1, Duration::from_millis(1));
        let _endless = throttle.work();
        for _ in 0..10 {
            throttle.serve();
            drop(throttle.work());
        }
    }
}
