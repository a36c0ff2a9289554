//! The WebAssembly side: what `export_projector!` and `export_upcaster!` call.

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
            "kinora:engine/types@1.0.0": super::bindings::kinora::engine::types,
            "kinora:engine/diagnostics@1.0.0": super::bindings::kinora::engine::diagnostics,
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

/// Event `index` of a batch; `None` if the batch is not what the contract says.
fn event<'a>(batch: &'a Batch, index: usize, (kind, schema): (&'a str, u32)) -> Option<Event<'a>> {
    let utf8 = |column, index| std::str::from_utf8(text(column, index)?).ok();
    Some(Event {
        position: *batch.positions.get(index)?,
        revision: *batch.revisions.get(index)?,
        time: *batch.times.get(index)?,
        kind,
        schema,
        stream: utf8(&batch.streams, index)?,
        payload: text(&batch.payloads, index)?,
        // Columns that the manifest did not ask for have no entries at all.
        metadata: text(&batch.metadata, index).unwrap_or_default(),
        tags: utf8(&batch.tags, index).unwrap_or_default(),
    })
}

const BROKEN_BATCH: &str = "the host handed over a batch that is not what the contract says";

fn text(column: &Texts, index: usize) -> Option<&[u8]> {
    let start = match index.checked_sub(1) {
        Some(previous) => *column.ends.get(previous)? as usize,
        None => 0,
    };
    column.bytes.get(start..*column.ends.get(index)? as usize)
}
