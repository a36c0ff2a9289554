//! [`History`]: all that a log has accepted, as another log knows it, which is in memory and never fails. What the one
//! answers, the other has to answer; and what a crash takes from the one, the other never had.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use kinora_log::{AppendError, AppendRequest, Appended, Log, Options, Recorded};
use kinora_storage::Storage;
use kinora_types::{Direction, Micros, Position};

pub type Answer = Result<Appended, AppendError>;

pub struct History {
    /// The requests that were accepted, each with how far the log went then.
    accepted: Vec<(AppendRequest, u64)>,
    log: Log,
}

/// The answer to an append that is the only one: nobody is waited for.
pub fn at_once(append: impl Future<Output = Answer>) -> Answer {
    match pin!(append).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a lone append waits for somebody"),
    }
}

/// Events as a reader sees them, but for their times.
pub fn events(log: &Log) -> Vec<Recorded> {
    let events = log.read(Position(0), Direction::Forwards, usize::MAX).unwrap();
    events.into_iter().map(|event| Recorded { time: Micros(0), ..event }).collect()
}

fn empty(storage: &Storage) -> Log {
    Log::in_memory(storage, Options::default()).unwrap()
}

impl History {
    pub fn new(storage: &Storage) -> Self {
        Self { accepted: Vec::new(), log: empty(storage) }
    }

    /// What a sound log has to answer.
    pub fn append(&mut self, request: &AppendRequest) -> Answer {
        let answer = at_once(self.log.append(request.clone()));
        if answer.as_ref().is_ok_and(|appended| !appended.duplicate) {
            self.accepted.push((request.clone(), self.log.progress().0));
        }
        answer
    }

    pub fn end(&self) -> u64 {
        self.log.progress().0
    }

    pub fn events(&self) -> Vec<Recorded> {
        events(&self.log)
    }

    /// What comes behind is gone, and has never been. `false`: that would be a part of a request.
    #[must_use]
    pub fn ends_at(&mut self, storage: &Storage, end: u64) -> bool {
        if end == self.end() {
            return true;
        }
        let kept = self.accepted.partition_point(|(_, upto)| *upto <= end);
        let accepted: Vec<_> = self.accepted.drain(..).take(kept).collect();
        self.log = empty(storage);
        for (request, _) in &accepted {
            let _ = self.append(request);
        }
        self.end() == end
    }

    /// A request of those that were accepted, and so is one that is made again.
    pub fn accepted(&self) -> &[(AppendRequest, u64)] {
        &self.accepted
    }
}
