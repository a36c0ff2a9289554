//! `/v1/upcasters`: what upcasters would do with all of history, and the projections that should follow.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Json;
use kinora_api::headers;
use kinora_api::upcasters as api;
use kinora_projection::{Line, Projections};
use kinora_types::{Budget, Position};

use crate::edge::budget::{LongWork, Work};
use crate::edge::change::Change;
use crate::edge::parameters;
use crate::edge::parameters::{Path, invalid};
use crate::edge::problem::Problem;
use crate::host::blocking;
use crate::problems::operations;
use crate::wire::{rollouts, upcasters, versions};

/// Events of each type that are shown before and after, unless the client says otherwise, and at most.
const DEFAULT_SAMPLES: usize = 3;
const MAX_SAMPLES: usize = 100;

/// Upcasters that are tried out together.
const MAX_UPCASTERS: usize = 100;

/// Run upcasters over every event that they take: outcomes, failures, samples before and after
#[utoipa::path(
    post, path = "/v1/upcasters/dry-run", tag = "modules", operation_id = "dry_run_upcasters",
    request_body = api::AskDryRun,
    responses((status = 200, description = "What would come of it", body = api::DryRun), operations::DryRunUpcasters)
)]
pub async fn dry_run(
    State(projections): State<Arc<Projections>>,
    LongWork(work): LongWork,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<api::DryRun>, Problem> {
    let api::AskDryRun { upcasters, samples } =
        parameters::json(&body?, r#"send {"upcasters": [digest], "samples": n}"#)?;
    let samples = samples.unwrap_or(DEFAULT_SAMPLES);
    if samples > MAX_SAMPLES {
        return Err(invalid(format!("samples {samples} is more than {MAX_SAMPLES}")));
    }
    if upcasters.len() > MAX_UPCASTERS {
        return Err(invalid(format!("{} upcasters are more than {MAX_UPCASTERS}", upcasters.len())));
    }
    for digest in &upcasters {
        projections.modules().settled(*digest).await?;
    }
    let run = move |budget: &Budget| projections.upcasters().dry_run(&upcasters, samples, budget);
    let found = work.run_in(Line::Comparisons, run).await?;
    Ok(Json(upcasters::dry_run(found)))
}

/// Deploy a new version of every projection that works with an upcaster, with another in its place
#[utoipa::path(
    post, path = "/v1/upcasters/follow", tag = "modules", operation_id = "follow_upcaster",
    params(headers::By),
    request_body = api::Follow,
    responses(
        (status = 200, description = "What became of each", body = api::FollowOutcomes),
        operations::FollowUpcaster,
    )
)]
pub async fn follow(
    State(projections): State<Arc<Projections>>,
    asked: Change,
) -> Result<Json<api::FollowOutcomes>, Problem> {
    let api::Follow { upcaster, replaces, promote } = parameters::json(
        &asked.body,
        r#"send {"upcaster": digest, "replaces": digest, "promote": "manual" | "when_ready"}"#,
    )?;
    let request = asked.expecting(None);
    projections.modules().settled(upcaster).await?;
    let (following, promote) = (Arc::clone(&projections), rollouts::promote_in(promote));
    let followed = blocking(move || following.upcasters().follow(replaces, upcaster, promote, &request)).await?;
    projections.recorded().await;
    let outcomes = followed.into_iter().map(|followed| {
        let (version, problem) = match followed.outcome {
            Ok(version) => (Some(versions::version(version)), None),
            Err(error) => (None, Some(Problem::from(error).into())),
        };
        api::FollowOutcome { problem, projection: followed.projection, version }
    });
    Ok(Json(api::FollowOutcomes { projections: outcomes.collect() }))
}

/// What the upcasters of a version make of one event, call by call
#[utoipa::path(
    get, path = "/v1/projections/{name}/versions/{version}/upcasting/{position}", tag = "projections",
    operation_id = "upcasting",
    params(
        ("name" = String, Path, description = "The projection"),
        ("version" = u32, Path, description = "The number of the version", minimum = 1),
        ("position" = u64, Path, description = "Of the event"),
    ),
    responses((status = 200, description = "What comes of it", body = api::Upcasting), operations::Upcasting)
)]
pub async fn upcasting(
    State(projections): State<Arc<Projections>>,
    work: Work,
    Path((name, version, position)): Path<(String, String, String)>,
) -> Result<Json<api::Upcasting>, Problem> {
    let (number, at) = (parameters::version(&version)?, position.parse::<u64>());
    let at = at.map_err(|_| invalid(format!("{position:?} is no position")))?;
    let (asked, of) = (Arc::clone(&projections), name.clone());
    let upcast = move |budget: &Budget| asked.upcastings().of(&of, number, Position(at), budget);
    let found = work.run_in(Line::Named, upcast).await?;
    let found = found.ok_or_else(|| invalid(format!("there is no event {at}")))?;
    Ok(Json(upcasters::upcasting(name, number, at, found)))
}
