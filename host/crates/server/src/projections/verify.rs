//! Holding a version's rows against history: a digest of them at a position, and a replay that has to give the same rows.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use kinora_projection::{Projections, Replayed, RowsDigest};
use kinora_types::Position;

use crate::edge::problem::Problem;
use crate::projections::rollouts::{invalid, number};
use crate::service::wants_events;

/// How often a follower of a verification is told how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestParameters {
    position: Option<u64>,
}

pub async fn digest(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    parameters: Result<Query<DigestParameters>, QueryRejection>,
) -> Result<Json<RowsDigest>, Problem> {
    let Query(parameters) = parameters.map_err(|cause| invalid(cause.body_text()))?;
    let at = parameters.position.map(Position);
    Ok(Json(projections.verification().rows_digest(&name, number(&version)?, at).await?))
}

/// How far a verification is.
#[derive(Serialize)]
struct ProgressOut {
    replayed: u64,
    /// Events that the version has applied.
    events: u64,
}

/// Answers when the replay is done, or tells how far it is as `text/event-stream`. It ends with its client.
pub async fn verification(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let version = number(&version)?;
    let events = projections.version(&name, Some(version))?.checkpoint().0;
    let (replayed, cancelled) = (Replayed::default(), CancellationToken::new());
    if !wants_events(&headers) {
        let _ends_with_this_request = cancelled.clone().drop_guard();
        return Ok(Json(projections.verification().verify(&name, version, replayed, cancelled).await?).into_response());
    }
    let (client, told) = mpsc::channel(1);
    tokio::spawn(async move {
        let _ends_with_this_client = cancelled.clone().drop_guard();
        let verifying = projections.verification().verify(&name, version, replayed.clone(), cancelled);
        tokio::pin!(verifying);
        let done = loop {
            tokio::select! {
                done = &mut verifying => break done,
                () = tokio::time::sleep(PROGRESS_INTERVAL) => {}
            }
            let progress = ProgressOut { replayed: replayed.events(), events };
            let Ok(event) = Event::default().event("progress").json_data(progress) else { return };
            if client.send(event).await.is_err() {
                return;
            }
        };
        let event = match done {
            Ok(verified) => Event::default().event("verified").json_data(verified),
            Err(error) => Event::default().event("problem").json_data(Problem::from(error).into_json()),
        };
        if let Ok(event) = event {
            let _ = client.send(event).await;
        }
    });
    let events = futures::StreamExt::map(ReceiverStream::new(told), Ok::<_, Infallible>);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}
