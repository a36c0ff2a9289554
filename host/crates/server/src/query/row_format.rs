//! Format of rows in an answer: what a client names or accepts.

use axum::http::HeaderMap;

use crate::edge::accept;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    /// A row each line.
    Lines,
    Csv,
}

impl Format {
    pub fn accepted(headers: &HeaderMap) -> Self {
        let offered = [accept::JSON, accept::NDJSON, accept::JSONL, accept::CSV];
        match accept::preferred(headers, &offered) {
            Some(kind) if *kind == accept::CSV => Self::Csv,
            Some(kind) if *kind == accept::NDJSON || *kind == accept::JSONL => Self::Lines,
            _ => Self::Json,
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "ndjson" => Some(Self::Lines),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}
