//! `GET /v1/projections/{name}/history`: who did what, when and why. A page of the stream in which the host keeps it.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use kinora_api::events::EventPage;
use kinora_api::headers;
use kinora_api::projections::ReadHistory;
use kinora_log::Log;
use kinora_projection::{Projections, history_stream};
use kinora_types::{Direction, Revision, StreamName};

use crate::edge::budget::Work;
use crate::edge::parameters::{Path, invalid};
use crate::edge::problem::Problem;
use crate::problems::operations;
use crate::read::page;
use crate::read::page::Page;

/// Who did what, when and why: events of the stream $kinora/projections/{name}
#[utoipa::path(
    get, path = "/v1/projections/{name}/history", tag = "projections", operation_id = "history",
    params(("name" = String, Path, description = "The projection"), ReadHistory, headers::Known),
    responses(
        (status = 200, description = "A page of the history", body = EventPage),
        (status = 304, description = "The page has not changed"),
        operations::History,
    )
)]
pub async fn show(
    State(log): State<Log>,
    State(projections): State<Arc<Projections>>,
    work: Work,
    Path(name): Path<String>,
    parameters: Result<Query<ReadHistory>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(asked) = parameters.map_err(|cause| invalid(cause.body_text()))?;
    projections.status(&name)?;
    let url = format!("/v1/projections/{name}/history");
    history(log, work, history_stream(&name)?, asked, &url, &headers).await
}

/// A page of a stream in which the host keeps what was done; `url` is where it is read.
pub async fn history(
    log: Log,
    work: Work,
    stream: StreamName,
    asked: ReadHistory,
    url: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let ReadHistory { from, limit } = asked;
    let from = Revision(from.unwrap_or(0));
    let limit = page::limit(limit.unwrap_or(page::DEFAULT_LIMIT)).map_err(invalid)?;
    let id = log.incarnation();
    let page_bytes = work.admission().limits().page_bytes;
    let read = work.run(move |budget| {
        let (head, mut page) = (log.stream_head(&stream)?, Page::new(page_bytes));
        log.visit_stream(&stream, from, Direction::Forwards, limit, |position, record| page.add(position, &record))?;
        budget.look(page.count as u64)?;
        budget.take(page.bytes())?;
        Ok::<_, Problem>((head, page))
    });
    let (head, page) = read.await?;
    let head = head.map(|revision| revision.0);
    let goes_on = (page.count == limit || page.is_full) && Some(page.last_revision) < head;
    let next = goes_on.then_some(page.last_revision + 1);
    let next = next.map(|next| format!("{url}?from={next}&limit={limit}"));
    page.answer(id, headers, head, next, Direction::Forwards, Some(from.0) <= head)
}
