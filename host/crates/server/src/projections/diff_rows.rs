//! `GET /v1/projections/{name}/diff/rows`: every row that differs. As JSON page by page; as NDJSON or text in one
//! stream, of which neither side of the connection ever holds more than a few rows.
//!
//! A comparison is kept for its next page, so that all pages are of one position. If it is gone meanwhile, a new one
//! goes on behind the same row, and says with its name and position that it is another.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Json, Response};
use kinora_api::Kind;
use kinora_api::differences as api;
use kinora_api::differences::{DiffFormat, DiffHead, DiffLine, DiffRows, DiffTail, ReadDiffRows};
use kinora_projection::{Compared, Line, Projections};
use kinora_readmodel::{Change, Difference, Error as ReadModelError, KeyRange, differences, tables};
use kinora_types::Budget;

use crate::edge::accept;
use crate::edge::budget::{LongWork, Work};
use crate::edge::parameters::{Path, invalid};
use crate::edge::problem::Problem;
use crate::problems::operations;
use crate::projections::diff::patience;
use crate::read::page;
use crate::read::pieces::{self, Pieces};
use crate::wire::differences;

/// Bytes of a piece of a stream, and rows that are gone past for it, whether they differ or not.
const PIECE_BYTES: usize = 64 << 10;
const PIECE_ROWS: usize = 20_000;

/// What the parameter says, or else the header `Accept`.
fn format(parameters: &ReadDiffRows, headers: &HeaderMap) -> DiffFormat {
    let accepted = match accept::preferred(headers, &[accept::JSON, accept::NDJSON, accept::PLAIN]) {
        Some(kind) if *kind == accept::NDJSON => DiffFormat::Ndjson,
        Some(kind) if *kind == accept::PLAIN => DiffFormat::Text,
        _ => DiffFormat::Json,
    };
    parameters.format.unwrap_or(accepted)
}

/// Every row that differs, page by page, or in one stream as NDJSON or text
#[utoipa::path(
    get, path = "/v1/projections/{name}/diff/rows", tag = "projections", operation_id = "diff_rows",
    params(("name" = String, Path, description = "The projection"), ReadDiffRows),
    responses(
        (
            status = 200,
            description = "The rows. As NDJSON, the first line is about the comparison, the last says that all came",
            content(
                (DiffRows = "application/json"), (DiffLine = "application/x-ndjson"), (String = "text/plain"),
            ),
        ),
        operations::DiffRows,
    )
)]
pub async fn rows(
    State(projections): State<Arc<Projections>>,
    LongWork(work): LongWork,
    Path(name): Path<String>,
    OriginalUri(uri): OriginalUri,
    parameters: Result<Query<ReadDiffRows>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(parameters) = parameters.map_err(|cause| invalid(cause.body_text()))?;
    let limit = page::limit(parameters.limit.unwrap_or(page::DEFAULT_LIMIT)).map_err(invalid)?;
    let ReadDiffRows { from, to, comparison, .. } = parameters;
    let compared =
        projections.comparisons().compared(&name, from, to, comparison, patience(parameters.timeout)?).await?;
    let rest = Rest::new(&compared, &parameters)?;
    match format(&parameters, &headers) {
        DiffFormat::Json => {
            let most = (limit, work.admission().limits().page_bytes);
            let page = work.run_in(Line::Comparisons, move |budget| {
                page(&compared, rest, most, budget, |last| next(uri.path(), &compared, &parameters, last))
            });
            Ok(Json(page.await?).into_response())
        }
        format => stream(&work, compared, rest, format),
    }
}

/// What there is still to go through: tables, each with a range of its keys.
struct Rest {
    tables: VecDeque<(String, KeyRange)>,
    change: Option<api::Change>,
}

