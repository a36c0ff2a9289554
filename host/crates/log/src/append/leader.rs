//! The leader protocol: who commits, who syncs, and who looks again before going home. Nothing else is known here:
//! what a commit and a sync are, and on which thread they run, is [`Work`].
//!
//! Two duties go round among all callers of append. The *leader* commits what is queued; the *syncer* fsyncs what is
//! committed, and answers. A duty is one flag, so there are four states:
//!
//! | leading | syncing | who is at work | what comes next |
//! |---|---|---|---|
//! | no  | no  | nobody: nothing is queued or unsynced | the next caller takes the lead |
//! | yes | no  | the leader, or the task that it is handed to | it begins a sync, and only then gives up the lead |
//! | no  | yes | the syncer; requests gather | a commit is due (1), or the sync ends and the syncer looks at both |
//! | yes | yes | both, side by side | the leader leaves its answers to the syncer, or begins the next sync (2) |
//!
//! 1. As soon as as many are queued as wait for the disk: the caller that sees it takes the lead.
//! 2. Whichever ends first: the syncer looks at what is unsynced after its sync, the leader after its commit.
//!
//! | step | is taken by | needs | sets | then looks at |
//! |---|---|---|---|---|
//! | [`may_lead`](Leader::may_lead) | a caller, or the last to give a duty up | something queued, and due | leading | |
//! | [`may_sync`](Leader::may_sync) | leader and syncer, when done | something unsynced | syncing | |
//! | [`give_up_lead`](Leader::give_up_lead) | the leader | | not leading | the queue |
//! | [`end_sync`](Leader::end_sync) | the syncer | | not syncing | what is unsynced, and then the queue |
//!
//! Nobody sleeps in this protocol, so nobody may be forgotten: a caller that finds a duty taken has queued (or added)
//! before, and the one that has the duty looks again after it has given it up. Each of both flags is therefore
//! touched by atomic read-modify-write operations only, which have one order: one that finds the flag set comes
//! before the one that clears it, and what was queued before it is seen by the look that follows. `tests/leader.rs`
//! explores all that.
//!
//! Beside the duties there are two hints and an end. `crowded`: the last commit was for several, so the next one may
//! wait a moment for others, and a sync is left to a thread that serves nobody. `waiting`: how many answers wait for
//! the disk. `poisoned`: a write failed; from then on commits and syncs are skipped, and who waits finds the answer
//! gone.

use super::primitives::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// The work of the leader and the syncer.
pub trait Work {
    /// The answers of one commit.
    type Group;

    /// How many requests wait for a commit.
    fn queued(&self) -> usize;

    /// Commits what is queued, and hands the answers to [`Leader::add`]. Only one is under way at a time.
    fn commit(&self);

    /// Takes what is queued, and drops it.
    fn refuse(&self);

    /// Fsyncs what is committed, and answers. Only one is under way at a time.
    fn sync_and_answer(&self, groups: Vec<Self::Group>);

    /// Lets another task call [`Leader::lead`], so that those that are about to append are in its commit, too.
    /// `false`: there is none to do it.
    fn hand_over(&self) -> bool;

    /// Lets another thread call [`Leader::sync_for_all`]. `false`: there is none to do it.
    fn sync_elsewhere(&self) -> bool;

    /// Whether this thread serves others as well.
    fn serves_others(&self) -> bool;
}

/// The duties, and what waits for a sync.
pub struct Leader<G> {
    /// Whether somebody will look at the queue again.
    leading: AtomicBool,
    /// Whether somebody will look at `unsynced` again.
    syncing: AtomicBool,
    crowded: AtomicBool,
    poisoned: AtomicBool,
    /// How many wait for an answer, those of the sync that is under way included.
    waiting: AtomicUsize,
    unsynced: Mutex<Unsynced<G>>,
}

/// What is committed and not synced, in the order of the commits.
struct Unsynced<G> {
    groups: Vec<G>,
    answers: usize,
}

impl<G> Default for Unsynced<G> {
    fn default() -> Self {
        Self { groups: Vec::new(), answers: 0 }
    }
}

impl<G> Default for Leader<G> {
    fn default() -> Self {
        Self {
            leading: AtomicBool::new(false),
            syncing: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            unsynced: Mutex::new(Unsynced::default()),
        }
    }
}

