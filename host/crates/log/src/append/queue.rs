//! Requests that wait for the log. Clients take turns: one that sends much waits for itself, not the others for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use tokio::sync::oneshot;

use crate::append::limits::Limits;
use crate::append::search::Searched;
use crate::error::AppendError;
use crate::record::request::{AppendRequest, Appended};

/// Who asks. Requests of one client are appended in the order in which they came, but for one whose condition takes a
/// long search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(pub u64);

impl ClientId {
    /// The host itself.
    pub const HOST: Self = Self(0);
}

pub struct Job {
    pub request: AppendRequest,
    pub answer: oneshot::Sender<Reply>,
    /// How far its condition was looked into before.
    pub searched: Option<Searched>,
    bytes: usize,
    since: Instant,
}

/// What becomes of a job.
pub enum Reply {
    Answered(Result<Appended, AppendError>),
    /// Its condition has to be looked into first, beside the writer.
    SearchFirst(AppendRequest),
}

impl Job {
    pub fn new(request: AppendRequest, answer: oneshot::Sender<Reply>, searched: Option<Searched>) -> Self {
        let bytes = request.bytes();
        Self { request, answer, searched, bytes, since: Instant::now() }
    }
}

/// What waits in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Length {
    pub requests: usize,
    pub bytes: usize,
    /// How long the one has waited that came first.
    pub oldest: Duration,
}

/// What one client has waiting.
#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    bytes: usize,
}

#[derive(Default)]
struct Waiting {
    clients: HashMap<ClientId, Line>,
    /// The clients that have something waiting, each once.
    turns: VecDeque<ClientId>,
    requests: usize,
    bytes: usize,
}

pub struct Queue {
    waiting: Mutex<Waiting>,
    requests: usize,
    client_requests: usize,
    bytes: usize,
}

impl Queue {
    pub fn new(limits: &Limits) -> Self {
        Self {
            waiting: Mutex::default(),
            requests: limits.queued_requests,
            client_requests: limits.client_requests,
            bytes: limits.queued_bytes,
        }
    }

    /// Puts a job at the end of its client's line, or refuses it at once.
    pub fn push(&self, client: ClientId, job: Job) -> Result<(), AppendError> {
        let mut waiting = self.lock();
        if waiting.requests >= self.requests || waiting.bytes >= self.bytes {
            return Err(AppendError::Busy { queued: waiting.requests });
        }
        let Waiting { clients, turns, requests, bytes } = &mut *waiting;
        let line = clients.entry(client).or_default();
        // Half of the room is for the others.
        if line.jobs.len() >= self.client_requests || line.bytes >= self.bytes.div_ceil(2) {
            return Err(AppendError::ClientBusy { queued: line.jobs.len() });
        }
        if line.jobs.is_empty() {
            turns.push_back(client);
        }
        *requests += 1;
        *bytes += job.bytes;
        line.bytes += job.bytes;
        line.jobs.push_back(job);
        Ok(())
    }

    /// Jobs with about `most_events` events, one of each client in turn.
    pub fn take(&self, most_events: usize) -> Vec<Job> {
        let mut waiting = self.lock();
        let mut group = Vec::with_capacity(waiting.requests.min(most_events));
        let mut events = 0;
        while events < most_events
            && let Some(client) = waiting.turns.pop_front()
        {
            let Some(line) = waiting.clients.get_mut(&client) else { continue };
            let job = line.jobs.pop_front();
            line.bytes -= job.as_ref().map_or(0, |job| job.bytes);
            if line.jobs.is_empty() {
                waiting.clients.remove(&client);
            } else {
                waiting.turns.push_back(client);
            }
            if let Some(job) = job {
                waiting.requests -= 1;
                waiting.bytes -= job.bytes;
                events += job.request.events();
                group.push(job);
            }
        }
        group
    }

    pub fn len(&self) -> usize {
        self.lock().requests
    }

    pub fn length(&self) -> Length {
        let waiting = self.lock();
        let first = waiting.clients.values().filter_map(|line| line.jobs.front()).map(|job| job.since).min();
        let oldest = first.map_or(Duration::ZERO, |since| since.elapsed());
        Length { requests: waiting.requests, bytes: waiting.bytes, oldest }
    }

    /// Tells all that wait that the log takes nothing more. Nothing of theirs has been written.
    pub fn refuse(&self) {
        let waiting = std::mem::take(&mut *self.lock());
        for job in waiting.clients.into_values().flat_map(|line| line.jobs) {
            let _ = job.answer.send(Reply::Answered(Err(AppendError::Poisoned)));
        }
    }

    /// A panic while the lock was held cannot have left more than a wrong count.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::record::request::StreamAppend;
    use kinora_types::{EventType, ExpectedRevision, NewEvent};

    fn job(stream: &str) -> Job {
        let event = NewEvent {
            id: Uuid::from_u128(1),
            kind: EventType::new("T", 1).unwrap(),
            data: serde_json::from_str("[1]").unwrap(),
            metadata: None,
            tags: Vec::new(),
        };
        let append =
            StreamAppend { stream: stream.parse().unwrap(), expected: ExpectedRevision::Any, events: vec![event] };
        Job::new(vec![append].into(), oneshot::channel().0, None)
    }

    fn names(group: &[Job]) -> Vec<&str> {
        group.iter().flat_map(|job| &job.request.appends).map(|append| append.stream.as_str()).collect()
    }

    #[test]
    fn clients_take_turns_and_each_keeps_its_order() {
        let queue = Queue::new(&Limits::default());
        for (client, stream) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (3, "c2")] {
            queue.push(ClientId(client), job(stream)).unwrap();
        }
        assert_eq!(names(&queue.take(4)), ["a1", "b1", "c1", "a2"]);
        queue.push(ClientId(2), job("b2")).unwrap();
        assert_eq!(names(&queue.take(100)), ["c2", "a3", "b2"]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn who_sends_too_much_is_refused_before_all_are() {
        let limits = Limits { queued_requests: 3, client_requests: 2, ..Limits::default() };
        let queue = Queue::new(&limits);
        queue.push(ClientId(1), job("a")).unwrap();
        queue.push(ClientId(1), job("a")).unwrap();
        assert!(matches!(queue.push(ClientId(1), job("a")), Err(AppendError::ClientBusy { queued: 2 })));
        queue.push(ClientId(2), job("b")).unwrap();
        assert!(matches!(queue.push(ClientId(3), job("c")), Err(AppendError::Busy { queued: 3 })));
        assert!(queue.length().requests == 3 && queue.length().bytes == 15);
        queue.take(1);
        queue.push(ClientId(3), job("c")).unwrap();
    }

    #[test]
    fn who_waits_when_the_log_ends_is_told_that_nothing_was_written() {
        let queue = Queue::new(&Limits::default());
        let (answer, mut answered) = oneshot::channel();
        queue.push(ClientId(1), Job { answer, ..job("a") }).unwrap();
        queue.refuse();
        assert!(matches!(answered.try_recv(), Ok(Reply::Answered(Err(AppendError::Poisoned)))));
        assert_eq!(queue.length(), Length::default());
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        // Each has 5 bytes: names count, too.
        let queue = Queue::new(&Limits { queued_bytes: 13, ..Limits::default() });
        queue.push(ClientId(1), job("a")).unwrap();
        queue.push(ClientId(1), job("a")).unwrap();
        assert!(matches!(queue.push(ClientId(1), job("a")), Err(AppendError::ClientBusy { queued: 2 })));
        queue.push(ClientId(2), job("b")).unwrap();
        assert!(matches!(queue.push(ClientId(3), job("c")), Err(AppendError::Busy { queued: 3 })));
    }
}
