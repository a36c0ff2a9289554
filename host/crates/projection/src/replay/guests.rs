//! The guests of a version at work on a window of events, beside the version: what a rehearsal and a reproduction need.

use kinora_sandbox::{Batch, Failure, Projector, ProjectorPre, RowAccess};

use crate::feed::source::Window;

/// A projector, in one instance, or in one for each share of the partitions. They are made when they are needed.
pub struct Guests {
    pre: ProjectorPre,
    instances: Vec<Projector>,
}

impl Guests {
    pub fn new(pre: ProjectorPre) -> Self {
        Self { pre, instances: Vec::new() }
    }

    /// Applies the events of a window: those that are dealt out by as many instances, others by one. `rows` is what a new
    /// instance gets.
    pub fn apply<R: RowAccess + 'static>(&mut self, window: &mut Window, rows: impl Fn() -> R) -> Result<(), Failure> {
        if let Some(failure) = window.failure.take() {
            return Err(failure);
        }
        let dealt = std::mem::take(&mut window.dealt);
        let shares = if dealt.is_empty() { std::slice::from_ref(&window.events) } else { &dealt };
        if shares.iter().all(Batch::is_empty) {
            return Ok(());
        }
        while self.instances.len() < shares.len() {
            self.instances.push(self.pre.instantiate(Box::new(rows()))?);
        }
        let mut instances = self.instances.iter_mut().zip(shares).filter(|(_, share)| !share.is_empty());
        instances.try_for_each(|(instance, share)| instance.apply(share))
    }

    /// Whether the next event is the first one of an instance.
    pub fn are_fresh(&self) -> bool {
        self.instances.is_empty()
    }

    /// Lets the instances write what they hold back.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.instances.iter_mut().try_for_each(Projector::flush)
    }

    /// Goes on with fresh instances.
    pub fn restart(&mut self) {
        self.instances.clear();
    }
}
