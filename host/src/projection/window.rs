//! A window of the log: the next few events that concern a version, in columns, with what becomes of each.

use std::ops::ControlFlow;

use crate::event::{EventType, Progress};
use crate::log::{self, Log, RecordRef};
use crate::sandbox::{Batch, Category, Failure, Needs, Texts};

use super::routes::{Route, Routes};

/// Bytes of data in a window: what crosses into a guest at once.
const WINDOW_BYTES: usize = 1 << 20;

/// Events of a window that were looked at, handled or not: a long stretch of ignored ones ends it, too.
const WINDOW_LOOKS: u64 = 65_536;

/// The next events, up to the first one that has no route.
#[derive(Default)]
pub struct Window {
    /// `kinds` means what the routes say.
    pub events: Batch,
    pub routes: Vec<Route>,
    /// What is done once these events are.
    pub next: Progress,
    /// Whether an upcaster has work to do.
    pub has_steps: bool,
    /// The event after the window, if there is no route for it.
    pub unknown: Option<Failure>,
    pub unknown_type: Option<EventType>,
}

impl Window {
    /// Reads from `from` up to `upto`, at most `limit` events that are not ignored.
    pub fn read(
        &mut self,
        log: &Log,
        routes: &Routes,
        needs: Needs,
        from: Progress,
        upto: Progress,
        limit: usize,
    ) -> Result<(), log::Error> {
        self.events.clear();
        self.routes.clear();
        self.next = from;
        self.has_steps = false;
        self.unknown = None;
        self.unknown_type = None;
        let upto = upto.min(Progress(from.0.saturating_add(WINDOW_LOOKS)));
        let mut failure = None;
        log.scan(from.next(), upto, |position, record| {
            let Some(route) = routes.of(record.kind, record.schema) else {
                let message = routes.explain(record.kind, record.schema);
                self.unknown = Some(Failure::new(Category::UnknownEvent, message).at(position));
                self.unknown_type = EventType::new(record.kind, record.schema).ok();
                return ControlFlow::Break(());
            };
            self.next = Progress::through(position);
            if route != Route::Ignore {
                self.has_steps |= matches!(route, Route::Step { .. });
                self.routes.push(route);
                self.events.positions.push(position.0);
                if let Err(cause) = push(&mut self.events, &record, needs) {
                    failure = Some(cause);
                    return ControlFlow::Break(());
                }
            }
            let full = self.routes.len() >= limit || self.events.payloads.bytes.len() >= WINDOW_BYTES;
            if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        match failure {
            Some(cause) => Err(log::Error::Corrupt { position: self.next.next(), what: cause }),
            None => Ok(()),
        }
    }
}

fn push(events: &mut Batch, record: &RecordRef<'_>, needs: Needs) -> Result<(), String> {
    let add = |column: &mut Texts, text: &str| column.push(text.as_bytes()).map_err(|cause| cause.to_string());
    events.revisions.push(record.revision.0);
    events.times.push(record.time.0);
    add(&mut events.streams, record.stream)?;
    add(&mut events.payloads, record.data)?;
    if needs.metadata {
        add(&mut events.metadata, record.metadata.unwrap_or_default())?;
    }
    if needs.tags {
        add(&mut events.tags, record.tags)?;
    }
    Ok(())
}
