//! Partitions side by side: a projector that declares that each row depends on one partition only is replayed by several
//! instances, each with its share of the partitions, on a thread of its own.
//!
//! Between two commits no instance sees what another one has written. At a commit all of them hand over their rows, which
//! are joined; a row from two of them shows that the declaration is not true.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use kinora_readmodel::Writes;
use kinora_sandbox::{Batch, Category, Failure, Partition, Projector, ProjectorPre, Texts, TextsTooLong};
use kinora_types::Progress;

use crate::replay::rows::VersionRows;
use crate::replay::throttle::Throttle;

/// Batches that wait for an instance.
const BATCHES_AHEAD: usize = 2;

/// Bytes of events from which on an instance gathers no more.
const GATHERED_BYTES: usize = 8 << 20;

/// Deals events out to instances by their partition.
#[derive(Clone)]
pub struct Dealer {
    by: Partition,
    instances: usize,
}

impl Dealer {
    /// `None` if there is nothing to deal out, or nobody to deal to.
    pub fn new(by: Option<&Partition>, instances: usize) -> Option<Self> {
        by.filter(|_| instances > 1).map(|by| Self { by: by.clone(), instances })
    }

    /// A batch for each instance. The events of a partition stay together, and in their order.
    pub fn deal(&self, events: &Batch) -> Result<Vec<Batch>, Failure> {
        let mut dealt: Vec<Batch> = std::iter::repeat_with(Batch::default).take(self.instances).collect();
        let lost = || Failure::new(Category::Rule, "a column is shorter than its batch");
        for index in 0..events.len() {
            let stream = events.streams.get(index).ok_or_else(lost)?;
            let name = match &self.by {
                Partition::Stream => stream,
                Partition::Tag(prefix) => first_tag(events.tags.get(index).unwrap_or_default(), prefix.as_bytes()),
            };
            let share = crc32fast::hash(name) as usize % self.instances;
            let batch = dealt.get_mut(share).ok_or_else(lost)?;
            let add = |column: &mut Texts, text: Option<&[u8]>| {
                column.push(text.ok_or_else(lost)?).map_err(|cause| Failure::new(Category::Rule, cause.to_string()))
            };
            batch.positions.push(*events.positions.get(index).ok_or_else(lost)?);
            batch.revisions.push(*events.revisions.get(index).ok_or_else(lost)?);
            batch.times.push(*events.times.get(index).ok_or_else(lost)?);
            batch.kinds.push(*events.kinds.get(index).ok_or_else(lost)?);
            add(&mut batch.streams, Some(stream))?;
            add(&mut batch.payloads, events.payloads.get(index))?;
            if !events.metadata.is_empty() {
                add(&mut batch.metadata, events.metadata.get(index))?;
            }
            if !events.tags.is_empty() {
                add(&mut batch.tags, events.tags.get(index))?;
            }
        }
        Ok(dealt)
    }
}

fn first_tag<'a>(tags: &'a [u8], prefix: &[u8]) -> &'a [u8] {
    tags.split(|byte| *byte == b'\n').find(|tag| tag.starts_with(prefix)).unwrap_or_default()
}

/// A batch that failed: the windows that it is from, and why.
pub struct Failed {
    pub from: Progress,
    pub next: Progress,
    /// Whether it was of more than one window.
    pub is_gathered: bool,
    pub failure: Failure,
}

enum Job {
    Apply { events: Box<Batch>, from: Progress, next: Progress },
    Flush(SyncSender<Result<(), Failure>>),
}

/// What an instance shows while it works.
#[derive(Default)]
struct Shown {
    memory: AtomicUsize,
    pending: AtomicUsize,
}

/// Instances that work side by side.
pub struct Instances {
    instances: Vec<Instance>,
    /// Once something is in here, nobody applies any more.
    failed: Arc<Mutex<Vec<Failed>>>,
}

struct Instance {
    /// `None` only while this ends.
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    rows: VersionRows,
    shown: Arc<Shown>,
}

