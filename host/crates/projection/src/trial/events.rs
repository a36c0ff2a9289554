//! Events of a rehearsal, in the order of the log: all of a range, or a sample.

use kinora_sandbox::Failure;
use kinora_types::{Position, Progress};

use crate::feed::source::Source;
use crate::feed::window::{Feed, Window};

/// Which events are rehearsed, in the order of the log.
#[derive(Clone, Debug)]
pub enum Events {
    All {
        from: Progress,
        upto: Progress,
    },
    /// Those at these positions, ascending.
    Sample(Vec<u64>),
}

impl Events {
    /// How many there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::All { from, upto } => upto.0.saturating_sub(from.0),
            Self::Sample(positions) => positions.len() as u64,
        }
    }

    /// The progress after the first `count` of them.
    pub fn after(&self, count: u64) -> Progress {
        match self {
            Self::All { from, upto } => Progress(from.0.saturating_add(count)).min(*upto),
            Self::Sample(positions) => {
                let last = count.checked_sub(1).and_then(|last| positions.get(usize::try_from(last).ok()?));
                last.map_or_else(Progress::default, |position| Progress::through(Position(*position)))
            }
        }
    }

    /// How many of them come before `progress` ends.
    pub fn upto(&self, progress: Progress) -> u64 {
        match self {
            Self::All { from, .. } => progress.0.saturating_sub(from.0),
            Self::Sample(positions) => positions.partition_point(|position| *position < progress.0) as u64,
        }
    }

    pub fn end(&self) -> Progress {
        self.after(self.count())
    }
}

/// Feeds events of the log, or a sample of them.
pub struct EventFeed {
    source: Source,
    pub events: Events,
}

impl EventFeed {
    pub fn new(source: Source) -> Self {
        Self { source, events: Events::Sample(Vec::new()) }
    }
}

impl Feed for EventFeed {
    fn fill(&mut self, window: &mut Window, from: Progress, upto: Progress, limit: usize) -> Result<(), Failure> {
        let Events::Sample(positions) = &self.events else { return self.source.fill(window, from, upto, limit) };
        let first = positions.partition_point(|position| *position < from.0);
        let next = positions.iter().copied().skip(first).take(limit);
        let next: Vec<u64> = next.take_while(|position| upto.includes(Position(*position))).collect();
        self.source.gather(window, from, &next).map_err(Failure::storage)?;
        if next.is_empty() {
            window.next = upto;
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.source.restart();
    }
}
