//! A trace: the events that wrote a row. The host only sees what a guest writes when it flushes, so a replay on the
//! side flushes after every window, and goes through a window that wrote the row again, one event at a time.

use std::time::Instant;

use kinora_types::{Budget, Exhausted, Position, Progress};

use crate::record::fault::Fault;
use crate::replay::pace::WINDOW_EVENTS;
use crate::replay::row_sink::RowSink;
use crate::replay::runner::Runner;

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

impl Runner<RowSink> {
    /// Goes to `upto`, the deadline, or as many events that wrote the row as are asked for.
    pub fn trace(
        mut self,
        upto: Progress,
        (table, key): (u16, &str),
        limit: usize,
        budget: &Budget,
        deadline: Instant,
    ) -> Result<Traced, Exhausted> {
        let mut touches = Vec::new();
        // The end of the window that is gone through one event at a time.
        let mut careful = Progress::default();
        let mut fault = None;
        while self.stepper.applied() < upto && touches.len() < limit && Instant::now() < deadline {
            let from = self.stepper.applied();
            budget.check()?;
            let alone = from < careful;
            let mut written = None;
            let kept = self.stepper.probe(upto, if alone { 1 } else { WINDOW_EVENTS }, |sink| {
                written = sink.pending().get(table, key).map(|row| row.map(Box::<[u8]>::from));
                alone || written.is_none()
            });
            let next = self.stepper.window().next;
            match (kept, written) {
                (Ok(false), _) => careful = next,
                (Ok(true), None) => {}
                (Ok(true), Some(row)) => {
                    budget.take(row.as_ref().map_or(0, |row| row.len()))?;
                    let position = self.stepper.window().first.or(next.last()).unwrap_or(Position(0));
                    touches.push(Touch { position, row: row.map(|row| String::from_utf8_lossy(&row).into_owned()) });
                }
                // A window can fail where its events do not: one at a time is what counts.
                (Err(_), _) if !alone && from < next => careful = next,
                (Err(stop), _) => {
                    fault = Some(self.fault(stop));
                    break;
                }
            }
        }
        Ok(Traced { touches, upto: self.stepper.applied(), fault })
    }
}