impl Instances {
    /// Starts `count` threads. Together they may hold as many bytes of uncommitted rows as one alone. Each gathers the events of
    /// so many windows as `gather` says before it applies them.
    pub fn start(
        pre: &ProjectorPre,
        rows: &VersionRows,
        count: usize,
        commit_bytes: usize,
        gather: &Arc<AtomicUsize>,
        throttle: Option<Throttle>,
    ) -> Result<Self, Failure> {
        let failed: Arc<Mutex<Vec<Failed>>> = Arc::default();
        let start = |number: usize| {
            let rows = rows.beside(commit_bytes / count.max(1));
            let shown = Arc::<Shown>::default();
            let projector = pre.instantiate(Box::new(rows.clone()))?;
            let (jobs, received) = sync_channel(BATCHES_AHEAD);
            let worker = Worker {
                projector,
                rows: rows.clone(),
                shown: Arc::clone(&shown),
                failed: Arc::clone(&failed),
                gather: Arc::clone(gather),
                gathered: None,
                throttle: throttle.clone(),
            };
            let thread = std::thread::Builder::new().name(format!("share {number}"));
            let span = tracing::Span::current();
            let thread = thread.spawn(move || span.in_scope(|| worker.run(&received))).map_err(Failure::storage)?;
            Ok(Instance { jobs: Some(jobs), thread: Some(thread), rows, shown })
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

    /// Has all rows written that are held back, and joins them. All that was given before has been applied then.
    pub fn flush(&self, into: &mut Writes) -> Result<(), Failure> {
        let asked = self.instances.iter().map(|instance| {
            let (answer, answered) = sync_channel(1);
            let sent = instance.jobs.as_ref().is_some_and(|jobs| jobs.send(Job::Flush(answer)).is_ok());
            sent.then_some(answered)
        });
        let asked: Vec<_> = asked.collect();
        for answered in asked {
            let answer = answered.and_then(|answered| answered.recv().ok());
            answer.unwrap_or_else(|| Err(Failure::storage("a thread of a partition ended")))?;
        }
        let parts: Vec<_> =
            self.instances.iter().map(|instance| std::mem::take(&mut *instance.rows.pending())).collect();
        into.join(parts).map_err(|(table, key)| {
            let message = format!(
                "describe() declares that each row depends on one partition only, but row {key:?} of table number {table} \
                 was written for two of them: take the declaration out, or mend it"
            );
            Failure::new(Category::Partition, message)
        })
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

impl Drop for Instance {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    projector: Projector,
    rows: VersionRows,
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

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
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
                    let _ = answer.send(flushed);
                }
            }
            self.shown.memory.store(self.projector.memory_bytes(), Ordering::Relaxed);
            self.shown.pending.store(self.rows.pending().bytes(), Ordering::Relaxed);
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
            && let Err(failure) = self.projector.apply(&events)
        {
            self.failed().push(Failed { from, next, failure, is_gathered: windows > 1 });
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let _work = self.throttle.as_ref().map(Throttle::work);
        self.projector.flush()
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn batch(events: &[(&str, &str)]) -> Batch {
        let mut batch = Batch::default();
        for (position, (stream, tags)) in (0_u64..).zip(events) {
            batch.positions.push(position);
            batch.revisions.push(0);
            batch.times.push(0);
            batch.kinds.push(0);
            batch.streams.push(stream.as_bytes()).unwrap();
            batch.payloads.push(format!("{{\"n\":{position}}}").as_bytes()).unwrap();
            batch.tags.push(tags.as_bytes()).unwrap();
        }
        batch
    }

    /// Which positions each instance gets.
    fn dealt(by: Partition, events: &[(&str, &str)]) -> Vec<Vec<u64>> {
        let dealer = Dealer::new(Some(&by), 3).unwrap();
        let dealt = dealer.deal(&batch(events)).unwrap();
        for batch in &dealt {
            for (position, payload) in batch.positions.iter().zip(batch.payloads.iter()) {
                assert_eq!(payload, format!("{{\"n\":{position}}}").as_bytes(), "an event keeps its data");
            }
        }
        dealt.into_iter().map(|batch| batch.positions).collect()
    }

    #[test]
    fn the_events_of_a_partition_stay_together_in_their_order_and_none_is_lost() {
        let names: Vec<String> = (0..100).map(|n| format!("s{}", n % 20)).collect();
        let events: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        let dealt = dealt(Partition::Stream, &events);
        assert!(dealt.iter().all(|positions| !positions.is_empty() && positions.is_sorted()));
        for (share, positions) in dealt.iter().enumerate() {
            for position in positions {
                let with_it = |other: &u64| names[*other as usize] == names[*position as usize];
                let elsewhere = dealt.iter().enumerate().filter(|(other, _)| *other != share);
                assert!(!elsewhere.flat_map(|(_, positions)| positions).any(with_it));
            }
        }
        assert_eq!(dealt.iter().map(Vec::len).sum::<usize>(), events.len());
    }

    #[test]
    fn the_first_tag_with_the_beginning_decides() {
        let events = [("a", "x:1\nk:7"), ("b", "k:7"), ("c", "k:7\nk:8"), ("d", ""), ("e", "x:1")];
        let dealt = dealt(Partition::Tag("k:".into()), &events);
        assert!(dealt.iter().any(|positions| positions.starts_with(&[0, 1, 2])), "{dealt:?}");
        assert!(dealt.iter().any(|positions| positions.ends_with(&[3, 4])), "{dealt:?}");
    }
}
