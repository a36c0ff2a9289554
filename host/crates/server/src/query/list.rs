//! `GET /v1/read-models/{name}/{table}`: rows by filter and order, a page of them.

use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Json, Response};

use kinora_api::grammar::{Filter, Names};
use kinora_api::headers;
use kinora_api::queries::{Ask, AskList, AskPast, ListAnswer, Row, RowsMessage, Statistics};
use kinora_log::Log;
use kinora_projection::{Answer, Projections};
use kinora_readmodel::{Error, Explanation, ListQuery, Page, SelectedFields, StatisticsQuery};

use kinora_types::Progress;

use crate::edge::parameters::Path;
use crate::edge::problem::Problem;
use crate::edge::session::Asked;
use crate::host::{blocking, wants_events};
use crate::problems::operations;
use crate::query::common::{Common, Past, as_of, from, invalid, number, taking, unchanged};
use crate::query::follow;
use crate::query::follow::Followed;
use crate::query::format::Format;
use crate::query::{format, translation};
use crate::read::page;
use crate::wire::queries as wire;

/// Rows of a page, unless the client says otherwise.
const DEFAULT_LIMIT: usize = 50;

/// Mostly enough for the parameters of a list, apart from its cursor.
const URL_BYTES: usize = 256;

/// What a list is asked for.
struct Parameters {
    query: ListQuery,
    select: Option<SelectedFields>,
    format: Format,
    explain: bool,
    count: bool,
    statistics: StatisticsQuery,
}

impl Parameters {
    fn read(table: String, headers: &HeaderMap, rest: &[(String, String)]) -> Result<Self, Problem> {
        // Whoever follows gets all rows, unless there is a limit.
        let limit = if wants_events(headers) { follow::NO_LIMIT } else { DEFAULT_LIMIT };
        let query = ListQuery { table, limit, ..ListQuery::default() };
        let (format, count) = (Format::accepted(headers), prefers_exact_count(headers));
        let mut parameters =
            Self { query, select: None, format, explain: false, count, statistics: StatisticsQuery::default() };
        for (name, value) in rest {
            match name.as_str() {
                "limit" => parameters.query.limit = number(name, value)?,
                "cursor" => parameters.query.cursor = Some(value.clone()),
                "order" => parameters.query.order = translation::order(&value.parse()?)?,
                "scan" => parameters.query.scan = flag(name, value)?,
                "select" => parameters.select = Some(translation::select(&value.parse()?)?),
                "explain" => parameters.explain = flag(name, value)?,
                "aggregate" => parameters.statistics.figures = translation::figures(&value.parse()?)?,
                "group" => parameters.statistics.group = names(value)?,
                "facets" => parameters.statistics.facets = names(value)?,
                "format" => parameters.format = Format::named(value)?,
                field => parameters.query.filter.and(translation::filter(Filter::parse(field, value)?)?),
            }
        }
        if parameters.query.limit != follow::NO_LIMIT {
            page::limit(parameters.query.limit).map_err(invalid)?;
        }
        if parameters.statistics.figures.is_empty() && !parameters.statistics.group.is_empty() {
            return Err(invalid(
                "group goes with aggregate, such as aggregate=count,sum(flights)&group=carrier".into(),
            ));
        }
        Ok(parameters)
    }

    /// Whether figures are wanted rather than rows.
    fn has_statistics(&self) -> bool {
        !self.statistics.figures.is_empty() || !self.statistics.facets.is_empty()
    }

    fn statistics(&mut self) -> Option<StatisticsQuery> {
        if !self.has_statistics() {
            return None;
        }
        let mut statistics = std::mem::take(&mut self.statistics);
        statistics.table = self.query.table.clone();
        statistics.filter = self.query.filter.clone();
        statistics.scan = self.query.scan;
        Some(statistics)
    }
}

fn names(list: &str) -> Result<Vec<String>, Problem> {
    list.parse().map(Names::into_inner).map_err(|error| invalid(error.to_string()))
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    value.parse().map_err(|_| invalid(format!("{name}={value} is neither true nor false")))
}

