//! `/v1/read-models`: rows by key, lists by index, named queries. Each answer says which version gave it, and from
//! which position.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

use crate::event::Position;
use crate::projection::{Answer, Projections};
use crate::readmodel::{Filter, ListQuery, Order, Row, TableSpec};
use crate::sandbox::{Module, NamedQuery};

use super::blocking;
use super::problem::Problem;

/// Rows of a page, unless the client says otherwise, and at most.
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 1_000;

/// How long a query waits for `min_position`, unless the client says otherwise, and at most.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// What every query can say, apart from its own parameters.
#[derive(Default)]
struct Common {
    version: Option<u32>,
    min_position: Option<u64>,
    timeout: Option<Duration>,
}

impl Common {
    /// Takes the common parameters out of all of them.
    fn take(pairs: Pairs) -> Result<(Self, Vec<(String, String)>), Problem> {
        let Query(pairs) = pairs.map_err(|cause| invalid(cause.body_text()))?;
        let mut common = Self::default();
        let mut rest = Vec::new();
        for (name, value) in pairs {
            match name.as_str() {
                "version" => common.version = Some(number(&name, &value)?),
                "min_position" => common.min_position = Some(number(&name, &value)?),
                "timeout" => {
                    let seconds: f64 = number(&name, &value)?;
                    let timeout = Duration::try_from_secs_f64(seconds).ok().filter(|timeout| *timeout <= MAX_TIMEOUT);
                    let most = MAX_TIMEOUT.as_secs();
                    common.timeout = Some(
                        timeout.ok_or_else(|| invalid(format!("timeout {value} is not from 0 to {most} seconds")))?,
                    );
                }
                _ => rest.push((name, value)),
            }
        }
        Ok((common, rest))
    }

    async fn answer(&self, projections: &Projections, name: &str) -> Result<Answer, Problem> {
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let at_least = self.min_position.map(|position| (Position(position), timeout));
        Ok(projections.answer(name, self.version, at_least).await?)
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|_| invalid(format!("{name}={value} is not a number that it can be")))
}

fn invalid(detail: String) -> Problem {
    Problem::new(400, "invalid-parameter", detail)
        .hint("parameters: version, min_position, timeout; for lists also field=operator.value, order, limit, cursor")
}

/// Says where an answer comes from.
fn from(answer: &Answer, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("kinora-version", HeaderValue::from(answer.version.number));
    if let Some(position) = answer.snapshot.checkpoint().last() {
        headers.insert("kinora-position", HeaderValue::from(position.0));
    }
    response
}

fn json(text: impl Into<axum::body::Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.into()).into_response()
}

#[derive(Serialize)]
struct ModelOut {
    name: String,
    version: u32,
    position: Option<u64>,
    tables: Vec<TableSpec>,
    queries: Vec<NamedQuery>,
}

/// What can be asked of a read model.
pub async fn model(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let (common, rest) = Common::take(pairs)?;
    only_common(&rest)?;
    let answer = common.answer(&projections, &name).await?;
    let queries = match answer.version.projector().as_deref() {
        Some(Module::Projector { manifest, .. }) => manifest.queries.clone(),
        _ => Vec::new(),
    };
    let model = ModelOut {
        name,
        version: answer.version.number,
        position: answer.snapshot.checkpoint().last().map(|position| position.0),
        tables: answer.snapshot.tables().to_vec(),
        queries,
    };
    Ok(from(&answer, Json(model).into_response()))
}

/// A row, byte for byte as the projector wrote it.
pub async fn row(
    State(projections): State<Arc<Projections>>,
    Path((name, table, key)): Path<(String, String, String)>,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let (common, rest) = Common::take(pairs)?;
    only_common(&rest)?;
    let answer = common.answer(&projections, &name).await?;
    // One row: mostly from memory, so it is not worth a change of threads.
    let response = match answer.snapshot.get(&table, &key)? {
        Some(row) => json(row),
        None => Problem::new(404, "unknown-row", format!("table {table:?} has no row {key:?}"))
            .hint("as of the version and position in the headers; min_position waits for a later one")
            .into_response(),
    };
    Ok(from(&answer, response))
}

