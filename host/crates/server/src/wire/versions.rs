//! Versions and projections: where they stand.

use kinora_api::projections as api_projections;
use kinora_api::versions as api;
use kinora_projection::{Fault, OnFault, ProjectionStatus, State, VersionStatus};
use kinora_sandbox::Usage;

pub fn state(state: State) -> api::State {
    match state {
        State::Validating => api::State::Validating,
        State::Replaying => api::State::Replaying,
        State::CatchingUp => api::State::CatchingUp,
        State::Ready => api::State::Ready,
        State::Live => api::State::Live,
        State::Standby => api::State::Standby,
        State::Paused => api::State::Paused,
        State::Faulted => api::State::Faulted,
        State::Retired => api::State::Retired,
        State::Aborted => api::State::Aborted,
    }
}

pub fn projection(status: ProjectionStatus) -> api_projections::Projection {
    api_projections::Projection {
        name: status.name,
        live: status.live,
        previous: status.previous,
        retain: status.settings.retain,
        on_fault: match status.settings.on_fault {
            OnFault::Refuse => api_projections::OnFault::Refuse,
            OnFault::Stale => api_projections::OnFault::Stale,
        },
        versions: status.versions.into_iter().map(version).collect(),
    }
}

pub fn version(status: VersionStatus) -> api::Version {
    api::Version {
        projection: status.projection,
        version: status.version,
        state: state(status.state),
        module: status.module,
        upcasters: status.upcasters,
        checkpoint: status.checkpoint,
        head: status.head,
        lag: status.lag,
        applied: status.applied,
        stalled_seconds: status.stalled_seconds,
        events_per_second: status.events_per_second,
        eta_seconds: status.eta_seconds,
        replayed_in_ms: status.replayed_in_ms,
        validation: status.validation.map(|at| api::Validation {
            way: at.way,
            ways: at.ways,
            events: at.events,
            of: at.of,
        }),
        fault: status.fault.map(fault),
        determinism: status.determinism.map(|proof| api::Proof {
            events: proof.events,
            left_out: proof.left_out,
            ways: proof.ways,
            took_ms: proof.took_ms,
        }),
        continued: status.continued.map(|continued| api::Continued {
            from: continued.from,
            position: continued.position,
            compared: continued.compared,
            why_not: continued.why_not,
        }),
        skipped: status.skipped.into_iter().map(skipped).collect(),
        identity: status.identity,
        promote: promote(status.promote),
        start: status.start,
        reviewed: status.reviewed.map(|review| api::Review { against: review.against, at: review.at, who: review.who }),
        created_at: status.created_at,
        ready_at: status.ready_at,
        memory_bytes: status.memory_bytes,
        usage: usage(status.usage),
    }
}

fn promote(promote: kinora_projection::Promote) -> api::Promote {
    match promote {
        kinora_projection::Promote::Manual => api::Promote::Manual,
        kinora_projection::Promote::WhenReady => api::Promote::WhenReady,
    }
}

fn skipped(skipped: kinora_projection::Skipped) -> api::Skipped {
    api::Skipped {
        position: skipped.position,
        event_type: skipped.event_type,
        schema: skipped.schema,
        stream: skipped.stream,
        reason: skipped.reason,
        fault: skipped.fault,
        skipped_at: skipped.skipped_at,
    }
}

pub fn fault(fault: Fault) -> api::Fault {
    api::Fault {
        category: fault.category,
        position: fault.position,
        event_type: fault.event_type,
        schema: fault.schema,
        stream: fault.stream,
        message: fault.message,
        backtrace: fault.backtrace,
        limit: fault.limit.map(|limit| api::LimitHit { name: limit.name, value: limit.value }),
        hint: fault.hint,
    }
}

fn usage(usage: Usage) -> api::Usage {
    api::Usage {
        memory_bytes: usage.memory_bytes,
        table_elements: usage.table_elements,
        event_fuel: usage.event_fuel,
        flush_fuel: usage.flush_fuel,
        call_operations: usage.call_operations,
        commit_bytes: usage.commit_bytes,
        log_lines: usage.log_lines,
    }
}
