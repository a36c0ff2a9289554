//! The limits in force, by name. What each is for stands in `LIMITS.md`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    pub bodies: Bodies,
    pub budget: Budget,
    pub deciders: Deciders,
    pub http: Http,
    pub log: Log,
    pub projections: Projections,
    pub queries: Queries,
    pub sandbox: Sandbox,
}

/// Request bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BodyLimits)]
pub struct Bodies {
    /// Bytes of all bodies that are read and worked on at once.
    pub bytes_at_once: u64,
}

/// Entries that a query may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = QueryBudget)]
pub struct Budget {
    pub list_entries: u64,
    pub scan_entries: u64,
    pub total_entries: u64,
}

/// What the lanes of a decider may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DeciderLimits)]
pub struct Deciders {
    pub attempts: u64,
    pub lane_commands: u64,
    pub lane_states: u64,
    pub lanes: u64,
    pub rejected_bytes: u64,
    pub rejected_commands: u64,
    pub rejected_seconds: u64,
    pub scopes: u64,
    pub snapshot_events: u64,
}

/// Connections and bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = HttpLimits)]
pub struct Http {
    pub address_connections: u64,
    pub address_wrong_keys: u64,
    pub body_bytes: u64,
    pub body_seconds: u64,
    pub client_body_bytes: u64,
    pub connections: u64,
    pub head_seconds: u64,
    pub idle_seconds: u64,
    pub send_seconds: u64,
    pub wrong_keys: u64,
}

/// Appends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LogLimits)]
pub struct Log {
    pub client_requests: u64,
    pub commit_events: u64,
    pub condition_reads: u64,
    pub condition_terms: u64,
    pub event_bytes: u64,
    pub event_tags: u64,
    pub key_bytes: u64,
    pub queued_bytes: u64,
    pub queued_requests: u64,
    pub request_bytes: u64,
    pub request_claims: u64,
    pub request_events: u64,
    pub request_streams: u64,
    pub types: u64,
}

/// All projections of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ProjectionLimits)]
pub struct Projections {
    pub reserved_cores: u64,
    pub stall_seconds: u64,
}

/// Reads: how many run, and wait, at once, and what each may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = QueryLimits)]
pub struct Queries {
    pub bytes: u64,
    pub bytes_at_once: u64,
    pub comparisons_at_once: u64,
    pub comparisons_waiting: u64,
    pub followers: u64,
    pub long_seconds: u64,
    pub named_at_once: u64,
    pub named_waiting: u64,
    pub page_bytes: u64,
    pub scans_at_once: u64,
    pub scans_waiting: u64,
    pub seconds: u64,
    pub slow_milliseconds: u64,
    pub streams_at_once: u64,
}

/// What a guest may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SandboxLimits)]
pub struct Sandbox {
    pub batch_event_fuel: u64,
    pub call_bytes: u64,
    pub call_operations: u64,
    pub commit_bytes: u64,
    pub compile_memory_bytes: u64,
    pub compile_seconds: u64,
    pub describe_fuel: u64,
    pub event_fuel: u64,
    pub flush_fuel: u64,
    pub instances: u64,
    pub key_bytes: u64,
    pub log_lines: u64,
    pub manifest_entries: u64,
    pub memory_bytes: u64,
    pub message_bytes: u64,
    pub module_bytes: u64,
    pub query_answer_bytes: u64,
    pub query_argument_bytes: u64,
    pub query_fuel: u64,
    pub scan_bytes: u64,
    pub stack_bytes: u64,
    pub table_elements: u64,
    pub value_bytes: u64,
}
