//! Differences between two versions, both after the same event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::versions::Fault;

#[derive(Clone, Copy, Debug, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadDiff {
    /// A version
    pub from: u32,
    /// Another version
    pub to: u32,
    /// Examples of each kind of change in each table
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 0, maximum = 1000, default = 5)]
    pub samples: Option<usize>,
    /// How long to wait for a version that is far behind, in seconds
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 0, maximum = 600, default = 30)]
    pub timeout: Option<f64>,
}

/// What differs, in counts and examples.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    pub from: u32,
    pub to: u32,
    /// The last event that both have applied.
    #[schema(required)]
    pub position: Option<u64>,
    /// Names this comparison, for pages of its rows.
    pub comparison: Uuid,
    pub tables: Vec<TableDiff>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TableDiff {
    pub table: String,
    pub rows_from: u64,
    pub rows_to: u64,
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    pub unchanged: u64,
    /// In how many of the changed rows each field differs.
    pub changed_fields: BTreeMap<String, u64>,
    pub samples: Vec<Difference>,
}

/// A row that differs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Where rows of several tables come together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub table: Option<String>,
    pub key: String,
    pub change: Change,
    /// The fields that differ, if the row is in both.
    pub fields: Vec<String>,
    #[schema(value_type = serde_json::Value, required)]
    pub from: Option<Box<RawValue>>,
    #[schema(value_type = serde_json::Value, required)]
    pub to: Option<Box<RawValue>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Added,
    Removed,
    Changed,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadDiffRows {
    /// A version
    pub from: u32,
    /// Another version
    pub to: u32,
    /// Only this table
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub table: Option<String>,
    /// Keys from this one on
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub start: Option<String>,
    /// Keys before this one
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub end: Option<String>,
    /// Only these
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline, nullable = false)]
    pub change: Option<Change>,
    /// Rows of a page
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<usize>,
    /// A comparison that is still kept, so that the pages are of its position
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub comparison: Option<Uuid>,
    /// table/key of a row that has been seen: goes on behind it
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub after: Option<String>,
    /// Or by the header Accept
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline, nullable = false)]
    pub format: Option<DiffFormat>,
    /// How long to wait for a version that is far behind, in seconds
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 0, maximum = 600, default = 30)]
    pub timeout: Option<f64>,
}

impl ReadDiffRows {
    /// All that differs between two versions.
    pub fn of(from: u32, to: u32) -> Self {
        Self {
            from,
            to,
            table: None,
            start: None,
            end: None,
            change: None,
            limit: None,
            comparison: None,
            after: None,
            format: None,
            timeout: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiffFormat {
    Json,
    Ndjson,
    Text,
}

/// A page of the rows that differ.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DiffRows {
    pub comparison: Uuid,
    pub from: u32,
    pub to: u32,
    #[schema(required)]
    pub position: Option<u64>,
    pub rows: Vec<Difference>,
    #[schema(required)]
    pub next: Option<String>,
}

/// The first line of all rows in one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffHead {
    pub comparison: Uuid,
    pub from: u32,
    #[schema(required)]
    pub position: Option<u64>,
    pub to: u32,
}

/// The last line of all rows in one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffTail {
    pub complete: bool,
    pub rows: u64,
}

/// A line of all rows in one stream: the head, rows, the tail.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum DiffLine {
    Row(Difference),
    Head(DiffHead),
    Tail(DiffTail),
}

#[derive(Clone, Debug, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadDiffEvents {
    /// A version
    pub from: u32,
    /// Another version
    pub to: u32,
    /// The table
    pub table: String,
    /// The key of the row
    pub key: String,
    /// Up to this position
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub position: Option<u64>,
    /// Events at most, from the first on
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<usize>,
}

/// The events that wrote a row in either version.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DiffEvents {
    pub table: String,
    pub key: String,
    pub from: RowTrace,
    pub to: RowTrace,
}

/// The events that wrote a row in one version, in order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RowTrace {
    pub version: u32,
    /// The last position that was looked at.
    #[schema(required)]
    pub position: Option<u64>,
    /// Whether this is all up to the position that was asked for.
    pub complete: bool,
    pub events: Vec<TraceStep>,
    #[schema(required)]
    pub fault: Option<Fault>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TraceStep {
    pub position: u64,
    pub stream: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u32,
    /// `null`: the event deleted it.
    #[schema(value_type = serde_json::Value, required)]
    pub row: Option<Box<RawValue>>,
}
