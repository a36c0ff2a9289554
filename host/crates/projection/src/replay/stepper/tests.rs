//! Effects as a sink, as a process manager would have them: what guests ask for is committed with the checkpoint, once,
//! whatever the pace and whatever fails on the way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinora_readmodel::Snapshot;
use kinora_sandbox::Batch;

use super::*;
use crate::record::pace::FixedPace;
use crate::replay::sink::Commit;

const EVENTS: u64 = 100;

const PACES: [FixedPace; 5] = [
    FixedPace { batch: 1, commit: 1, fresh: true, shares: 1 },
    FixedPace { batch: 7, commit: 7, fresh: true, shares: 1 },
    FixedPace { batch: 3, commit: 50, fresh: false, shares: 1 },
    FixedPace { batch: 1_000, commit: 1_000, fresh: false, shares: 1 },
    FixedPace { batch: 10, commit: 30, fresh: false, shares: 3 },
];

/// Numbers as events, and one of them without a route.
struct Numbers {
    shares: u64,
    unknown: Option<u64>,
}

impl Feed for Numbers {
    fn fill(&mut self, window: &mut Window, from: Progress, upto: Progress, limit: usize) -> Result<(), Failure> {
        *window = Window { from, next: upto.min(Progress(from.0 + limit as u64)), ..Window::default() };
        if let Some(unknown) = self.unknown.filter(|unknown| *unknown < window.next.0) {
            window.next = Progress(unknown);
            let failure = Failure::new(Category::UnknownEvent, "nobody knows it").at(Position(unknown));
            window.unknown = Some((failure, None));
        }
        let positions: Vec<u64> = (from.0..window.next.0).collect();
        window.first = positions.first().copied().map(Position);
        let batch = |positions| Batch { positions, ..Batch::default() };
        if self.shares == 1 || positions.len() < 2 {
            window.events = batch(positions);
        } else {
            let of = |share| positions.iter().copied().filter(|position| position % self.shares == share).collect();
            window.dealt = (0..self.shares).map(|share| batch(of(share))).collect();
        }
        Ok(())
    }

    fn restart(&mut self) {}
}

/// What makes an instance fail: the batch, and how many events it has had before.
type Fails = Arc<dyn Fn(&[u64], usize) -> bool + Send + Sync>;

type Effects = Arc<Mutex<Vec<u64>>>;

struct Instance {
    fails: Fails,
    had: usize,
    held_back: Vec<u64>,
    pending: Effects,
}

impl Guest for Instance {
    fn apply(&mut self, events: &Batch) -> Result<(), Failure> {
        if (self.fails)(&events.positions, self.had) {
            return Err(Failure::new(Category::Panic, "as it was told"));
        }
        self.had += events.positions.len();
        self.held_back.extend(&events.positions);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.pending.lock().unwrap().append(&mut self.held_back);
        Ok(())
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }

    fn memory_bytes(&self) -> usize {
        0
    }
}

/// An effect for each event.
struct EffectSink {
    fails: Fails,
    pending: Effects,
    /// The most effects that one commit takes.
    most: usize,
    committed: Arc<Mutex<(Vec<u64>, Progress)>>,
}

impl Sink for EffectSink {
    type Guest = Instance;
    type Pending = Vec<u64>;

    fn instance(&self) -> Result<Instance, Failure> {
        let (fails, pending) = (Arc::clone(&self.fails), Arc::clone(&self.pending));
        Ok(Instance { fails, had: 0, held_back: Vec::new(), pending })
    }

    fn beside(&self, _: usize) -> Self {
        let (fails, committed) = (Arc::clone(&self.fails), Arc::clone(&self.committed));
        Self { fails, pending: Effects::default(), most: self.most, committed }
    }

    fn take(&mut self) -> Vec<u64> {
        std::mem::take(&mut *self.pending.lock().unwrap())
    }

    fn join(&mut self, parts: Vec<Vec<u64>>) -> Result<(), Failure> {
        self.pending.lock().unwrap().extend(parts.into_iter().flatten());
        Ok(())
    }

    fn pending_bytes(&self) -> usize {
        self.pending.lock().unwrap().len()
    }

    fn reads_since(&self) -> (u64, u64) {
        (0, 0)
    }

    fn is_stepwise(&self) -> bool {
        false
    }

    fn commit(&mut self, progress: Progress, _: Commit<'_>) -> Result<(), Failure> {
        if self.pending_bytes() > self.most {
            return Err(Failure::new(Category::Rule, "too many at once"));
        }
        let effects = self.take();
        let mut committed = self.committed.lock().unwrap();
        committed.0.extend(effects);
        committed.1 = progress;
        Ok(())
    }

