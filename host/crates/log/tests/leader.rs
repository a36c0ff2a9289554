//! The leader protocol under a model checker: every order in which a few threads can take its steps, and every value
//! that the memory model lets them read. The protocol is the very file of the log, with the primitives of `loom`
//! under it; commits, syncs and other threads are played here.
#![allow(clippy::unwrap_used)]

#[path = "../src/append/leader.rs"]
mod leader;

/// What `leader` is built on.
mod primitives {
    pub use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub use loom::sync::{Mutex, MutexGuard};
    pub use std::sync::PoisonError;
}

// What is only noted here is kept by the standard library: the model checker knows nothing of it, and so takes no
// order from it.
use std::sync::{Arc, Mutex};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::{self, JoinHandle};

use leader::{Leader, Work};

/// How often a thread may be stopped for another though it could go on. With more the exploration takes minutes.
const PREEMPTIONS: usize = 3;

/// What a log has around it.
#[derive(Clone, Default)]
struct Setting {
    /// Requests that are queued when the first append comes.
    queued: usize,
    /// Whether the last commit was for several.
    crowded: bool,
    /// Threads that can still take over a commit, and a sync.
    leaders: usize,
    syncers: usize,
    /// Whether those who append serve others as well.
    serves_others: bool,
    /// The sync that fails, from 1.
    fails: usize,
}

/// The answers of a commit. Those that it is dropped with are gone.
struct Group {
    requests: Vec<usize>,
    commit: usize,
    gone: Arc<Mutex<Vec<usize>>>,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.gone.lock().unwrap().append(&mut self.requests);
    }
}

#[derive(Default)]
struct Noted {
    commits: usize,
    syncs: usize,
    /// The last commit that was answered.
    synced: usize,
    answered: Vec<usize>,
    threads: Vec<JoinHandle<()>>,
}

/// A log without events.
#[derive(Clone)]
struct Log(Arc<Shared>);

struct Shared {
    leader: Leader<Group>,
    queue: loom::sync::Mutex<Vec<usize>>,
    /// What each duty counts. It is read and written without any order: only the duty itself sees to it that the next
    /// one finds what the one before left.
    commits: AtomicUsize,
    syncs: AtomicUsize,
    setting: Mutex<Setting>,
    noted: Mutex<Noted>,
    gone: Arc<Mutex<Vec<usize>>>,
}

impl Log {
    fn new(setting: &Setting) -> Self {
        let log = Self(Arc::new(Shared {
            leader: Leader::default(),
            queue: loom::sync::Mutex::new((0..setting.queued).collect()),
            commits: AtomicUsize::new(0),
            syncs: AtomicUsize::new(0),
            setting: Mutex::new(setting.clone()),
            noted: Mutex::default(),
            gone: Arc::default(),
        }));
        log.0.leader.commits_for(if setting.crowded { 2 } else { 1 });
        log
    }

    fn append(&self, request: usize) {
        self.0.queue.lock().unwrap().push(request);
        self.0.leader.queued(self);
    }

    fn begin(&self, duty: impl FnOnce(&Self) + 'static) {
        let log = self.clone();
        let thread = thread::spawn(move || duty(&log));
        self.0.noted.lock().unwrap().threads.push(thread);
    }

    /// Takes what is queued, whose answers are gone.
    fn clear(&self) {
        let mut queued = std::mem::take(&mut *self.0.queue.lock().unwrap());
        self.0.gone.lock().unwrap().append(&mut queued);
    }

    /// Waits until all have gone home. Then nobody has been forgotten.
    fn settle(&self, requests: usize, fails: bool) {
        loop {
            let thread = self.0.noted.lock().unwrap().threads.pop();
            let Some(thread) = thread else { break };
            thread.join().unwrap();
        }
        assert!(self.0.queue.lock().unwrap().is_empty(), "requests are left in the queue");
        let gone = self.0.gone.lock().unwrap().clone();
        assert!(fails || gone.is_empty(), "answers of a sound log are gone: {gone:?}");
        let mut all = self.0.noted.lock().unwrap().answered.clone();
        all.extend(gone);
        all.sort_unstable();
        assert_eq!(all, (0..requests).collect::<Vec<_>>(), "each hears once");
    }
}

