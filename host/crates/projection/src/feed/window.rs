//! Windows: what crosses into a guest at once, and whoever fills them.

use kinora_sandbox::{Batch, Failure};
use kinora_types::{EventType, Position, Progress};

/// Where windows come from: all of the log, a sample of it, or what has been read ahead.
pub trait Feed {
    /// Fills the window with what comes after `from`, up to `upto`, with at most `limit` events that are not ignored.
    /// Where there is nothing to come, `next` is `upto`, unless something is in the way: then `unknown` says what.
    fn fill(&mut self, window: &mut Window, from: Progress, upto: Progress, limit: usize) -> Result<(), Failure>;

    /// Forgets the running upcasters, and what has been read ahead; needed after any failure.
    fn restart(&mut self);
}

/// The next events, up to the first one that has no route.
#[derive(Default)]
pub struct Window {
    pub from: Progress,
    /// What is done once these events are.
    pub next: Progress,
    /// The first event that is not ignored.
    pub first: Option<Position>,
    /// What the projector handles of them; `kinds` are those of its manifest. None if they are dealt out.
    pub events: Batch,
    /// The same events for several instances.
    pub dealt: Vec<Batch>,
    /// Why the events could not be brought to what the projector handles. There are none of them then.
    pub failure: Option<Failure>,
    /// The event after the window, if there is no route for it.
    pub unknown: Option<(Failure, Option<EventType>)>,
}

impl Window {
    pub(crate) fn clear(&mut self, from: Progress) {
        self.from = from;
        self.next = from;
        self.first = None;
        self.events.clear();
        self.dealt.clear();
        self.failure = None;
        self.unknown = None;
    }
}

impl Window {
    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len() + self.dealt.iter().map(Batch::len).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
