//! Versions of a row: what it was.

use std::sync::Arc;

use axum::response::Response;
use kinora_api::Kind;
use kinora_api::queries::{RowVersion, RowVersions};
use kinora_projection::Answer;

use crate::edge::budget::Work;
use crate::edge::problem::Problem;
use crate::host::raw;
use crate::query::common::{from, invalid, json};

/// Versions of a row in one answer.
const MAX_VERSIONS: usize = 1_000;

/// `{"versions": [{"position", "row"}]}`, the newest first.
pub async fn versions(work: &Work, answer: &Answer, table: &str, key: &str, limit: usize) -> Result<Response, Problem> {
    if !(1..=MAX_VERSIONS).contains(&limit) {
        return Err(invalid(format!("versions {limit} is not from 1 to {MAX_VERSIONS}")));
    }
    let (snapshot, table, key) = (Arc::clone(&answer.snapshot), table.to_owned(), key.to_owned());
    let found = work.run(move |budget| snapshot.versions(&table, &key, limit, budget)).await?;
    let mut versions = Vec::new();
    for version in found {
        let position = version.progress.last().map(|position| position.0);
        versions.push(RowVersion { position, row: version.json.map(raw).transpose()? });
    }
    let body = serde_json::to_string(&RowVersions { versions });
    let body = body.map_err(|cause| Problem::new(Kind::Internal, cause.to_string()))?;
    Ok(from(answer, json(body)))
}
