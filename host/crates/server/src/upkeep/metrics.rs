//! `/metrics`: figures for Prometheus.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kinora_api::Kind;
use kinora_decision::{Deciders, SnapshotCounts};
use kinora_engine::descriptors;
use kinora_log::{Figures, Log};
use kinora_projection::{Admission, Projections};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WhyLabels {
    why: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DeciderLabels {
    decider: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    decider: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WhatLabels {
    what: &'static str,
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
    reads(&mut registry, host.projections.admission());
    process(&mut registry);
    projections(&mut registry, &host.projections)?;
    deciders(&mut registry, &host.deciders);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|cause| Problem::new(Kind::Internal, cause.to_string()))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(signed(value));
    registry.register(name, help, gauge);
}

fn seconds(registry: &mut Registry, name: &str, help: &str, value: Duration) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value.as_secs_f64());
    registry.register_with_unit(name, help, Unit::Seconds, gauge);
}

/// Counted by the log itself.
#[derive(Debug)]
struct Syncs(kinora_log::Histogram);

impl EncodeMetric for Syncs {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let kinora_log::Histogram { classes, count, seconds } = &self.0;
        encoder.encode_histogram::<NoLabelSet>(*seconds, *count, classes, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

fn log(registry: &mut Registry, log: &Log) {
    let Figures {
        syncs,
        queued_requests,
        queued_bytes,
        oldest_queued,
        journal_bytes,
        journal_needed_bytes,
        ahead_of_clock,
    } = log.figures();
    gauge(registry, "log_events", "Events that are durable", log.progress().0);
    gauge(registry, "log_types", "Types of events, each schema counted", log.type_count());
    let help = "Whether a write has failed, so that the log takes nothing more until a restart";
    gauge(registry, "log_poisoned", help, u64::from(log.poisoned().is_some()));
    registry.register_with_unit("log_sync", "Time that syncs of the log took", Unit::Seconds, Syncs(syncs));
    gauge(registry, "log_queued_requests", "Appends that wait for the writer", queued_requests as u64);
    gauge(registry, "log_queued_bytes", "Bytes of appends that wait for the writer", queued_bytes as u64);
    let help = "Time that the append has waited that waits longest";
    seconds(registry, "log_queue_age", help, oldest_queued);
    gauge(registry, "log_journal_bytes", "Bytes of the journal", journal_bytes);
    let help = "Bytes of the journal that are not in tables yet";
    gauge(registry, "log_journal_needed_bytes", help, journal_needed_bytes);
    let help = "Time that the last event is ahead of the clock, which was set back";
    seconds(registry, "log_ahead_of_clock", help, ahead_of_clock);
    if let Some(free) = log.free_bytes() {
        let help = "Bytes that are free on the disk of the log, beyond those that are kept in reserve";
        gauge(registry, "disk_free_bytes", help, free);
    }
}

fn process(registry: &mut Registry) {
    if let Some(open) = descriptors::open() {
        gauge(registry, "open_descriptors", "Descriptors that the host has open", open);
    }
    if let Some(limit) = descriptors::limit() {
        gauge(registry, "descriptor_limit", "Descriptors that the host may have open", limit);
    }
}

fn reads(registry: &mut Registry, admission: &Admission) {
    let (refused, ended) = (Family::<LimitLabels, Counter>::default(), Family::<WhyLabels, Counter>::default());
    let free = Family::<LimitLabels, Gauge>::default();
    for busy in admission.busy() {
        let labels = LimitLabels { limit: busy.limit };
        refused.get_or_create(&labels).inc_by(busy.refused);
        free.get_or_create(&labels).set(signed(busy.free));
    }
    for (why, count) in admission.ends() {
        ended.get_or_create(&WhyLabels { why }).inc_by(count);
    }
    registry.register("reads_refused", "Reads that were refused, by the limit that leaves no place", refused);
    registry.register("reads_free", "Reads that could run besides those that do, by the limit of their line", free);
    let help = "Reads that ended early: nobody waited (cancelled), or they used up their time or bytes";
    registry.register("reads_ended", help, ended);
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

fn deciders(registry: &mut Registry, deciders: &Deciders) {
    let commands = Family::<OutcomeLabels, Counter>::default();
    let waiting = Family::<DeciderLabels, Gauge>::default();
    for figures in deciders.figures() {
        for (outcome, count) in figures.outcomes {
            let labels = OutcomeLabels { decider: figures.decider.clone(), outcome };
            commands.get_or_create(&labels).inc_by(count);
        }
        waiting.get_or_create(&DeciderLabels { decider: figures.decider }).set(signed(figures.waiting as u64));
    }
    let snapshots = Family::<WhatLabels, Counter>::default();
    let SnapshotCounts { made, used, refused, checked, wrong } = deciders.snapshots();
    for (what, count) in [("made", made), ("used", used), ("refused", refused), ("checked", checked), ("wrong", wrong)]
    {
        snapshots.get_or_create(&WhatLabels { what }).inc_by(count.load(Ordering::Relaxed));
    }
    registry.register("decider_commands", "Commands, by what they came to", commands);
    registry.register("decider_waiting", "Commands that wait to be decided", waiting);
    let help = "States of aggregates that were kept, used, refused since they do not fit, folded anew, and then wrong";
    registry.register("decider_snapshots", help, snapshots);
}
