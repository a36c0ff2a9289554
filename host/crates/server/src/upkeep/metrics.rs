//! `/metrics`: figures for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kinora_api::Kind;
use kinora_log::Log;
use kinora_projection::Projections;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::edge::problem::Problem;
use crate::host::Host;
use crate::problems::operations;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VersionLabels {
    projection: String,
    version: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    projection: String,
    version: u32,
    state: &'static str,
}

/// Figures for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "host", operation_id = "metrics",
    responses(
        (status = 200, description = "OpenMetrics", body = String, content_type = "application/openmetrics-text"),
        operations::Metrics,
    )
)]
pub async fn metrics(State(host): State<Host>) -> Result<Response, Problem> {
    let mut registry = Registry::with_prefix("kinora");
    host.requests.register(&mut registry);
    log(&mut registry, &host.log);
    projections(&mut registry, &host.projections)?;
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|cause| Problem::new(Kind::Internal, cause.to_string()))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn log(registry: &mut Registry, log: &Log) {
    let events: Gauge = Gauge::default();
    events.set(signed(log.progress().0));
    registry.register("log_events", "Events that are durable", events);
}

fn projections(registry: &mut Registry, projections: &Projections) -> Result<(), Problem> {
    let [applied, lag, memory, skipped, stalled] = [(); 5].map(|()| Family::<VersionLabels, Gauge>::default());
    let state = Family::<StateLabels, Gauge>::default();
    let live = Family::<VersionLabels, Gauge>::default();
    for projection in projections.list()? {
        for version in projection.versions.iter().filter(|version| !version.state.is_gone()) {
            let labels = VersionLabels { projection: projection.name.clone(), version: version.version };
            applied.get_or_create(&labels).set(signed(version.applied));
            lag.get_or_create(&labels).set(signed(version.lag));
            memory.get_or_create(&labels).set(signed(version.memory_bytes));
            stalled.get_or_create(&labels).set(signed(version.stalled_seconds.unwrap_or(0)));
            skipped.get_or_create(&labels).set(signed(version.skipped.len() as u64));
            live.get_or_create(&labels).set(i64::from(projection.live == Some(version.version)));
            let VersionLabels { projection, version: number } = labels;
            let labels = StateLabels { projection, version: number, state: version.state.as_str() };
            state.get_or_create(&labels).set(1);
        }
    }
    registry.register("version_applied_events", "Events that a version has applied", applied);
    registry.register("version_lag_events", "Events that queries of a version do not see yet", lag);
    registry.register("version_memory_bytes", "Memory of a version's guest", memory);
    let help =
        "Seconds that a version has had events to apply without progress, 0 below the limit projections.stall_seconds";
    registry.register("version_stalled_seconds", help, stalled);
    registry.register("version_skipped_events", "Events that a version was told to pass over", skipped);
    registry.register("version_state", "The state of a version: 1 for the one that it is in", state);
    registry.register("version_live", "Whether a version answers queries", live);
    Ok(())
}
