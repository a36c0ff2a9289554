//! The decoders of requests, for fuzzing.

use axum::http::HeaderMap;

use kinora_api::appends::Transaction;
use kinora_api::grammar::{Figures, Filter, Order, Select};
use kinora_readmodel as readmodel;
use kinora_types::NewEvent;

use crate::query::translation;
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

/// A parameter of a query: `flights=gte.100`, `order=-flights`, `select=a,b.c`, `aggregate=sum(flights)`. What the
/// grammar reads, read models take, and what is written of it reads the same.
pub fn parameter(bytes: &[u8]) {
    let Some((name, value)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('=')) else { return };
    match name {
        "order" => {
            if let Ok(order) = value.parse::<Order>() {
                assert!(translation::order(&order).is_ok(), "{order:?}");
                assert_eq!(order.to_string().parse(), Ok(order));
            }
        }
        "aggregate" => {
            if let Ok(figures) = value.parse::<Figures>() {
                assert!(translation::figures(&figures).is_ok(), "{figures:?}");
                assert_eq!(figures.to_string().parse(), Ok(figures));
            }
        }
        "select" => {
            if let Ok(select) = value.parse::<Select>() {
                let selected = translation::select(&select);
                assert!(selected.as_ref().map(readmodel::fuzz::select).is_ok(), "{selected:?}");
                assert_eq!(select.to_string().parse(), Ok(select));
            }
        }
        _ => {
            if let Ok(filter) = Filter::parse(name, value) {
                // Quotes within a text stand for themselves only where nothing follows.
                assert!(value.contains('"') || filter.parameter().is_ok(), "{filter}");
                let read = translation::filter(filter);
                assert!(read.as_ref().map(readmodel::fuzz::filter).is_ok(), "{read:?}");
            }
        }
    }
}
