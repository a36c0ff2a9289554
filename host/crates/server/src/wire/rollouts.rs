//! Rollouts: what is deployed, and what has to hold before it goes live.

use kinora_api::rollouts as api;
use kinora_api::versions as versions_api;
use kinora_projection as projection;

use crate::wire::versions;

pub fn promote_in(promote: versions_api::Promote) -> projection::Promote {
    match promote {
        versions_api::Promote::Manual => projection::Promote::Manual,
        versions_api::Promote::WhenReady => projection::Promote::WhenReady,
    }
}

pub fn gates_in(gates: api::Gates) -> projection::Gates {
    let bounds = |(table, bounds): (String, api::Bounds)| {
        let api::Bounds { added, removed, changed } = bounds;
        (table, projection::Bounds { added, removed, changed })
    };
    projection::Gates {
        max_lag: gates.max_lag,
        reviewed: gates.reviewed,
        difference: gates.difference.into_iter().map(bounds).collect(),
        ready_for_seconds: gates.ready_for_seconds,
        check: gates.check.map(|check| projection::Check { query: check.query, arguments: check.arguments }),
    }
}

pub fn gates(gates: Vec<projection::Gate>) -> Vec<api::Gate> {
    let gate =
        |gate: projection::Gate| api::Gate { gate: gate.gate.to_owned(), passed: gate.passed, reason: gate.reason };
    gates.into_iter().map(gate).collect()
}

pub fn checklist(checklist: projection::Checklist) -> api::Checklist {
    api::Checklist {
        projection: checklist.projection,
        version: checklist.version,
        live: checklist.live,
        passed: checklist.passed,
        gates: gates(checklist.gates),
    }
}

pub fn gaps(gaps: Vec<projection::Gap>) -> Vec<api::Gap> {
    let gap = |gap: projection::Gap| api::Gap {
        kind: gap.kind,
        schema: gap.schema,
        count: gap.count,
        first_position: gap.first_position,
        why: gap.why,
    };
    gaps.into_iter().map(gap).collect()
}

pub fn preflight(preflight: projection::Preflight) -> api::Preflight {
    let events = preflight.events.into_iter().map(|fate| api::Fate {
        kind: fate.kind,
        schema: fate.schema,
        count: fate.count,
        becomes: fate.becomes.to_owned(),
    });
    let forecast = preflight.forecast;
    api::Preflight {
        projection: preflight.projection,
        events: events.collect(),
        forecast: api::Forecast {
            events: forecast.events,
            concerned: forecast.concerned,
            sampled_events: forecast.sampled_events,
            sampled_ms: forecast.sampled_ms,
            events_per_second: forecast.events_per_second,
            seconds: forecast.seconds,
            disk_bytes: forecast.disk_bytes,
            disk_free_bytes: forecast.disk_free_bytes,
            memory_bytes: forecast.memory_bytes,
            memory_limit_bytes: forecast.memory_limit_bytes as u64,
            fault: forecast.fault.map(versions::fault),
        },
    }
}
