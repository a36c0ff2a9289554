//! `/v1/read-models`: what can be asked, rows by key, named queries.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use kinora_api::queries::{ReadModel, RowAnswer};
use kinora_api::{Kind, headers, queries};
use kinora_log::Log;
use kinora_projection::Projections;

use crate::edge::budget::{RareWork, Work};
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::edge::session::Asked;
use crate::problems::operations;
use crate::query::common::{Common, Known, as_of, from, invalid, json, number, only_common, unchanged};
use crate::query::row_format::Format;
use crate::query::row_versions;
use crate::wire::queries as wire;

/// What can be asked of a read model
#[utoipa::path(
    get, path = "/v1/read-models/{name}", tag = "read models", operation_id = "read_model",
    params(
        ("name" = String, Path, description = "The projection"),
        queries::Ask,
        headers::Session,
    ),
    responses(
        (status = 200, description = "Tables, indexes and queries", body = ReadModel),
        operations::ReadModel,
    )
)]
pub async fn model(
    State(projections): State<Arc<Projections>>,
    Path(name): Path<String>,
    pairs: Asked,
) -> Result<Response, Problem> {
    let (common, rest) = Common::take(pairs)?;
    only_common(&rest)?;
    common.only_now()?;
    let answer = common.answer(&projections, &name).await?;
    let queries = answer.version.projector().map(|projector| projector.manifest.queries.clone()).unwrap_or_default();
    let model = ReadModel {
        name,
        version: answer.version.number,
        position: answer.snapshot.checkpoint().last().map(|position| position.0),
        tables: answer.snapshot.tables().iter().cloned().map(wire::table).collect(),
        queries: queries.into_iter().map(wire::named_query).collect(),
    };
    Ok(from(&answer, Json(model).into_response()))
}

/// A row, byte for byte as the projector wrote it; a key may have slashes
#[utoipa::path(
    get, path = "/v1/read-models/{name}/{table}/{*key}", tag = "read models", operation_id = "row",
    params(
        ("name" = String, Path, description = "The projection"),
        ("table" = String, Path, description = "The table"),
        ("key" = String, Path, description = "The key"),
        queries::Ask,
        queries::AskPast,
        queries::AskRow,
        headers::Session,
        headers::Known,
    ),
    responses(
        (status = 200, description = "The row; with `versions`, what it was", body = RowAnswer),
        (status = 304, description = "The client has this answer"),
        operations::Row,
    )
)]
pub async fn row(
    State(projections): State<Arc<Projections>>,
    State(log): State<Log>,
    work: RareWork,
    Path((name, table, key)): Path<(String, String, String)>,
    Known(known): Known,
    pairs: Asked,
) -> Result<Response, Problem> {
    let (common, rest) = Common::take(pairs)?;
    let versions = match rest.as_slice() {
        [(name, value)] if name == "versions" => Some(number(name, value)?),
        rest => only_common(rest).map(|()| None)?,
    };
    if versions.is_some() && common.past.is_some() {
        return Err(invalid("versions are all that a row was: they do not go with at_position and at_time".into()));
    }
    let answer = common.answer(&projections, &name).await?;
    if let Some(unchanged) = unchanged(Format::Json, &answer, known.as_ref()) {
        return Ok(unchanged);
    }
    if let Some(limit) = versions {
        return row_versions::versions(&work.begin(), &answer, &table, &key, limit).await;
    }
    let past = common.past(&log, &answer).await?;
    // One row: mostly from memory, so it is not worth a change of threads.
    let found = match past {
        None => answer.snapshot.get(&table, &key)?,
        Some(past) => answer.snapshot.get_at(&table, &key, past)?,
    };
    let response = match found {
        Some(row) => json(row),
        None => Problem::new(Kind::UnknownRow, format!("table {table:?} has no row {key:?}"))
            .hint("as of the version and position in the headers; min_position waits for a later one")
            .into_response(),
    };
    Ok(as_of(past, from(&answer, response)))
}

/// A query that the projector answers itself
#[utoipa::path(
    get, path = "/v1/read-models/{name}/queries/{query}", tag = "read models", operation_id = "named_query",
    params(
        ("name" = String, Path, description = "The projection"),
        ("query" = String, Path, description = "The query"),
        queries::AskNamed,
        queries::Ask,
        headers::Session,
        headers::Known,
    ),
    responses(
        (status = 200, description = "Its answer", body = serde_json::Value),
        (status = 304, description = "The client has this answer"),
        operations::NamedQuery,
    )
)]
pub async fn named(
    State(projections): State<Arc<Projections>>,
    work: Work,
    Path((name, query)): Path<(String, String)>,
    Known(known): Known,
    pairs: Asked,
) -> Result<Response, Problem> {
    let (common, rest) = Common::take(pairs)?;
    let mut given = None;
    for (name, value) in rest {
        match name.as_str() {
            "arguments" if given.is_none() => given = Some(value),
            "arguments" => return Err(invalid("arguments are there twice, and only one of them could count".into())),
            _ => {
                return Err(invalid(format!("{name} is not a parameter of a named query"))
                    .hint(r#"its arguments stand in one parameter, as a JSON object: ?arguments={"limit":10}"#));
            }
        }
    }
    let arguments = given.unwrap_or_else(|| "{}".to_owned());
    common.only_now()?;
    let limit = projections.modules().limits().query_argument_bytes;
    if arguments.len() > limit {
        return Err(Problem::new(
            Kind::TooLarge,
            format!("the arguments have {} bytes, the limit is {limit}", arguments.len()),
        ));
    }
    if let Err(cause) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&arguments) {
        return Err(Problem::new(Kind::InvalidArguments, format!("the arguments are not a JSON object: {cause}"))
            .hint(r#"such as ?arguments={"limit":10}, percent-encoded"#));
    }
    let answer = common.answer(&projections, &name).await?;
    if let Some(unchanged) = unchanged(Format::Json, &answer, known.as_ref()) {
        return Ok(unchanged);
    }
    let asked = Instant::now();
    let text = projections.queries().named(&answer, &query, arguments, &work.0).await;
    work.took(asked.elapsed());
    Ok(from(&answer, json(text.map_err(|error| work.ended(error.into()))?)))
}
