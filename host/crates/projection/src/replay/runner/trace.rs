//! Which events wrote a row. The host only sees what a guest writes when it flushes, so a replay on the side flushes after
//! every window, and goes through a window that wrote the row again, one event at a time.

use std::time::Instant;

use crate::replay::runner::guests::{Guest, WINDOW_EVENTS};
use crate::replay::runner::{Runner, Stop, storage};
use kinora_readmodel::CommitMode;
use kinora_sandbox::Failure;
use kinora_types::{Position, Progress};

use crate::record::status::Fault;

/// An event that wrote the row, and what the row was then; `None` if it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    pub position: Position,
    pub row: Option<String>,
}

/// What a trace has found, and how far it came.
#[derive(Debug, Default)]
pub struct Traced {
    pub touches: Vec<Touch>,
    pub upto: Progress,
    pub fault: Option<Fault>,
}

impl Runner {
    /// Goes to `upto`, the deadline, or as many events that wrote the row as are asked for.
    pub fn trace(mut self, upto: Progress, row: (u16, &str), limit: usize, deadline: Instant) -> Traced {
        let mut touches = Vec::new();
        // The end of the window that is gone through one event at a time.
        let mut careful = Progress::default();
        let mut fault = None;
        while self.applied < upto && touches.len() < limit && Instant::now() < deadline {
            let events = if self.applied < careful { 1 } else { WINDOW_EVENTS };
            match self.traced_window(upto, row, events) {
                Ok(Some(written)) if events == 1 => {
                    let position = self.window.first.or(self.applied.last()).unwrap_or(Position(0));
                    touches
                        .push(Touch { position, row: written.map(|row| String::from_utf8_lossy(&row).into_owned()) });
                }
                Ok(Some(_)) => careful = self.window.next,
                Ok(None) => {}
                Err(Stop(failure, event)) => {
                    // A window can fail where its events do not: one at a time is what counts.
                    if events > 1 && self.applied < self.window.next {
                        careful = self.window.next;
                        self.rewind();
                        continue;
                    }
                    fault = Some(Fault::new(&failure, event));
                    break;
                }
            }
        }
        Traced { touches, upto: self.applied, fault }
    }

    /// Applies a window and says what it wrote to the row. If it did, and has several events, all is as it was before.
    fn traced_window(
        &mut self,
        upto: Progress,
        (table, key): (u16, &str),
        events: usize,
    ) -> Result<Option<Option<Box<[u8]>>>, Stop> {
        let from = self.applied;
        self.parts.source.read(&mut self.window, from, upto, events).map_err(storage)?;
        if self.window.next == from {
            let ended = || (Failure::storage("the log ends before it should"), None);
            let (failure, event) = self.window.unknown.take().unwrap_or_else(ended);
            return Err(Stop(failure, event));
        }
        self.apply()?;
        if let Guest::One(projector) = &mut self.guest {
            projector.flush()?;
        }
        let written = self.rows.pending().get(table, key).map(|row| row.map(Box::from));
        if written.is_some() && events > 1 {
            self.rewind();
            return Ok(written);
        }
        self.applied = self.window.next;
        let mut pending = self.rows.pending();
        self.parts.store.commit(&pending, self.applied, CommitMode::UntilFlushed).map_err(storage)?;
        pending.clear();
        drop(pending);
        self.committed = self.applied;
        Ok(written)
    }
}