impl Rest {
    fn new(compared: &Compared, parameters: &ReadDiffRows) -> Result<Self, Problem> {
        let known = tables(&compared.left, &compared.right);
        let unknown = |table: &str| ReadModelError::UnknownTable {
            table: table.to_owned(),
            known: known.iter().map(|name| (*name).to_owned()).collect(),
        };
        let after = parameters
            .after
            .as_deref()
            .map(|after| after.split_once('/').ok_or_else(|| invalid(format!("after={after} is not table/key"))));
        let after = after.transpose()?;
        for table in [parameters.table.as_deref(), after.map(|(table, _)| table)].into_iter().flatten() {
            if !known.contains(&table) {
                return Err(unknown(table).into());
            }
        }
        let wanted = known.iter().filter(|name| parameters.table.as_deref().is_none_or(|table| table == **name));
        let left = wanted.skip_while(|name| after.is_some_and(|(table, _)| table != **name));
        let range = |name: &str| {
            let seen = after.filter(|(table, _)| *table == name).map(|(_, key)| format!("{key}\0"));
            let start = seen.max(parameters.start.clone());
            KeyRange { start, end: parameters.end.clone(), reverse: false }
        };
        let tables = left.map(|name| ((*name).to_owned(), range(name))).collect();
        Ok(Self { tables, change: parameters.change })
    }

    /// Goes on through it, past so many rows at most, until `visit` breaks off at a row that it does not take.
    fn visit(
        &mut self,
        compared: &Compared,
        rows: usize,
        budget: &Budget,
        mut visit: impl FnMut(&str, Difference) -> ControlFlow<()>,
    ) -> Result<(), ReadModelError> {
        let Some((table, range)) = self.tables.front_mut() else { return Ok(()) };
        let passed = differences(table, &compared.left, &compared.right, range, rows, budget, |found| {
            match self.change.is_some_and(|change| change != differences::change(found.change)) {
                true => ControlFlow::Continue(()),
                false => visit(table, found),
            }
        })?;
        match passed.last {
            _ if passed.complete => drop(self.tables.pop_front()),
            Some(last) => range.start = Some(format!("{last}\0")),
            None => {}
        }
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        self.tables.is_empty()
    }
}

/// About how many bytes of memory a difference takes.
fn bytes(found: &Difference) -> usize {
    let length = |row: &Option<String>| row.as_ref().map_or(0, String::len);
    found.key.len() + length(&found.from) + length(&found.to)
}

fn page(
    compared: &Compared,
    mut rest: Rest,
    (limit, page_bytes): (usize, usize),
    budget: &Budget,
    next: impl FnOnce(&api::Difference) -> String,
) -> Result<DiffRows, Problem> {
    let (mut rows, mut taken, mut more) = (Vec::new(), 0, false);
    while !more && !rest.is_at_end() {
        rest.visit(compared, usize::MAX, budget, |table, found| {
            if rows.len() == limit || taken >= page_bytes {
                more = true;
                return ControlFlow::Break(());
            }
            taken += bytes(&found);
            rows.push((table.to_owned(), found));
            ControlFlow::Continue(())
        })?;
    }
    budget.take(taken)?;
    let rows = rows.into_iter().map(|(table, found)| differences::difference(Some(&table), found));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(DiffRows {
        comparison: compared.id,
        from: compared.from,
        to: compared.to,
        position: compared.progress.last().map(|position| position.0),
        next: rows.last().filter(|_| more).map(next),
        rows,
    })
}

/// The same again, from behind a row on.
fn next(path: &str, compared: &Compared, parameters: &ReadDiffRows, last: &api::Difference) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("from", &compared.from.to_string()).append_pair("to", &compared.to.to_string());
    query.append_pair("comparison", &compared.id.to_string());
    for (name, value) in [("table", &parameters.table), ("start", &parameters.start), ("end", &parameters.end)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if let Some(change) = parameters.change {
        query.append_pair("change", change.as_str());
    }
    if let Some(limit) = parameters.limit {
        query.append_pair("limit", &limit.to_string());
    }
    query.append_pair("after", &format!("{}/{}", last.table.as_deref().unwrap_or_default(), last.key));
    format!("{path}?{}", query.finish())
}

