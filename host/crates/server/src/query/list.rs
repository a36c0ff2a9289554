//! `GET /v1/read-models/{name}/{table}`: rows by filter and order, a page of them.

use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Json, Response};

use kinora_api::headers;
use kinora_api::queries::{Ask, AskList, AskPast, ListAnswer, Row, RowsMessage};
use kinora_log::Log;
use kinora_projection::{Answer, Line, Projections};
use kinora_readmodel::{Error, Explanation, ListQuery, Page, Statistics, StatisticsQuery};

use kinora_types::{Budget, Progress};

use crate::edge::budget::Work;
use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::edge::session;
use crate::problems::operations;
use crate::query::common::{Common, Past, as_of, from, from_in, unchanged};
use crate::query::follow::Followed;
use crate::query::parameters::{Asked, Parameters};
use crate::query::row_format::Format;
use crate::query::{follow, format};
use crate::wire::queries as wire;

/// Mostly enough for the parameters of a list, apart from its cursor.
const URL_BYTES: usize = 256;

/// Rows by filter and order. Every other parameter is a filter: field=operator.value, or=(...), and=(...)
#[utoipa::path(
    get, path = "/v1/read-models/{name}/{table}", tag = "read models", operation_id = "rows",
    params(
        ("name" = String, Path, description = "The projection"),
        ("table" = String, Path, description = "The table"),
        Ask,
        AskPast,
        AskList,
        headers::Session,
        headers::Prefer,
        headers::Known,
        headers::Resume,
    ),
    responses(
        (
            status = 200,
            description = "Rows, figures, or a plan; followed: `reset`, `row`, `removed`, `position`, `problem`",
            content(
                (ListAnswer = "application/json"), (Row = "application/x-ndjson"), (String = "text/csv"),
                (RowsMessage = "text/event-stream"),
            ),
        ),
        (status = 304, description = "The client has this answer"),
        operations::Rows,
    )
)]
pub async fn list(
    State(projections): State<Arc<Projections>>,
    State(log): State<Log>,
    work: Work,
    Path((name, table)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    pairs: session::Asked,
) -> Result<Response, Problem> {
    let (common, rest) = Common::take(pairs)?;
    let parameters = Parameters::read(table, &headers, &rest)?;
    parameters.only_rows_that_were(&common)?;
    let answer = common.answer(&projections, &name).await?;
    let (_, table) = answer.snapshot.table(parameters.table())?;
    let asked = parameters.of(table)?;
    if parameters.follows {
        let followed = Followed { name, pinned: common.version, parameters };
        return follow::follow(projections, work.following()?, answer, followed, &headers).await;
    }
    if let Some(unchanged) = unchanged(parameters.format, &answer, headers.get(header::IF_NONE_MATCH)) {
        return Ok(unchanged);
    }
    let past = common.past(&log, &answer).await?;
    let continued = parameters.is_continued();
    let Parameters { format, explain, count, .. } = parameters;
    let Asked { mut query, select, statistics, shape } = asked;
    query.page_bytes = Some(work.admission().limits().page_bytes);
    query.log = Some(answer.incarnation.mark());
    if let Some(query) = statistics {
        let (query, figures) = figures(&work, &answer, query, past).await?;
        let absent = figures.absent.clone();
        let response = match format {
            Format::Csv => format::groups(&query, &figures)?,
            _ => Json(wire::statistics(&query, figures)).into_response(),
        };
        return Ok(as_of(past, from_in(format, &answer, without(&absent, response))));
    }
    let (page, total) = match look(&work, &answer, query, past, [explain, count]).await? {
        Found::Explained(explanation) => {
            return Ok(from(&answer, Json(wire::explanation(explanation)).into_response()));
        }
        Found::Page(page, total) => (page, total),
    };
    let range = total.map(|total| match (page.rows.len().checked_sub(1), continued) {
        (Some(last), false) => format!("0-{last}/{total}"),
        // Nobody counts how many rows were on the pages before.
        _ => format!("*/{total}"),
    });
    let next = page.next.as_deref().map(|cursor| next_url(uri.path(), &common, &rest, cursor));
    let absent = page.absent.clone();
    let mut response = format::page(format, page, select.as_ref(), shape.as_ref(), next.as_deref(), total)?;
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept, prefer"));
    if let Some(range) = range.and_then(|range| HeaderValue::try_from(range).ok()) {
        headers.insert("preference-applied", HeaderValue::from_static("count=exact"));
        headers.insert(header::CONTENT_RANGE, range);
    }
    if let Some(link) = next.and_then(|next| HeaderValue::try_from(["<", &next, ">; rel=\"next\""].concat()).ok()) {
        headers.insert(header::LINK, link);
    }
    Ok(as_of(past, from_in(format, &answer, without(&absent, response))))
}

/// Says that fields were asked for which no row had that was looked at.
fn without(absent: &[String], mut response: Response) -> Response {
    if !absent.is_empty() {
        let names: Vec<String> =
            absent.iter().map(|name| form_urlencoded::byte_serialize(name.as_bytes()).collect()).collect();
        if let Ok(names) = HeaderValue::try_from(names.join(", ")) {
            response.headers_mut().insert(HeaderName::from_static(headers::UNKNOWN_FIELDS), names);
        }
    }
    response
}

/// Figures over rows, in turn with others.
async fn figures(
    work: &Work,
    answer: &Answer,
    query: StatisticsQuery,
    past: Option<Progress>,
) -> Result<(StatisticsQuery, Statistics), Problem> {
    let snapshot = Arc::clone(&answer.snapshot);
    let figures = move |budget: &Budget| {
        let statistics = match past {
            Some(past) => snapshot.statistics_at(&query, past, budget)?,
            None => snapshot.statistics(&query, budget)?,
        };
        Ok::<_, Error>((query, statistics))
    };
    work.run_in(Line::Scans, figures).await
}

/// The rows, or how they would be found: from memory, at once, or in turn with others that go far.
async fn look(
    work: &Work,
    answer: &Answer,
    query: ListQuery,
    past: Option<Progress>,
    [explain, count]: [bool; 2],
) -> Result<Found, Problem> {
    let snapshot = Arc::clone(&answer.snapshot);
    let plain = !explain && !count && past.is_none();
    let goes_far = count || query.scan;
    if plain
        && !goes_far
        && let Some(page) = snapshot.list_from_memory(&query, &work.0).map_err(|error| work.ended(error.into()))?
    {
        return Ok(Found::Page(page, None));
    }
    let look = move |budget: &Budget| {
        if let Some(past) = past {
            let total = count.then(|| snapshot.count_at(&query, past, budget)).transpose()?;
            return Ok(Found::Page(snapshot.list_at(&query, past, budget)?, total));
        }
        if explain {
            let mut explanation = Explanation::default();
            let page = snapshot.list_explained(&query, &mut explanation, budget);
            // What would be refused is explained, what is wrong is wrong.
            return match page {
                Ok(_) | Err(Error::BeyondBudget { .. }) => Ok(Found::Explained(explanation)),
                Err(error) => Err(error),
            };
        }
        let total = count.then(|| snapshot.count(&query, budget)).transpose()?;
        Ok::<_, Error>(Found::Page(snapshot.list(&query, budget)?, total))
    };
    if goes_far { work.run_in(Line::Scans, look).await } else { work.run(look).await }
}

enum Found {
    Page(Page, Option<u64>),
    Explained(Explanation),
}

/// The same list, from behind its last row on. A pinned version stays, a position that was waited for is reached.
fn next_url(path: &str, common: &Common, rest: &[(String, String)], cursor: &str) -> String {
    let mut url = String::with_capacity(path.len() + cursor.len() + URL_BYTES);
    url.extend([path, "?"]);
    let mut parameters = form_urlencoded::Serializer::for_suffix(url, path.len() + 1);
    if let Some(version) = common.version {
        parameters.append_pair("version", &version.to_string());
    }
    if common.stale {
        parameters.append_pair("stale", "true");
    }
    match common.past {
        Some(Past::Position(position)) => drop(parameters.append_pair("at_position", &position.to_string())),
        Some(Past::Time(time)) => drop(parameters.append_pair("at_time", &time.to_string())),
        None => {}
    }
    for (name, value) in rest.iter().filter(|(name, _)| name != "cursor") {
        parameters.append_pair(name, value);
    }
    parameters.append_pair("cursor", cursor);
    parameters.finish()
}