impl<G> Leader<G> {
    /// To be called after a request was queued: sees to it that it is committed, by the caller or by another.
    pub fn queued(&self, work: &impl Work<Group = G>) {
        // Who is alone need not wait for others to come into the same commit.
        if self.may_lead(work) && !(self.is_crowded() && work.hand_over()) {
            self.lead(work);
        }
    }

    /// Does a commit, and the sync if nobody else does. Only for a caller that has the lead, or was handed it.
    pub fn lead(&self, work: &impl Work<Group = G>) {
        loop {
            if self.is_poisoned() {
                work.refuse();
            } else {
                work.commit();
            }
            let syncs = self.may_sync();
            self.give_up_lead();
            let mut goes_on = self.goes_on(work);
            if syncs && !(self.is_crowded() && work.sync_elsewhere()) {
                self.sync(work);
                goes_on = goes_on || self.goes_on(work);
            }
            if !goes_on {
                return;
            }
        }
    }

    /// Does a sync that another began, and what has gathered meanwhile.
    pub fn sync_for_all(&self, work: &impl Work<Group = G>) {
        self.sync(work);
        if self.goes_on(work) {
            self.lead(work);
        }
    }

    /// To be called by a commit, before it does anything: for how many it is.
    pub fn commits_for(&self, requests: usize) {
        self.crowded.store(requests > 1, Ordering::Relaxed);
    }

    /// To be called by a commit: these answers wait for the next sync.
    pub fn add(&self, group: G, answers: usize) {
        self.waiting.fetch_add(answers, Ordering::AcqRel);
        let mut unsynced = self.unsynced();
        unsynced.groups.push(group);
        unsynced.answers += answers;
    }

    /// Ends it all: nothing is committed or synced any more.
    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Whether a commit is due, and the caller is the one to do it. While the disk is busy with others, a commit is
    /// due once it is as large as those: the disk takes it with no more effort than a small one.
    fn may_lead(&self, work: &impl Work<Group = G>) -> bool {
        let queued = work.queued();
        queued > 0 && queued >= self.ahead() && !self.leading.swap(true, Ordering::AcqRel)
    }

    /// Whether something is unsynced, and the caller is the one to sync it.
    fn may_sync(&self) -> bool {
        !self.unsynced().groups.is_empty() && !self.syncing.swap(true, Ordering::AcqRel)
    }

    /// A caller that has found the lead taken had queued before this, so the caller has to look at the queue again.
    fn give_up_lead(&self) {
        self.leading.swap(false, Ordering::AcqRel);
    }

    /// A leader that has found a sync under way had added before this, and a caller to whom a commit was not due had
    /// queued, so the caller has to look at both again.
    fn end_sync(&self, answered: usize) {
        self.waiting.fetch_sub(answered, Ordering::AcqRel);
        self.syncing.swap(false, Ordering::AcqRel);
    }

    /// Whether the caller has to do the next commit, too, since there is nobody else.
    fn goes_on(&self, work: &impl Work<Group = G>) -> bool {
        self.may_lead(work) && !work.hand_over()
    }

    /// Does the sync that the caller has begun, and the next one if there is nobody else.
    fn sync(&self, work: &impl Work<Group = G>) {
        loop {
            let Unsynced { groups, answers } = std::mem::take(&mut *self.unsynced());
            // After a failed sync a second one may succeed without the disk having what the first one lost. So
            // nothing is asked of the disk any more; who waits finds the answer gone, and that is what it means.
            if !self.is_poisoned() {
                work.sync_and_answer(groups);
            }
            self.end_sync(answers);
            if !self.may_sync() {
                return;
            }
            // Nobody serves all the others before they hear of their own append.
            if work.serves_others() && work.sync_elsewhere() {
                return;
            }
        }
    }

    /// How many wait for a sync that is under way, or for the next one then; 0 if none is.
    fn ahead(&self) -> usize {
        // Written back as it is: so it comes before or after the end of a sync, and not beside it.
        if self.syncing.fetch_or(false, Ordering::AcqRel) { self.waiting.load(Ordering::Acquire) } else { 0 }
    }

    /// A panic while the lock was held cannot have left it half done.
    fn unsynced(&self) -> MutexGuard<'_, Unsynced<G>> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
