//! Queries of a read model: rows, lists, figures, and what can be asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AnyOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::modules::{NamedQuery, Table};
use crate::problems::Problem;

/// What can be asked of a read model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReadModel {
    pub name: String,
    pub version: u32,
    #[schema(required)]
    pub position: Option<u64>,
    pub tables: Vec<Table>,
    pub queries: Vec<NamedQuery>,
}

/// A row under its key, byte for byte as the projector wrote it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Row {
    pub key: String,
    #[schema(value_type = serde_json::Value)]
    pub row: Box<RawValue>,
}

/// A page of rows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"rows": [{"key": "UA", "row": {"flights": 58665}}], "next": null}))]
pub struct RowPage {
    pub rows: Vec<Row>,
    /// The address of the next page, if there is one.
    #[schema(required)]
    pub next: Option<String>,
    /// With `Prefer: count=exact`, how many rows there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub count: Option<u64>,
}

/// What a row was, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RowVersions {
    pub versions: Vec<RowVersion>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RowVersion {
    /// The event that left the row so.
    #[schema(required)]
    pub position: Option<u64>,
    /// `null` where it deleted the row.
    #[schema(value_type = serde_json::Value, required)]
    pub row: Option<Box<RawValue>>,
}

/// What a query of one row answers: the row itself, or what it was.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum RowAnswer {
    Versions(RowVersions),
    Row(Value),
}

impl PartialSchema for RowAnswer {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .description(Some("The row itself, or with `versions` what it was."))
            .item(Ref::from_schema_name(RowVersions::name()))
            .item(Value::schema())
            .into()
    }
}

impl ToSchema for RowAnswer {
    fn schemas(schemas: &mut Schemas) {
        with::<RowVersions>(schemas);
    }
}

type Schemas = Vec<(String, RefOr<Schema>)>;

/// Adds a schema, and those that it refers to.
fn with<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// Figures over rows, as far as they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "groups": [{"carrier": "UA", "count": 3}], "facets": {"carrier": [{"value": "UA", "count": 3}]},
}))]
pub struct Statistics {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub facets: Option<BTreeMap<String, Vec<FacetValue>>>,
    /// The fields of each group, and its figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>, nullable = false)]
    pub groups: Option<Vec<Map<String, Value>>>,
}

/// How often a value is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FacetValue {
    pub count: u64,
    pub value: Value,
}

/// How a query is, or would be, answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The index that is read; none for the rows themselves, by key.
    #[schema(required)]
    pub index: Option<String>,
    /// What that index is ordered by.
    pub paths: Vec<String>,
    /// How many ranges of it.
    pub ranges: u64,
    pub backwards: bool,
    /// Whether the rows themselves are asked, as the index alone does not tell.
    pub filters_rows: bool,
    /// Whether rows are collected and sorted, as they do not come in the order that is wanted.
    pub sorts: bool,
    /// Entries that were looked at for this page, and rows that it has.
    pub entries_visited: u64,
    pub rows: u64,
    pub budget_entries: u64,
    /// Why there is no answer, if there is none.
    #[schema(required)]
    pub refused: Option<String>,
    /// The paths of an index that would serve this query, if it is not served by one alone.
    #[schema(required)]
    pub helpful_index: Option<Vec<String>>,
}

/// What a list answers: rows, unless something else was asked for.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ListAnswer {
    Rows(RowPage),
    Explanation(Explanation),
    Statistics(Statistics),
}

impl PartialSchema for ListAnswer {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new()
            .description(Some("Rows; with `aggregate` or `facets` figures, with `explain` how they would be found."))
            .item(Ref::from_schema_name(RowPage::name()))
            .item(Ref::from_schema_name(Statistics::name()))
            .item(Ref::from_schema_name(Explanation::name()))
            .into()
    }
}

impl ToSchema for ListAnswer {
    fn schemas(schemas: &mut Schemas) {
        with::<RowPage>(schemas);
        with::<Statistics>(schemas);
        with::<Explanation>(schemas);
    }
}

/// What a client that follows a query is told as `reset`: what it has is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reset {
    pub version: u32,
}

/// What a client that follows a query is told as `removed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    pub key: String,
}

/// What a client that follows a query is told as `position`, after each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reached {
    #[schema(required)]
    pub position: Option<u64>,
    pub version: u32,
}

/// What is said to whoever follows a query. A round of rows ends with `position`, and the stream with `problem`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub enum RowsMessage {
    Reset(Reset),
    Row(Row),
    Removed(Removed),
    Position(Reached),
    Problem(Problem),
}

/// What every query can say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Ask {
    /// A version that is not live
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1)]
    pub version: Option<u32>,
    /// Wait until this event has been applied
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub min_position: Option<u64>,
    /// How long to wait for it, in seconds
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 0, maximum = 60, default = 5)]
    pub timeout: Option<f64>,
    /// Whether the old rows of a version that stopped at a fault are welcome
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, default = false)]
    pub stale: Option<bool>,
}

/// A moment of the past, for tables with a history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskPast {
    /// Rows, and figures over them, as they were after this event, for tables with a history
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub at_position: Option<u64>,
    /// Rows as they were then, for tables with a history
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    pub at_time: Option<String>,
}

/// What a query of one row can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskRow {
    /// What the row was, the newest first, so many at most
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 1000)]
    pub versions: Option<usize>,
}

/// What a named query can say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskNamed {
    /// A JSON object
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub arguments: Option<String>,
}

/// What a list can say, beside its filters: every other parameter is one, as `field=operator.value`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskList {
    /// Fields, such as flights.desc,origin or -flights,origin
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub order: Option<String>,
    /// Some fields of each row, such as flights,delay.mean,worst:delay.max
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub select: Option<String>,
    /// Read more than the budget, for want of an index
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, default = false)]
    pub scan: Option<bool>,
    /// Rows of a page
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<usize>,
    /// From the `next` of the page before
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub cursor: Option<String>,
    /// How the query is answered, instead of its rows
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, default = false)]
    pub explain: Option<bool>,
    /// Instead of the Accept header
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline, nullable = false)]
    pub format: Option<RowFormat>,
    /// Figures instead of rows: count, sum(field), avg(field), min(field), max(field), percentile(field,90)
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub aggregate: Option<String>,
    /// The fields whose values make a group, with aggregate
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub group: Option<String>,
    /// Fields whose values are counted, each for itself
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub facets: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowFormat {
    Json,
    Ndjson,
    Csv,
}
