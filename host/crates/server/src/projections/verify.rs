//! Versions checked against history: a digest of them at a position, and a replay that has to give the same rows.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use kinora_api::verifications::{ReadDigest, ReplayProgress, RowsDigest, VerificationMessage, Verified};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use kinora_projection::{Projections, Replayed};
use kinora_types::Position;

use crate::edge::budget::LongWork;
use crate::edge::parameters;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::host::wants_events;
use crate::problems::operations;
use crate::wire::verifications;

/// How often a follower of a verification is told how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// A digest of a version's rows, as they are or exactly after an event
#[utoipa::path(
    get, path = "/v1/projections/{name}/versions/{version}/digest", tag = "projections", operation_id = "rows_digest",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        ReadDigest,
    ),
    responses(
        (
            status = 200,
            description = "Versions with the same identity have the same digest at the same position, on any host",
            body = RowsDigest,
        ),
        operations::RowsDigest,
    )
)]
pub async fn digest(
    State(projections): State<Arc<Projections>>,
    LongWork(work): LongWork,
    Path((name, version)): Path<(String, String)>,
    query: Result<Query<ReadDigest>, QueryRejection>,
) -> Result<Json<RowsDigest>, Problem> {
    let Query(asked) = query.map_err(|cause| parameters::invalid(cause.body_text()))?;
    let at = asked.position.map(Position);
    let digest = projections.verification().rows_digest(&name, parameters::version(&version)?, at, &work.0).await;
    Ok(Json(verifications::rows_digest(digest.map_err(|error| work.ended(error.into()))?)))
}

/// Replay all events of a version beside it and compare the rows
///
/// It ends with its client.
#[utoipa::path(
    get, path = "/v1/projections/{name}/versions/{version}/verification", tag = "projections", operation_id = "verify",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
    ),
    responses(
        (
            status = 200,
            description = "Whether they are the same, and where not; followed: `progress`, `verified`, `problem`",
            content((Verified = "application/json"), (VerificationMessage = "text/event-stream")),
        ),
        operations::Verify,
    )
)]
pub async fn verification(
    State(projections): State<Arc<Projections>>,
    LongWork(work): LongWork,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let version = parameters::version(&version)?;
    let events = projections.version(&name, Some(version))?.checkpoint().0;
    let replayed = Replayed::default();
    if !wants_events(&headers) {
        let verified = projections.verification().verify(&name, version, replayed, &work.0).await;
        let verified = verified.map_err(|error| work.ended(error.into()))?;
        return Ok(Json(verifications::verified(verified)).into_response());
    }
    let (client, told) = mpsc::channel(1);
    tokio::spawn(async move {
        let verifying = projections.verification().verify(&name, version, replayed.clone(), &work.0);
        tokio::pin!(verifying);
        let done = loop {
            tokio::select! {
                done = &mut verifying => break done,
                () = work.host_ends() => return,
                () = tokio::time::sleep(PROGRESS_INTERVAL) => {}
            }
            let progress = ReplayProgress { replayed: replayed.events(), events };
            let Ok(event) = Event::default().event("progress").json_data(progress) else { return };
            if client.send(event).await.is_err() {
                return;
            }
        };
        let event = match done {
            Ok(verified) => Event::default().event("verified").json_data(verifications::verified(verified)),
            Err(error) => {
                let problem = work.ended(error.into());
                Event::default().event("problem").json_data(kinora_api::Problem::from(problem))
            }
        };
        if let Ok(event) = event {
            let _ = client.send(event).await;
        }
    });
    let events = futures::StreamExt::map(ReceiverStream::new(told), Ok::<_, Infallible>);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}