/// Counts one more, as the only one who does.
fn count(shared: &AtomicUsize, noted: &mut usize) -> usize {
    let before = shared.load(Ordering::Relaxed);
    assert_eq!(before, *noted, "two have the same duty, or one does not see what the other did");
    *noted += 1;
    before + 1
}

impl Work for Log {
    type Group = Group;

    fn queued(&self) -> usize {
        self.0.queue.lock().unwrap().len()
    }

    fn commit(&self) {
        let requests = std::mem::take(&mut *self.0.queue.lock().unwrap());
        if requests.is_empty() {
            return;
        }
        self.0.leader.commits_for(requests.len());
        let commit = count(&self.0.commits, &mut self.0.noted.lock().unwrap().commits);
        self.0.commits.store(commit, Ordering::Relaxed);
        let answers = requests.len();
        self.0.leader.add(Group { requests, commit, gone: Arc::clone(&self.0.gone) }, answers);
    }

    fn refuse(&self) {
        self.clear();
    }

    fn sync_and_answer(&self, groups: Vec<Group>) {
        let sync = count(&self.0.syncs, &mut self.0.noted.lock().unwrap().syncs);
        let committed = self.0.commits.load(Ordering::Relaxed);
        self.0.syncs.store(sync, Ordering::Relaxed);
        if sync == self.0.setting.lock().unwrap().fails {
            self.0.leader.poison();
            return self.clear();
        }
        assert!(!self.0.leader.is_poisoned(), "the disk is asked again after it has failed");
        for mut group in groups {
            let mut noted = self.0.noted.lock().unwrap();
            assert!(group.commit <= committed, "it is answered before it is on the disk");
            assert_eq!(group.commit, noted.synced + 1, "commits are answered in their order");
            noted.synced = group.commit;
            noted.answered.append(&mut group.requests);
        }
    }

    fn hand_over(&self) -> bool {
        let Some(left) = self.0.setting.lock().unwrap().leaders.checked_sub(1) else { return false };
        self.0.setting.lock().unwrap().leaders = left;
        self.begin(|log| log.0.leader.lead(log));
        true
    }

    fn sync_elsewhere(&self) -> bool {
        let Some(left) = self.0.setting.lock().unwrap().syncers.checked_sub(1) else { return false };
        self.0.setting.lock().unwrap().syncers = left;
        self.begin(|log| log.0.leader.sync_for_all(log));
        true
    }

    fn serves_others(&self) -> bool {
        self.0.setting.lock().unwrap().serves_others
    }
}

/// Explores a log to which so many append, each from a thread of its own.
fn explore(appends: usize, setting: Setting) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    model.check(move || {
        let log = Log::new(&setting);
        for other in 1..appends {
            let request = setting.queued + other;
            log.begin(move |log| log.append(request));
        }
        log.append(setting.queued);
        log.settle(setting.queued + appends, setting.fails > 0);
    });
}

#[test]
fn nobody_is_forgotten_where_each_does_its_own_work() {
    explore(3, Setting::default());
}

#[test]
fn nobody_is_forgotten_who_gathers_behind_a_large_sync() {
    explore(3, Setting { queued: 2, ..Setting::default() });
}

#[test]
fn nobody_is_forgotten_where_another_thread_syncs() {
    let setting = Setting { queued: 1, crowded: true, syncers: 2, serves_others: true, ..Setting::default() };
    explore(2, setting.clone());
    explore(2, Setting { serves_others: false, ..setting });
}

#[test]
fn nobody_is_forgotten_where_another_task_commits() {
    explore(2, Setting { crowded: true, leaders: 2, ..Setting::default() });
    explore(2, Setting { queued: 1, crowded: true, leaders: 1, syncers: 1, serves_others: true, ..Setting::default() });
}

#[test]
fn everybody_hears_of_a_sync_that_fails() {
    explore(3, Setting { fails: 1, ..Setting::default() });
    explore(2, Setting { queued: 1, crowded: true, syncers: 2, serves_others: true, fails: 1, ..Setting::default() });
    explore(2, Setting { queued: 1, crowded: true, leaders: 2, fails: 2, ..Setting::default() });
}
