//! The decoders of request bodies, for fuzzing.

use axum::http::HeaderMap;

use kinora_api::appends::Transaction;
use kinora_types::NewEvent;

use crate::wire::appends as wire;
use crate::write::cloudevents;
use crate::write::cloudevents::Mode;

/// What is stored must be on one line, and JSON.
fn check(events: &[NewEvent]) {
    for event in events {
        for json in event.metadata.iter().chain([&event.data]) {
            assert!(!json.get().contains(['\n', '\r']), "{json}");
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(json.get()).is_ok(), "{json}");
        }
    }
}

pub fn events(body: &[u8]) {
    if let Ok((events, _)) = wire::events(body) {
        check(&events);
    }
}

pub fn transaction(body: &[u8]) {
    let parsed = serde_json::from_slice::<Transaction>(body).ok().map(wire::transaction);
    if let Some(Ok(request)) = parsed {
        request.appends.iter().for_each(|append| check(&append.events));
    }
}

pub fn cloudevents(body: &[u8]) {
    for mode in [Mode::Structured, Mode::Batch, Mode::Binary] {
        if let Ok(events) = cloudevents::events(mode, &HeaderMap::new(), body) {
            check(&events);
        }
    }
}
