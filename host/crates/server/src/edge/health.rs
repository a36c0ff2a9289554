//! `/healthz`, `/readyz` and `/metrics`: for load balancers and monitoring.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::time::Instant;

use kinora_log::Log;
use kinora_projection::{Projections, State as VersionState, VersionStatus};

use crate::edge::problem::Problem;
use crate::service::Host;

/// Upper edges of the buckets of request times, in seconds: from a row in memory to a wait for a position.
const SECONDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

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

type Times = Family<RouteLabels, Histogram, fn() -> Histogram>;

/// What is counted as it happens. The rest is looked up when somebody asks.
#[derive(Clone)]
pub struct Requests {
    count: Family<RequestLabels, Counter>,
    times: Times,
    appends: Appends,
}

/// What appends to a stream are counted with: they are too many to look it up for each.
#[derive(Clone)]
struct Appends {
    created: Counter,
    times: Histogram,
}

impl Default for Requests {
    fn default() -> Self {
        let count = Family::<RequestLabels, Counter>::default();
        let times = Times::new_with_constructor(|| Histogram::new(SECONDS));
        let created = append_labels(StatusCode::CREATED);
        let appends = Appends {
            created: count.get_or_create_owned(&created),
            times: times.get_or_create_owned(&RouteLabels { route: created.route }),
        };
        Self { count, times, appends }
    }
}

fn append_labels(status: StatusCode) -> RequestLabels {
    RequestLabels { route: crate::service::APPEND.to_owned(), method: "POST", status: status.as_u16() }
}

/// A request that is being answered.
pub struct Counted {
    route: String,
    method: &'static str,
    asked: Instant,
}

impl Requests {
    /// Counts a request under its route, whatever stands in the place of names.
    pub fn begin(&self, request: &Request) -> Counted {
        let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
        Counted { route, method: name(request.method()), asked: Instant::now() }
    }
}

/// An append to a stream that is being answered.
pub struct CountedAppend(Instant);

impl CountedAppend {
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    pub fn end(self, requests: &Requests, response: &Response) {
        match response.status() {
            StatusCode::CREATED => requests.appends.created.inc(),
            status => requests.count.get_or_create(&append_labels(status)).inc(),
        };
        requests.appends.times.observe(self.0.elapsed().as_secs_f64());
    }
}

/// Of those that there are routes for; what a client makes up is no label.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

impl Counted {
    pub fn end(self, requests: &Requests, response: &Response) {
        let Self { route, method, asked } = self;
        let status = response.status().as_u16();
        let labels = RequestLabels { route, method, status };
        requests.count.get_or_create(&labels).inc();
        requests.times.get_or_create(&RouteLabels { route: labels.route }).observe(asked.elapsed().as_secs_f64());
    }
}

pub async fn metrics(State(host): State<Host>) -> Result<Response, Problem> {
    let mut registry = Registry::with_prefix("kinora");
    registry.register("http_requests", "Requests that were answered", host.requests.count.clone());
    registry.register("http_request_seconds", "Time until a request was answered", host.requests.times.clone());
    log(&mut registry, &host.log);
    projections(&mut registry, &host.projections)?;
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|cause| Problem::new(500, "internal", cause.to_string()))?;
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

/// Ready once every live version runs. A host without projections is ready.
pub async fn ready(State(projections): State<Arc<Projections>>) -> Result<Response, Problem> {
    let mut waiting = Vec::new();
    for projection in projections.list()? {
        let live = projection.versions.iter().find(|version| Some(version.version) == projection.live);
        let stands =
            |version: &&VersionStatus| version.state != VersionState::Live || version.stalled_seconds.is_some();
        if let Some(version) = live.filter(stands) {
            let (name, number, state) = (&projection.name, version.version, version.state);
            let stalled = version.stalled_seconds;
            waiting.push(json!({"projection": name, "version": number, "state": state, "stalled_seconds": stalled}));
        }
    }
    let (code, status) =
        if waiting.is_empty() { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    Ok((code, Json(json!({"status": status, "waiting": waiting}))).into_response())
}