/// `Prefer: count=exact`, as PostgREST has it.
fn prefers_exact_count(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split([',', ';'])).any(|preference| preference.trim() == "count=exact")
}

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
    Path((name, table)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    pairs: Asked,
) -> Result<Response, Problem> {
    let (common, rest) = Common::take(pairs)?;
    let mut parameters = Parameters::read(table, &headers, &rest)?;
    let looks_back = common.past.is_some();
    if looks_back && (wants_events(&headers) || parameters.explain) {
        return Err(invalid(
            "what was can be neither followed nor explained: at_position and at_time read no index".into(),
        ));
    }
    if wants_events(&headers) {
        let followed = Followed { name, pinned: common.version, query: parameters.query, select: parameters.select };
        let answer = common.answer(&projections, &followed.name).await?;
        return follow::follow(projections, answer, followed, &headers).await;
    }
    let answer = common.answer(&projections, &name).await?;
    if let Some(unchanged) = unchanged(&answer, headers.get(header::IF_NONE_MATCH)) {
        return Ok(unchanged);
    }
    let past = common.past(&log, &answer).await?;
    if let Some(query) = parameters.statistics() {
        let figures = figures(&projections, &answer, query, past).await?;
        return Ok(as_of(past, from(&answer, Json(figures).into_response())));
    }
    let continued = parameters.query.cursor.is_some();
    let Parameters { query, select, format, explain, count, .. } = parameters;
    let (page, total) = match look(&projections, &answer, query, past, [explain, count]).await? {
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
    let mut response = format::page(format, page, select.as_ref(), next.as_deref(), total)?;
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept, prefer"));
    if let Some(range) = range.and_then(|range| HeaderValue::try_from(range).ok()) {
        headers.insert("preference-applied", HeaderValue::from_static("count=exact"));
        headers.insert(header::CONTENT_RANGE, range);
    }
    if let Some(link) = next.and_then(|next| HeaderValue::try_from(["<", &next, ">; rel=\"next\""].concat()).ok()) {
        headers.insert(header::LINK, link);
    }
    Ok(as_of(past, from(&answer, response)))
}

/// Figures over rows, in turn with others.
async fn figures(
    projections: &Projections,
    answer: &Answer,
    query: StatisticsQuery,
    past: Option<Progress>,
) -> Result<Statistics, Problem> {
    let snapshot = Arc::clone(&answer.snapshot);
    let figures = move || {
        let statistics = match past {
            Some(past) => snapshot.statistics_at(&query, past)?,
            None => snapshot.statistics(&query)?,
        };
        Ok::<_, Error>(wire::statistics(&query, statistics))
    };
    blocking(taking(projections.queries().scan_turn().await?, figures)).await
}

/// The rows, or how they would be found: from memory, at once, or in turn with others that go far.
async fn look(
    projections: &Projections,
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
        && let Some(page) = snapshot.list_from_memory(&query)?
    {
        return Ok(Found::Page(page, None));
    }
    let look = move || {
        if let Some(past) = past {
            let total = count.then(|| snapshot.count_at(&query, past)).transpose()?;
            return Ok(Found::Page(snapshot.list_at(&query, past)?, total));
        }
        if explain {
            let mut explanation = Explanation::default();
            let page = snapshot.list_explained(&query, &mut explanation);
            // What would be refused is explained, what is wrong is wrong.
            return match page {
                Ok(_) | Err(Error::BeyondBudget { .. }) => Ok(Found::Explained(explanation)),
                Err(error) => Err(error),
            };
        }
        let total = count.then(|| snapshot.count(&query)).transpose()?;
        Ok::<_, Error>(Found::Page(snapshot.list(&query)?, total))
    };
    if goes_far { blocking(taking(projections.queries().scan_turn().await?, look)).await } else { blocking(look).await }
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

#[cfg(test)]
mod tests {
    use kinora_api::grammar::PARAMETERS;
    use kinora_readmodel::RowFilter;

    use super::*;

    #[test]
    fn what_the_grammar_keeps_for_parameters_is_never_a_field() {
        for name in PARAMETERS.into_iter().filter(|name| !name.ends_with("and") && !name.ends_with("or")) {
            let pairs = vec![(name.to_owned(), "eq.1".to_owned())];
            let Ok((_, rest)) = Common::take(Asked { pairs, seen: Ok(None) }) else { continue };
            if let Ok(read) = Parameters::read("rows".to_owned(), &HeaderMap::new(), &rest) {
                assert!(read.query.filter == RowFilter::default(), "{name}");
            }
        }
    }
}