/// All of it, as fast as the client takes it.
fn stream(work: &Work, compared: Arc<Compared>, rest: Rest, format: DiffFormat) -> Result<Response, Problem> {
    let body =
        pieces::body(work.following()?, Lines { compared, rest, format, count: 0, is_begun: false, is_ended: false });
    let kind = if format == DiffFormat::Text { "text/plain; charset=utf-8" } else { "application/x-ndjson" };
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// The differences as lines.
struct Lines {
    compared: Arc<Compared>,
    rest: Rest,
    format: DiffFormat,
    /// Of rows.
    count: u64,
    is_begun: bool,
    is_ended: bool,
}

impl Pieces for Lines {
    fn next(&mut self, budget: &Budget) -> Result<Option<Vec<u8>>, Problem> {
        if self.is_ended {
            return Ok(None);
        }
        let mut piece = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) {
            piece.extend_from_slice(head(&self.compared, self.format).as_bytes());
        }
        let (mut failed, format) = (None, self.format);
        let visited = self.rest.visit(&self.compared, PIECE_ROWS, budget, |table, found| {
            if piece.len() >= PIECE_BYTES {
                return ControlFlow::Break(());
            }
            let written = match format {
                DiffFormat::Text => text(table, &found, &mut piece),
                _ => line(table, found, &mut piece),
            };
            match written {
                Ok(()) => {
                    self.count += 1;
                    ControlFlow::Continue(())
                }
                Err(problem) => {
                    failed = Some(problem);
                    ControlFlow::Break(())
                }
            }
        });
        if let Err(problem) = visited.map_err(Problem::from).and_then(|()| failed.map_or(Ok(()), Err)) {
            // The client sees that the answer breaks off.
            tracing::error!(?problem, "a difference ended early");
            return Err(problem);
        }
        if self.rest.is_at_end() {
            self.is_ended = true;
            piece.extend_from_slice(tail(self.count, self.format).as_bytes());
        }
        Ok(Some(piece))
    }
}

fn head(compared: &Compared, format: DiffFormat) -> String {
    let Compared { id, from, to, progress, .. } = compared;
    let position = progress.last().map(|position| position.0);
    match format {
        DiffFormat::Text => {
            let position =
                position.map_or_else(|| "the beginning".to_owned(), |position| format!("position {position}"));
            format!("version {from} -> version {to}, both at {position} (comparison {id})\n")
        }
        _ => {
            let head = DiffHead { comparison: *id, from: *from, position, to: *to };
            format!("{}\n", serde_json::to_string(&head).unwrap_or_default())
        }
    }
}

fn tail(count: u64, format: DiffFormat) -> String {
    match format {
        DiffFormat::Text => format!("{count} rows differ\n"),
        _ => {
            let tail = DiffTail { complete: true, rows: count };
            format!("{}\n", serde_json::to_string(&tail).unwrap_or_default())
        }
    }
}

/// One row as a line of JSON.
fn line(table: &str, found: Difference, piece: &mut Vec<u8>) -> Result<(), Problem> {
    let row = differences::difference(Some(table), found)?;
    serde_json::to_writer(&mut *piece, &row).map_err(|cause| Problem::new(Kind::Internal, cause.to_string()))?;
    piece.push(b'\n');
    Ok(())
}

/// One row for people: a mark, the key, and what it was and is.
fn text(table: &str, found: &Difference, piece: &mut Vec<u8>) -> Result<(), Problem> {
    let mark = match found.change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Changed => '~',
    };
    let clean = |text: &str| text.replace(|character: char| character.is_control(), "\u{fffd}");
    let mut lines = format!("{mark} {table} {}\n", clean(&found.key));
    if found.change == Change::Changed {
        lines.push_str(&format!("    fields {}\n", clean(&found.fields.join(", "))));
    }
    for (mark, row) in [('-', &found.from), ('+', &found.to)] {
        if let Some(row) = row {
            lines.push_str(&format!("    {mark} {}\n", clean(row)));
        }
    }
    piece.extend_from_slice(lines.as_bytes());
    Ok(())
}
