//! `GET /v1/projections/{name}/diff/rows`: every row that differs. As JSON page by page; as NDJSON or text in one
//! stream, of which neither side of the connection ever holds more than a few rows.
//!
//! A comparison is kept for its next page, so that all pages are of one position. If it is gone meanwhile, a new one
//! goes on behind the same row, and says with its name and position that it is another.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Json, Response};
use kinora_api::Kind;
use kinora_api::differences as api;
use kinora_api::differences::{DiffFormat, DiffHead, DiffLine, DiffRows, DiffTail, ReadDiffRows};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use kinora_projection::{Compared, Projections};
use kinora_readmodel::{Change, Difference, Error as ReadModelError, KeyRange, differences, tables};

use crate::edge::accept;
use crate::edge::parameters::{Path, invalid};
use crate::edge::problem::Problem;
use crate::host::blocking;
use crate::problems::operations;
use crate::projections::diff::patience;
use crate::read::page;
use crate::wire::differences;

/// Bytes of a piece of a stream, and pieces that wait for a slow client.
const PIECE_BYTES: usize = 32 << 10;
const WAITING_PIECES: usize = 4;

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
            let page =
                blocking(move || page(&compared, rest, limit, |last| next(uri.path(), &compared, &parameters, last)));
            Ok(Json(page.await?).into_response())
        }
        format => Ok(stream(compared, rest, format)),
    }
}

/// What there is still to go through: tables, each with a range of its keys.
struct Rest {
    tables: Vec<(String, KeyRange)>,
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

    /// Goes through all of it, until `visit` breaks off.
    fn visit(
        &self,
        compared: &Compared,
        mut visit: impl FnMut(&str, Difference) -> ControlFlow<()>,
    ) -> Result<(), ReadModelError> {
        let mut ended = false;
        for (table, range) in &self.tables {
            differences(table, &compared.left, &compared.right, range, |found| {
                if self.change.is_some_and(|change| change != differences::change(found.change)) {
                    return ControlFlow::Continue(());
                }
                let flow = visit(table, found);
                ended = flow.is_break();
                flow
            })?;
            if ended {
                break;
            }
        }
        Ok(())
    }
}

fn page(
    compared: &Compared,
    rest: Rest,
    limit: usize,
    next: impl FnOnce(&api::Difference) -> String,
) -> Result<DiffRows, Problem> {
    let (mut rows, mut more) = (Vec::new(), false);
    rest.visit(compared, |table, found| {
        if rows.len() == limit {
            more = true;
            return ControlFlow::Break(());
        }
        rows.push((table.to_owned(), found));
        ControlFlow::Continue(())
    })?;
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
fn stream(compared: Arc<Compared>, rest: Rest, format: DiffFormat) -> Response {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(WAITING_PIECES);
    tokio::task::spawn_blocking(move || {
        let mut piece = head(&compared, format).into_bytes();
        let (mut count, mut failed) = (0_u64, None);
        let visited = rest.visit(&compared, |table, found| {
            count += 1;
            let written = match format {
                DiffFormat::Text => text(table, &found, &mut piece),
                _ => line(table, found, &mut piece),
            };
            if let Err(problem) = written {
                failed = Some(problem);
                return ControlFlow::Break(());
            }
            let full = piece.len() >= PIECE_BYTES;
            match full && sender.blocking_send(Ok(std::mem::take(&mut piece).into())).is_err() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        let visited = visited.map_err(Problem::from).and_then(|()| failed.map_or(Ok(()), Err));
        let last = match visited {
            Ok(()) => {
                piece.extend_from_slice(tail(count, format).as_bytes());
                Ok(piece.into())
            }
            // The client sees that the answer breaks off.
            Err(problem) => {
                tracing::error!(?problem, "a difference ended early");
                Err(std::io::Error::other("the read model failed"))
            }
        };
        let _ = sender.blocking_send(last);
    });
    let kind = if format == DiffFormat::Text { "text/plain; charset=utf-8" } else { "application/x-ndjson" };
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(ReceiverStream::new(receiver))).into_response()
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
