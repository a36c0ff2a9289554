//! `/v1/upcasters`: what upcasters would do with all of history, and the projections that should follow. And which versions
//! a module is part of.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use kinora_projection::{DryRun, FollowOutcome, Projections, Promote, Use};
use kinora_types::Digest;

use crate::edge::actor::by;
use crate::edge::problem::Problem;
use crate::projections::modules::parse;
use crate::projections::rollouts::invalid;
use crate::service::blocking;

/// Events of each type that are shown before and after, unless the client says otherwise, and at most.
const DEFAULT_SAMPLES: usize = 3;
const MAX_SAMPLES: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRunIn {
    upcasters: Vec<Digest>,
    samples: Option<usize>,
}

pub async fn dry_run(
    State(projections): State<Arc<Projections>>,
    body: Result<Json<DryRunIn>, JsonRejection>,
) -> Result<Json<DryRun>, Problem> {
    let Json(DryRunIn { upcasters, samples }) = body.map_err(|cause| {
        Problem::new(400, "invalid-json", cause.body_text()).hint(r#"send {"upcasters": [digest], "samples": n}"#)
    })?;
    let samples = samples.unwrap_or(DEFAULT_SAMPLES);
    if samples > MAX_SAMPLES {
        return Err(invalid(format!("samples {samples} is more than {MAX_SAMPLES}")));
    }
    for digest in &upcasters {
        projections.modules().settled(*digest).await?;
    }
    Ok(Json(blocking(move || projections.upcasters().dry_run(&upcasters, samples)).await?))
}

#[derive(Serialize)]
pub struct UsesOut {
    uses: Vec<Use>,
}

pub async fn uses(
    State(projections): State<Arc<Projections>>,
    Path(digest): Path<String>,
) -> Result<Json<UsesOut>, Problem> {
    let digest = parse(&digest)?;
    projections.modules().status(digest).ok_or(kinora_sandbox::Error::Unknown(digest))?;
    Ok(Json(UsesOut { uses: projections.upcasters().uses(digest)? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowIn {
    /// The upcaster that takes the place of another.
    upcaster: Digest,
    replaces: Digest,
    #[serde(default)]
    promote: Promote,
}

#[derive(Serialize)]
pub struct FollowOut {
    projections: Vec<Value>,
}

/// A new version of every projection that works with an upcaster, with another in its place.
pub async fn follow(
    State(projections): State<Arc<Projections>>,
    headers: HeaderMap,
    body: Result<Json<FollowIn>, JsonRejection>,
) -> Result<Json<FollowOut>, Problem> {
    let Json(FollowIn { upcaster, replaces, promote }) = body.map_err(|cause| {
        Problem::new(400, "invalid-json", cause.body_text())
            .hint(r#"send {"upcaster": digest, "replaces": digest, "promote": "manual" | "when_ready"}"#)
    })?;
    let by = by(&headers)?;
    projections.modules().settled(upcaster).await?;
    let following = Arc::clone(&projections);
    let followed = blocking(move || following.upcasters().follow(replaces, upcaster, promote, &by)).await?;
    projections.recorded().await;
    Ok(Json(FollowOut { projections: followed.into_iter().map(shown).collect() }))
}

/// The version that was deployed, or why none was.
fn shown(followed: FollowOutcome) -> Value {
    match followed.outcome {
        Ok(version) => json!({"projection": followed.projection, "version": version, "problem": null}),
        Err(error) => {
            json!({"projection": followed.projection, "version": null, "problem": Problem::from(error).into_json()})
        }
    }
}
