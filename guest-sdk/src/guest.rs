//! The WebAssembly side: the bindings of the contract, and what they have in common for all kinds of
//! guests.

pub mod decider;
pub mod projector;
pub mod upcaster;

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::Event;

#[allow(unsafe_code, clippy::all, missing_docs)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "projector",
        pub_export_macro: true,
        default_bindings_module: "kinora_sdk::guest::bindings",
    });
    pub use kinora::engine::types::Texts;
}

#[allow(unsafe_code, clippy::all, missing_docs)]
pub mod upcaster_bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "upcaster",
        pub_export_macro: true,
        export_macro_name: "export_upcaster_world",
        default_bindings_module: "kinora_sdk::guest::upcaster_bindings",
        with: {
            "kinora:engine/types@2.0.0": super::bindings::kinora::engine::types,
            "kinora:engine/diagnostics@2.0.0": super::bindings::kinora::engine::diagnostics,
        },
    });
}

#[allow(unsafe_code, clippy::all, missing_docs)]
pub mod decider_bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "decider",
        pub_export_macro: true,
        export_macro_name: "export_decider_world",
        default_bindings_module: "kinora_sdk::guest::decider_bindings",
        with: {
            "kinora:engine/types@2.0.0": super::bindings::kinora::engine::types,
            "kinora:engine/diagnostics@2.0.0": super::bindings::kinora::engine::diagnostics,
        },
    });
}

use bindings::kinora::engine::diagnostics;
use bindings::{Batch, Texts};

/// No event is being handled.
const NO_EVENT: u64 = u64::MAX;

/// The position of the event that is being handled, for the panic handler.
static CURRENT: AtomicU64 = AtomicU64::new(NO_EVENT);

static PANIC_HANDLER: Once = Once::new();

fn report_panics() {
    PANIC_HANDLER.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let current = CURRENT.load(Ordering::Relaxed);
            diagnostics::panicked((current != NO_EVENT).then_some(current), &panic.to_string());
        }));
    });
}

const BROKEN_BATCH: &str = "the host handed over a batch that is not what the contract says";

/// The events of a batch whose kinds index `types`, in order; `None` for one that is not what the contract says.
///
/// Each column is checked for UTF-8 once as a whole, so that its pieces need no check.
fn events<'a, N: AsRef<str>>(
    batch: &'a Batch,
    types: &'a [(N, u32)],
) -> impl Iterator<Item = Option<Event<'a>>> + use<'a, N> {
    let (mut streams, mut payloads) = (Pieces::of(&batch.streams), Pieces::of(&batch.payloads));
    // Columns that the manifest did not ask for have no entries at all.
    let optional = |column: &'a Texts| (!column.ends.is_empty()).then(|| Pieces::of(column));
    let (mut metadata, mut tags) = (optional(&batch.metadata), optional(&batch.tags));
    let columns = batch.positions.iter().zip(&batch.revisions).zip(&batch.times).zip(&batch.kinds);
    columns.map(move |(((position, revision), time), kind)| {
        let (kind, schema) = types.get(*kind as usize)?;
        Some(Event {
            position: *position,
            revision: *revision,
            time: *time,
            kind: kind.as_ref(),
            schema: *schema,
            stream: streams.next()?,
            payload: payloads.next()?,
            metadata: metadata.as_mut().map_or(Some(""), Iterator::next)?,
            tags: tags.as_mut().map_or(Some(""), Iterator::next)?,
        })
    })
}

/// The texts of a column, one after the other; ends early where the column is not what the contract says.
struct Pieces<'a> {
    ends: std::slice::Iter<'a, u32>,
    text: &'a str,
    start: usize,
}

impl<'a> Pieces<'a> {
    fn of(column: &'a Texts) -> Self {
        let text = std::str::from_utf8(&column.bytes).unwrap_or_default();
        Self { ends: column.ends.iter(), text, start: 0 }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let end = *self.ends.next()? as usize;
        let piece = self.text.get(self.start..end)?;
        self.start = end;
        Some(piece)
    }
}

fn text(column: &Texts, index: usize) -> Option<&[u8]> {
    let start = match index.checked_sub(1) {
        Some(previous) => *column.ends.get(previous)? as usize,
        None => 0,
    };
    column.bytes.get(start..*column.ends.get(index)? as usize)
}
