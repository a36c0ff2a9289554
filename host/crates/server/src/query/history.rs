//! What a row was.

use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

use crate::edge::problem::Problem;
use crate::service::{blocking, raw};
use kinora_projection::Answer;

use crate::query::model::{from, invalid, json};

/// Versions of a row in one answer.
const MAX_VERSIONS: usize = 1_000;

#[derive(Serialize)]
struct VersionOut {
    /// The event that left the row so.
    position: Option<u64>,
    /// Null where it deleted the row.
    row: Option<Box<RawValue>>,
}

/// `{"versions": [{"position", "row"}]}`, the newest first.
pub async fn versions(answer: &Answer, table: &str, key: &str, limit: usize) -> Result<Response, Problem> {
    if !(1..=MAX_VERSIONS).contains(&limit) {
        return Err(invalid(format!("versions {limit} is not from 1 to {MAX_VERSIONS}")));
    }
    let (snapshot, table, key) = (Arc::clone(&answer.snapshot), table.to_owned(), key.to_owned());
    let found = blocking(move || snapshot.versions(&table, &key, limit)).await?;
    let mut versions = Vec::new();
    for version in found {
        let position = version.progress.last().map(|position| position.0);
        versions.push(VersionOut { position, row: version.json.map(raw).transpose()? });
    }
    let body = serde_json::to_string(&serde_json::json!({ "versions": versions }));
    let body = body.map_err(|cause| Problem::new(500, "internal", cause.to_string()))?;
    Ok(from(answer, json(body)))
}