    fn settle(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn rewind(&mut self) {
        self.take();
    }

    fn checkpoint(&self) -> Result<Progress, Failure> {
        Ok(self.committed.lock().unwrap().1)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn begin_replay(&self) {}

    fn pause_replay(&self) {}

    fn end_replay(&self) -> Result<Duration, Failure> {
        Ok(Duration::ZERO)
    }

    fn snapshot(&self) -> Result<Snapshot, Failure> {
        Err(Failure::storage("effects are no rows"))
    }
}

/// Goes through all events, and says what was committed, and why not more.
fn run(pace: FixedPace, fails: Fails, most: usize, unknown: Option<u64>) -> (Vec<u64>, Progress, Option<Stop>) {
    let committed = Arc::<Mutex<(Vec<u64>, Progress)>>::default();
    let sink = EffectSink { fails, pending: Effects::default(), most, committed: Arc::clone(&committed) };
    let feed = Numbers { shares: pace.shares as u64, unknown };
    let room = Room { memory_bytes: usize::MAX, pending_bytes: usize::MAX };
    let mut stepper = Stepper::new(feed, pace, sink, room, Progress::default());
    let mut stop = None;
    for _ in 0..10 * EVENTS {
        if stepper.applied() == Progress(EVENTS) || stop.is_some() {
            break;
        }
        stop = stepper.advance(Progress(EVENTS)).err();
    }
    assert!(stop.is_some() || stepper.committed() == Progress(EVENTS), "it comes to an end, {pace}");
    let (mut effects, checkpoint) = std::mem::take(&mut *committed.lock().unwrap());
    if pace.shares > 1 {
        effects.sort_unstable();
    }
    (effects, checkpoint, stop)
}

/// All before `end` have been committed, each once and in order, together with the checkpoint.
#[track_caller]
fn assert_committed((effects, checkpoint, stop): (Vec<u64>, Progress, Option<Stop>), end: u64) -> Option<Stop> {
    assert_eq!((effects, checkpoint), ((0..end).collect(), Progress(end)), "{stop:?}");
    stop
}

#[test]
fn effects_are_committed_once_with_the_checkpoint_at_any_pace() {
    for pace in PACES {
        assert!(assert_committed(run(pace, Arc::new(|_, _| false), usize::MAX, None), EVENTS).is_none());
    }
}

#[test]
fn what_fails_alone_is_the_fault_with_all_before_it_committed() {
    for (pace, bad) in PACES.into_iter().flat_map(|pace| [0, 1, 36, 63, 99].map(|bad| (pace, bad))) {
        let fails: Fails = Arc::new(move |events, _| events.contains(&bad));
        let stop = assert_committed(run(pace, fails, usize::MAX, None), bad);
        let Some(Stop::Alone { failure, first }) = stop else { panic!("{stop:?}") };
        assert_eq!((failure.category, first), (Category::Panic, Some(Position(bad))));
    }
}

#[test]
fn the_event_that_fails_is_found_by_halves() {
    let pace = FixedPace { batch: 1_000, commit: 1_000, fresh: false, shares: 1 };
    for bad in [0, 1, 36, 63, 99] {
        let calls = Arc::<AtomicUsize>::default();
        let called = Arc::clone(&calls);
        let fails: Fails = Arc::new(move |events, _| {
            called.fetch_add(1, Ordering::Relaxed);
            events.contains(&bad)
        });
        assert_committed(run(pace, fails, usize::MAX, None), bad);
        let calls = calls.load(Ordering::Relaxed);
        // All of them, seven halves of a hundred, and those that fail again with a fresh instance.
        assert!(calls <= 16, "{calls} calls for event {bad}");
    }
}

#[test]
fn what_fails_only_in_a_batch_passes() {
    for pace in PACES {
        let fails: Fails = Arc::new(|events, _| events.len() > 1 && events.contains(&36));
        assert!(assert_committed(run(pace, fails, usize::MAX, None), EVENTS).is_none());
    }
}

#[test]
fn what_an_instance_has_kept_does_not_decide_whether_an_event_passes() {
    for pace in PACES {
        let fails: Fails = Arc::new(|events, had| events.contains(&36) && had > 0);
        assert!(assert_committed(run(pace, fails, usize::MAX, None), EVENTS).is_none());
    }
}

#[test]
fn events_whose_commit_fails_are_committed_one_by_one() {
    for pace in PACES {
        assert!(assert_committed(run(pace, Arc::new(|_, _| false), 5, None), EVENTS).is_none());
    }
}

#[test]
fn an_event_without_a_route_stops_it_with_all_before_it_committed() {
    for (pace, unknown) in PACES.into_iter().flat_map(|pace| [0, 1, 36, 99].map(|unknown| (pace, unknown))) {
        let stop = assert_committed(run(pace, Arc::new(|_, _| false), usize::MAX, Some(unknown)), unknown);
        assert!(matches!(stop, Some(Stop::Unknown { .. })), "{stop:?}");
    }
}

#[test]
fn room_that_runs_out_has_a_commit_made() {
    let sink = EffectSink {
        fails: Arc::new(|_, _| false),
        pending: Effects::default(),
        most: usize::MAX,
        committed: Arc::default(),
    };
    let pace = FixedPace { batch: 10, commit: 1_000, fresh: false, shares: 1 };
    let room = Room { memory_bytes: 0, pending_bytes: usize::MAX };
    let mut stepper = Stepper::new(Numbers { shares: 1, unknown: None }, pace, sink, room, Progress::default());
    stepper.advance(Progress(EVENTS)).unwrap();
    assert_eq!(stepper.committed(), Progress(10));
}
