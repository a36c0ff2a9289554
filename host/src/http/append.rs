//! `POST /v1/streams/{stream}/events` and `POST /v1/transactions`.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Json;

use crate::event::{ExpectedRevision, Revision};
use crate::log::{AppendRequest, Log, StreamAppend};

use super::problem::Problem;
use super::wire::{self, AppendedOut, TransactionIn};

pub async fn to_stream(
    State(log): State<Log>,
    Path(stream): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<AppendedOut>), Problem> {
    let append = StreamAppend { stream: stream.parse()?, expected: expected(&headers)?, events: wire::events(&body?)? };
    let appended = log.append(AppendRequest::from(vec![append])).await?;
    Ok((StatusCode::CREATED, Json(AppendedOut::to_one_stream(&appended))))
}

pub async fn transaction(
    State(log): State<Log>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<AppendedOut>), Problem> {
    let transaction: TransactionIn = serde_json::from_slice(&body?).map_err(|cause| wire::invalid_json(&cause))?;
    let appended = log.append(transaction.try_into()?).await?;
    Ok((StatusCode::CREATED, Json(AppendedOut::transaction(&appended))))
}

/// `If-None-Match: *` no stream, `If-Match: *` exists, `If-Match: "3"` at revision 3, neither: any.
fn expected(headers: &HeaderMap) -> Result<ExpectedRevision, Problem> {
    let invalid = |name: &str| {
        Problem::new(400, "invalid-header", format!("the header {name} cannot be read"))
            .hint("send If-Match: \"<revision>\", If-Match: * (the stream exists), or If-None-Match: * (it does not)")
    };
    match (headers.get(header::IF_MATCH), headers.get(header::IF_NONE_MATCH)) {
        (None, None) => Ok(ExpectedRevision::Any),
        (None, Some(value)) if value == "*" => Ok(ExpectedRevision::NoStream),
        (Some(value), None) if value == "*" => Ok(ExpectedRevision::Exists),
        (Some(value), None) => {
            let revision = value.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok());
            revision.map(|revision| ExpectedRevision::Exactly(Revision(revision))).ok_or_else(|| invalid("If-Match"))
        }
        _ => Err(invalid("If-None-Match")),
    }
}
