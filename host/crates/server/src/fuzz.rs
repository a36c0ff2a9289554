//! The decoders of requests, for fuzzing.

use axum::http::HeaderMap;

use kinora_api::Kind;
use kinora_api::appends::Transaction;
use kinora_api::grammar::{Figures, Filter, Order, Select};
use kinora_readmodel as readmodel;
use kinora_types::{NewEvent, TableSpec};

use crate::edge::problem::Problem;
use crate::query::translation::Translation;
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

/// Whether a translation takes it, or says of a field that there is no such one.
fn is_taken<T>(translated: Result<T, Problem>) -> Result<Option<T>, Problem> {
    let unknown = [Kind::UnknownField, Kind::UnknownKeyPart].map(Kind::uri);
    match translated.map_err(kinora_api::Problem::from) {
        Ok(translated) => Ok(Some(translated)),
        Err(problem) if unknown.contains(&problem.kind) => Ok(None),
        Err(problem) => Err(Problem::new(Kind::Internal, problem.to_string())),
    }
}

/// A parameter of a query: `flights=gte.100`, `order=-flights`, `select=a,b.c`, `aggregate=sum(flights)`. What the
/// grammar reads, read models take, and what is written of it reads the same.
pub fn parameter(bytes: &[u8]) {
    let Some((name, value)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('=')) else { return };
    let table = TableSpec { name: "t".into(), key: "a/b".into(), schema: None, indexes: Vec::new(), history: None };
    let mut translation = Translation::new(&table);
    match name {
        "order" => {
            if let Ok(order) = value.parse::<Order>() {
                let translated = is_taken(translation.order(&order));
                assert!(translated.is_ok(), "{translated:?}");
                assert_eq!(order.to_string().parse(), Ok(order));
            }
        }
        "aggregate" => {
            if let Ok(figures) = value.parse::<Figures>() {
                let translated = is_taken(translation.figures(&figures));
                assert!(translated.is_ok(), "{translated:?}");
                assert_eq!(figures.to_string().parse(), Ok(figures));
            }
        }
        "select" => {
            if let Ok(select) = value.parse::<Select>() {
                let selected = is_taken(translation.select(&select));
                assert!(selected.is_ok(), "{selected:?}");
                if let Ok(Some(selected)) = selected {
                    readmodel::fuzz::select(&selected);
                }
                assert_eq!(select.to_string().parse(), Ok(select));
            }
        }
        _ => {
            if let Ok(filter) = Filter::parse(name, value) {
                assert!(filter.parameter().is_ok(), "{filter}");
                let read = is_taken(translation.filter(&filter));
                assert!(read.is_ok(), "{read:?}");
                if let Ok(Some(read)) = read {
                    readmodel::fuzz::filter(&read);
                }
            }
        }
    }
}
