//! Limits in force, as figures.

use kinora_api::limits as api;
use kinora_engine::limits::Limits;
use kinora_readmodel::EntryLimits;
use kinora_sandbox as sandbox;

/// `bodies` are the bytes of all bodies at once.
pub fn limits(limits: &Limits, bodies: usize) -> api::Limits {
    let Limits { log, sandbox, queries, projections, deciders, http } = limits;
    let entries = EntryLimits::default();
    api::Limits {
        bodies: api::Bodies { bytes_at_once: bodies as u64 },
        budget: api::Budget {
            list_entries: entries.list_entries as u64,
            scan_entries: entries.scan_entries as u64,
            total_entries: entries.total_entries as u64,
        },
        deciders: api::Deciders {
            attempts: u64::from(deciders.attempts),
            lane_commands: deciders.lane_commands as u64,
            lane_states: deciders.lane_states as u64,
            lanes: deciders.lanes as u64,
            rejected_bytes: deciders.rejected_bytes as u64,
            rejected_commands: deciders.rejected_commands as u64,
            rejected_seconds: deciders.rejected_seconds,
            scopes: deciders.scopes as u64,
            snapshot_events: deciders.snapshot_events,
        },
        http: api::Http {
            address_connections: http.address_connections as u64,
            address_wrong_keys: u64::from(http.address_wrong_keys),
            body_bytes: http.body_bytes as u64,
            body_seconds: http.body_seconds,
            client_body_bytes: http.client_body_bytes as u64,
            connections: http.connections as u64,
            head_seconds: http.head_seconds,
            idle_seconds: http.idle_seconds,
            send_seconds: http.send_seconds,
            wrong_keys: u64::from(http.wrong_keys),
        },
        log: api::Log {
            client_requests: log.client_requests as u64,
            commit_events: log.commit_events.get() as u64,
            condition_reads: log.condition_reads,
            condition_terms: log.condition_terms as u64,
            event_bytes: log.event_bytes as u64,
            event_tags: log.event_tags as u64,
            key_bytes: log.key_bytes as u64,
            queued_bytes: log.queued_bytes as u64,
            queued_requests: log.queued_requests as u64,
            request_bytes: log.request_bytes as u64,
            request_claims: log.request_claims as u64,
            request_events: log.request_events as u64,
            request_streams: log.request_streams as u64,
            types: log.types as u64,
        },
        projections: api::Projections {
            reserved_cores: projections.reserved_cores as u64,
            stall_seconds: projections.stall_seconds,
        },
        queries: api::Queries {
            bytes: queries.bytes,
            bytes_at_once: queries.bytes_at_once,
            comparisons_at_once: queries.comparisons_at_once.get() as u64,
            comparisons_waiting: queries.comparisons_waiting as u64,
            followers: queries.followers as u64,
            long_seconds: queries.long_seconds,
            named_at_once: queries.named_at_once.get() as u64,
            named_waiting: queries.named_waiting as u64,
            page_bytes: queries.page_bytes as u64,
            scans_at_once: queries.scans_at_once.get() as u64,
            scans_waiting: queries.scans_waiting as u64,
            seconds: queries.seconds,
            slow_milliseconds: queries.slow_milliseconds,
            streams_at_once: queries.streams_at_once.get() as u64,
        },
        sandbox: self::sandbox(sandbox),
    }
}

fn sandbox(limits: &sandbox::Limits) -> api::Sandbox {
    api::Sandbox {
        batch_event_fuel: limits.batch_event_fuel,
        call_bytes: limits.call_bytes as u64,
        call_operations: limits.call_operations,
        commit_bytes: limits.commit_bytes as u64,
        compile_memory_bytes: limits.compile_memory_bytes,
        compile_seconds: limits.compile_seconds,
        describe_fuel: limits.describe_fuel,
        event_fuel: limits.event_fuel,
        flush_fuel: limits.flush_fuel,
        instances: limits.instances as u64,
        key_bytes: limits.key_bytes as u64,
        log_lines: limits.log_lines as u64,
        manifest_entries: limits.manifest_entries as u64,
        memory_bytes: limits.memory_bytes as u64,
        message_bytes: limits.message_bytes as u64,
        module_bytes: limits.module_bytes as u64,
        query_answer_bytes: limits.query_answer_bytes as u64,
        query_argument_bytes: limits.query_argument_bytes as u64,
        query_fuel: limits.query_fuel,
        scan_bytes: limits.scan_bytes as u64,
        stack_bytes: limits.stack_bytes as u64,
        table_elements: limits.table_elements as u64,
        value_bytes: limits.value_bytes as u64,
    }
}
