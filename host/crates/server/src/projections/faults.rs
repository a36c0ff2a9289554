//! Ways on from an event that stopped a version: reproduce it elsewhere, or pass it over for a reason.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Json, Response};
use kinora_api::headers;
use kinora_api::projections::Projection;
use kinora_api::rollouts::Skip;
use kinora_api::verifications::Bundle;
use kinora_projection::{Line, Projections};

use crate::edge::budget::LongWork;
use crate::edge::change::Change;
use crate::edge::parameters;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::host::blocking;
use crate::problems::operations;
use crate::wire::versions;

/// Everything that the fault of a version depends on, for `kinora repro`
#[utoipa::path(
    get, path = "/v1/projections/{name}/versions/{version}/reproduction", tag = "projections",
    operation_id = "reproduction",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
    ),
    responses(
        (status = 200, description = "Modules, limits, the event, and the rows that the guest read", body = Bundle),
        operations::Reproduction,
    )
)]
pub async fn reproduction(
    State(projections): State<Arc<Projections>>,
    LongWork(work): LongWork,
    Path((name, version)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let version = parameters::version(&version)?;
    let file = format!("attachment; filename=\"{name}-{version}.repro.json\"");
    // It goes to a file as it is, and is read by the crate that made it.
    let made = work.run_in(Line::Comparisons, move |budget| projections.reproductions().of(&name, version, budget));
    let bundle = made.await?;
    Ok(([(header::CONTENT_DISPOSITION, file)], Json(bundle)).into_response())
}

/// Pass over the event at which a version stopped, and go on
#[utoipa::path(
    post, path = "/v1/projections/{name}/versions/{version}/skip", tag = "projections", operation_id = "skip",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        headers::By,
    ),
    request_body = Skip,
    responses(
        (
            status = 200,
            description = "The projection as it is now; the event and the reason stay with the version for ever",
            body = Projection,
        ),
        operations::Skip,
    )
)]
pub async fn skip(
    State(projections): State<Arc<Projections>>,
    Path((name, version)): Path<(String, String)>,
    asked: Change,
) -> Result<Json<Projection>, Problem> {
    let version = parameters::version(&version)?;
    let Skip { position, reason, expected_live } = parameters::json(
        &asked.body,
        r#"send {"position": where the version stopped, "reason": why this event may be passed over}"#,
    )?;
    let (skipping, request) = (Arc::clone(&projections), asked.expecting(expected_live));
    let skipped = blocking(move || skipping.skipping().skip(&name, version, position, &reason, &request)).await?;
    projections.recorded().await;
    Ok(Json(versions::projection(skipped)))
}