/// Rows by index or key: filters, order, limit, cursor.
pub async fn list(
    State(projections): State<Arc<Projections>>,
    Path((name, table)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let (common, rest) = Common::take(pairs)?;
    let mut query = ListQuery { table, limit: DEFAULT_LIMIT, ..ListQuery::default() };
    for (name, value) in &rest {
        match name.as_str() {
            "limit" => query.limit = number(name, value)?,
            "cursor" => query.cursor = Some(value.clone()),
            "order" => query.order = Order::parse(value)?,
            field => query.filters.push(Filter::parse(field, value)?),
        }
    }
    if !(1..=MAX_LIMIT).contains(&query.limit) {
        return Err(invalid(format!("limit {} is not from 1 to {MAX_LIMIT}", query.limit)));
    }
    let answer = common.answer(&projections, &name).await?;
    let snapshot = Arc::clone(&answer.snapshot);
    let page = blocking(move || snapshot.list(&query).map_err(crate::projection::Error::from)).await?;
    let next = page.next.map(|cursor| next_url(uri.path(), &common, &rest, &cursor));
    Ok(from(&answer, json(rows_json(&page.rows, next.as_deref())?)))
}

/// `{"rows": [{"key", "row"}], "next"}`. Rows go in as they are: they were checked when they were written.
fn rows_json(rows: &[Row], next: Option<&str>) -> Result<String, Problem> {
    let quoted = |text: &str| {
        serde_json::to_string(text).map_err(|cause| Problem::new(500, "internal", format!("a key is damaged: {cause}")))
    };
    let mut body =
        String::with_capacity(rows.iter().map(|row| row.json.len() + row.key.len() + 32).sum::<usize>() + 64);
    body.push_str(r#"{"rows":["#);
    for (index, row) in rows.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        body.extend([comma, r#"{"key":"#, &quoted(&row.key)?, r#","row":"#, &row.json, "}"]);
    }
    let next = next.map_or_else(|| Ok("null".to_owned()), quoted)?;
    body.extend([r#"],"next":"#, &next, "}"]);
    Ok(body)
}

/// The same list, from behind its last row on. A pinned version stays, a position that was waited for is reached.
fn next_url(path: &str, common: &Common, rest: &[(String, String)], cursor: &str) -> String {
    let mut parameters = form_urlencoded::Serializer::new(String::new());
    if let Some(version) = common.version {
        parameters.append_pair("version", &version.to_string());
    }
    for (name, value) in rest.iter().filter(|(name, _)| name != "cursor") {
        parameters.append_pair(name, value);
    }
    parameters.append_pair("cursor", cursor);
    format!("{path}?{}", parameters.finish())
}

/// A query that the projector answers itself.
pub async fn named(
    State(projections): State<Arc<Projections>>,
    Path((name, query)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Response, Problem> {
    let (common, rest) = Common::take(pairs)?;
    let mut arguments = "{}".to_owned();
    for (name, value) in rest {
        match name.as_str() {
            "arguments" => arguments = value,
            _ => {
                return Err(invalid(format!("{name} is not a parameter of a named query"))
                    .hint(r#"its arguments stand in one parameter, as a JSON object: ?arguments={"limit":10}"#));
            }
        }
    }
    let limit = projections.modules().limits().query_argument_bytes;
    if arguments.len() > limit {
        return Err(Problem::new(
            413,
            "too-large",
            format!("the arguments have {} bytes, the limit is {limit}", arguments.len()),
        ));
    }
    if let Err(cause) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&arguments) {
        return Err(Problem::new(400, "invalid-arguments", format!("the arguments are not a JSON object: {cause}"))
            .hint(r#"such as ?arguments={"limit":10}, percent-encoded"#));
    }
    let answer = common.answer(&projections, &name).await?;
    let text = projections.named(&answer, &query, arguments).await?;
    Ok(from(&answer, json(text)))
}

fn only_common(rest: &[(String, String)]) -> Result<(), Problem> {
    match rest.first() {
        None => Ok(()),
        Some((name, _)) => Err(invalid(format!("{name} is not a parameter here"))),
    }
}
