//! The peers that queries are compared with, in a process of their own: a handler of the same HTTP server that does
//! nothing, and SQLite behind the same server, with the same rows and an index.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::{Path as Segment, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use serde_json::Value;

/// This program is started again with this argument, and a file, to be the server.
pub const SERVER: &str = "--peers";

/// What a page of 20 aircraft has, about.
const PAGE_BYTES: usize = 3_200;

/// The rows of a table as SQLite has them at its best: by key, with an index on the field that is asked for.
pub fn fill(file: &Path, rows: &[(String, Value)]) {
    let mut sqlite = Connection::open(file).unwrap();
    sqlite
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE aircraft (key TEXT PRIMARY KEY, row TEXT NOT NULL, flights INTEGER) WITHOUT ROWID;",
        )
        .unwrap();
    let transaction = sqlite.transaction().unwrap();
    for (key, row) in rows {
        let values = rusqlite::params![key, row.to_string(), row["flights"].as_i64()];
        transaction.execute("INSERT INTO aircraft VALUES (?, ?, ?)", values).unwrap();
    }
    transaction.commit().unwrap();
    sqlite.execute_batch("CREATE INDEX by_flights ON aircraft (flights, key); ANALYZE;").unwrap();
}

thread_local! {
    /// A connection for each thread of the server, so that none waits for another.
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

fn with_connection<T>(file: &Path, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    CONNECTION.with_borrow_mut(|connection| {
        let connection = match connection {
            Some(connection) => connection,
            none => {
                let opened = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                opened.execute_batch("PRAGMA mmap_size = 268435456; PRAGMA cache_size = -65536;")?;
                none.insert(opened)
            }
        };
        ask(connection)
    })
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn row(State(file): State<PathBuf>, Segment(key): Segment<String>) -> Response {
    let found = with_connection(&file, |sqlite| {
        sqlite
            .prepare_cached("SELECT row FROM aircraft WHERE key = ?")?
            .query_row([&key], |row| row.get::<_, String>(0))
    });
    found.map_or_else(|_| StatusCode::NOT_FOUND.into_response(), json)
}

#[derive(Deserialize)]
struct Parameters {
    flights: i64,
    limit: i64,
}

/// In the order of the index, and against it.
const FORWARDS: &str = "SELECT key, row FROM aircraft WHERE flights >= ? ORDER BY flights, key LIMIT ?";
const BACKWARDS: &str = "SELECT key, row FROM aircraft WHERE flights <= ? ORDER BY flights DESC, key DESC LIMIT ?";

fn page(file: &Path, query: &str, parameters: &Parameters) -> Response {
    let found = with_connection(file, |sqlite| {
        let mut body = String::from(r#"{"rows":["#);
        let mut statement = sqlite.prepare_cached(query)?;
        let mut rows = statement.query([parameters.flights, parameters.limit])?;
        let mut last = Value::Null;
        while let Some(row) = rows.next()? {
            let (key, row) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
            let comma = if last.is_null() { "" } else { "," };
            last = Value::from(key);
            body.extend([comma, r#"{"key":"#, &last.to_string(), r#","row":"#, row, "}"]);
        }
        body.extend([r#"],"next":"#, &last.to_string(), "}"]);
        Ok(body)
    });
    found.map_or_else(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(), json)
}

async fn forwards(State(file): State<PathBuf>, Query(parameters): Query<Parameters>) -> Response {
    page(&file, FORWARDS, &parameters)
}

async fn backwards(State(file): State<PathBuf>, Query(parameters): Query<Parameters>) -> Response {
    page(&file, BACKWARDS, &parameters)
}

pub async fn serve(file: PathBuf) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/bare/{key}", get(|Segment(key): Segment<String>| async move { json(format!(r#"{{"key":"{key}"}}"#)) }))
        .route("/large/{key}", get(|Segment(_): Segment<String>| async move { json("x".repeat(PAGE_BYTES)) }))
        .route("/rows/{key}", get(row))
        .route("/rows", get(forwards))
        .route("/rows.desc", get(backwards))
        .with_state(file);
    axum::serve(listener, routes).await.unwrap();
}
