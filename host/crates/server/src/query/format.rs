//! Rows as JSON, as lines of JSON, or as CSV.

use std::collections::HashMap;

use axum::response::Response;
use kinora_api::Kind;
use kinora_api::grammar::bounds;
use kinora_readmodel::{Figure, Page, Row, SelectedFields, Statistics, StatisticsQuery, fields};
use kinora_types::{Place, Shape};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::edge::problem::Problem;
use crate::query::common::typed;
use crate::query::row_format::Format;

/// Columns of a table: each row has a cell for each of them.
const MAX_COLUMNS: usize = 1_000;

/// How deep fields have columns of their own: as deep as a path goes.
const MAX_DEPTH: usize = bounds::PATH_NAMES;

const LINES: &str = "application/x-ndjson";
const CSV: &str = "text/csv";

pub fn page(
    format: Format,
    page: Page,
    select: Option<&SelectedFields>,
    shape: Option<&Shape>,
    next: Option<&str>,
    total: Option<u64>,
) -> Result<Response, Problem> {
    let mut rows = page.rows;
    if let Some(select) = select {
        for row in &mut rows {
            row.json = select.apply(&row.json).map_err(damaged)?.into();
        }
    }
    let (kind, body) = match format {
        Format::Json => ("application/json", json(&rows, next, total, &page.absent)?),
        Format::Lines => (LINES, lines(&rows)?),
        Format::Csv => (CSV, csv(&rows, shape.unwrap_or(&Shape::default()))?),
    };
    Ok(typed(kind, body))
}

fn damaged(cause: impl std::fmt::Display) -> Problem {
    Problem::new(Kind::Internal, format!("a row is damaged: {cause}"))
}

/// `{"key", "row"}`. Rows go in as they are: they were checked when they were written.
fn push_row(row: &Row, body: &mut Vec<u8>) -> Result<(), Problem> {
    body.extend_from_slice(br#"{"key":"#);
    serde_json::to_writer(&mut *body, &row.key).map_err(damaged)?;
    body.extend_from_slice(br#","row":"#);
    body.extend_from_slice(row.json.as_bytes());
    body.push(b'}');
    Ok(())
}

/// The same as text.
pub fn row(row: &Row) -> Result<String, Problem> {
    let mut text = Vec::with_capacity(capacity(std::slice::from_ref(row)));
    push_row(row, &mut text)?;
    String::from_utf8(text).map_err(damaged)
}

fn capacity(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.json.len() + row.key.len() + 32).sum::<usize>() + 64
}

/// `{"rows": [{"key", "row"}], "next", "count", "unknown_fields"}`.
fn json(rows: &[Row], next: Option<&str>, total: Option<u64>, absent: &[String]) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::with_capacity(capacity(rows) + next.map_or(0, str::len));
    body.extend_from_slice(br#"{"rows":["#);
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        push_row(row, &mut body)?;
    }
    body.extend_from_slice(br#"],"next":"#);
    serde_json::to_writer(&mut body, &next).map_err(damaged)?;
    if let Some(total) = total {
        body.extend_from_slice(br#","count":"#);
        serde_json::to_writer(&mut body, &total).map_err(damaged)?;
    }
    if !absent.is_empty() {
        body.extend_from_slice(br#","unknown_fields":"#);
        serde_json::to_writer(&mut body, absent).map_err(damaged)?;
    }
    body.push(b'}');
    Ok(body)
}

fn lines(rows: &[Row]) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::with_capacity(capacity(rows));
    for row in rows {
        push_row(row, &mut body)?;
        body.push(b'\n');
    }
    Ok(body)
}

/// The key, then a column for each field that is declared, whether a row of the page has it or not; then one for each
/// other field that one has. Nested ones stand there with dots, arrays and maps stay JSON.
fn csv(rows: &[Row], shape: &Shape) -> Result<Vec<u8>, Problem> {
    let mut columns = Columns::default();
    let mut names = Vec::new();
    declared("", shape, &mut names);
    names.into_iter().try_for_each(|name| columns.place(name).map(drop))?;
    let mut table = Vec::new();
    for row in rows {
        let mut cells = Vec::new();
        flatten("", &row.json, Some(shape), 1, &mut cells)?;
        let placed = cells.into_iter().map(|(name, cell)| Ok((columns.place(name)?, cell)));
        table.push((&row.key, placed.collect::<Result<Vec<_>, Problem>>()?));
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(std::iter::once("key").chain(columns.names.iter().map(String::as_str))).map_err(damaged)?;
    let mut record = vec![""; columns.names.len()];
    for (key, cells) in &table {
        record.fill("");
        // Of several of one name the first one counts.
        for (place, cell) in cells.iter().rev() {
            if let Some(field) = record.get_mut(*place) {
                *field = cell;
            }
        }
        writer.write_record(std::iter::once(key.as_str()).chain(record.iter().copied())).map_err(damaged)?;
    }
    writer.into_inner().map_err(damaged)
}

/// The columns of a table, each once, in the order in which they came up.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    /// Where a column stands.
    fn place(&mut self, name: String) -> Result<usize, Problem> {
        if let Some(place) = self.places.get(&name) {
            return Ok(*place);
        }
        let place = self.names.len();
        if place == MAX_COLUMNS {
            let detail = format!("the rows of the page have more than {MAX_COLUMNS} fields, which is no table");
            return Err(Problem::new(Kind::TooLarge, detail)
                .hint("say with select which fields, or ask for JSON")
                .with("limit", json!(MAX_COLUMNS)));
        }
        self.names.push(name.clone());
        self.places.insert(name, place);
        Ok(place)
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn declared(path: &str, shape: &Shape, columns: &mut Vec<String>) {
    for (name, shape) in shape.members().filter(|(_, shape)| !shape.is_hidden()) {
        let path = join(path, name);
        match shape.is_record() {
            true => declared(&path, shape, columns),
            false => columns.push(path),
        }
    }
}

/// The cells of an object. `shape` is what is declared of it, if something is. What is nested too deep stays JSON.
fn flatten(
    path: &str,
    json: &str,
    shape: Option<&Shape>,
    depth: usize,
    cells: &mut Vec<(String, String)>,
) -> Result<(), Problem> {
    for (name, value) in fields(json).map_err(damaged)?.unwrap_or_default() {
        let path = join(path, &name);
        let known = shape.and_then(|shape| match shape.member(&name) {
            Place::Declared(shape) => Some(shape),
            Place::Open | Place::Unknown => None,
        });
        // What has a column of its own stays in it: a map has other names in each row.
        let is_cell = known.is_some_and(|known| !known.is_record());
        if value.get().starts_with('{') && !is_cell && depth < MAX_DEPTH {
            flatten(&path, value.get(), known, depth + 1, cells)?;
        } else if value.get() != "null" || !known.is_some_and(Shape::is_record) {
            cells.push((path, cell(value)?));
        }
    }
    Ok(())
}

/// Groups as CSV: their fields, then their figures.
pub fn groups(query: &StatisticsQuery, statistics: &Statistics) -> Result<Response, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let figures: Vec<&str> = query.figures.iter().map(Figure::name).collect();
    writer.write_record(query.group.iter().map(String::as_str).chain(figures.iter().copied())).map_err(damaged)?;
    for group in &statistics.groups {
        let figures = figures.iter().filter_map(|name| group.figures.get(*name));
        writer.write_record(group.values.iter().chain(figures).map(value_cell)).map_err(damaged)?;
    }
    Ok(typed(CSV, writer.into_inner().map_err(damaged)?))
}

fn value_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text without its quotes, nothing for null, and JSON otherwise.
fn cell(value: &RawValue) -> Result<String, Problem> {
    match value.get() {
        "null" => Ok(String::new()),
        text if text.starts_with('"') => serde_json::from_str(text).map_err(damaged),
        other => Ok(other.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(key: &str, json: &str) -> Row {
        Row { key: key.into(), json: json.into() }
    }

    #[test]
    fn a_table_of_csv_has_all_fields_of_its_rows() {
        let rows = [
            row("a", r#"{"n": 1, "delay": {"mean": 1.5, "by": [1, 2]}, "s": "x, \"y\""}"#),
            row("b,c", r#"{"new": true, "n": null}"#),
        ];
        let text = |rows: &[Row], shape: &Shape| String::from_utf8(csv(rows, shape).unwrap()).unwrap();
        let expected = "key,n,delay.mean,delay.by,s,new\na,1,1.5,\"[1, 2]\",\"x, \"\"y\"\"\",\n\"b,c\",,,,,true\n";
        assert_eq!(text(&rows, &Shape::default()), expected);

        let record =
            |names: &[&str]| Shape::record(names.iter().map(|name| ((*name).to_owned(), Shape::default())).collect());
        let declared = Shape::record(vec![
            ("n".into(), Shape::text()),
            ("gone".into(), Shape::text()),
            ("delay".into(), record(&["max", "mean"])),
            ("by_day".into(), Shape::default()),
        ]);
        let rows =
            [row("a", r#"{"n": 1, "delay": {"mean": 1.5}, "by_day": {"x": 1}}"#), row("b", r#"{"delay": null}"#)];
        let head = "key,n,gone,delay.max,delay.mean,by_day\n";
        assert_eq!(text(&rows, &declared), format!("{head}a,1,,,1.5,\"{{\"\"x\"\": 1}}\"\nb,,,,,\n"));
        assert_eq!(text(&[], &declared), head, "the same columns, whatever is on the page");
    }

    #[test]
    fn what_is_nested_too_deep_stays_as_it_is() {
        // Half a mebibyte: a row may be that deep.
        let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        let text = String::from_utf8(csv(&[row("k", &deep)], &Shape::default()).unwrap()).unwrap();
        let head = vec!["a"; MAX_DEPTH].join(".");
        assert!(text.starts_with(&format!("key,{head}\nk,\"{{\"\"a\"\":")), "{}", &text[..300]);
    }

    #[test]
    fn rows_that_have_other_fields_each_are_a_table_until_they_are_too_many() {
        let rows = |count: usize, fields: usize| -> Vec<Row> {
            let fields = |at: usize| (0..fields).map(move |field| format!(r#""{at}-{field}":1"#)).collect::<Vec<_>>();
            (0..count).map(|at| row(&at.to_string(), &format!("{{{}}}", fields(at).join(",")))).collect()
        };
        let text = String::from_utf8(csv(&rows(2, 2), &Shape::default()).unwrap()).unwrap();
        assert_eq!(text, "key,0-0,0-1,1-0,1-1\n0,1,1,,\n1,,,1,1\n");
        assert!(csv(&rows(100, 10), &Shape::default()).is_ok());
        let refused = csv(&rows(1_000, 500), &Shape::default()).unwrap_err().into_text();
        assert!(refused.contains("too-large") && refused.contains("select"), "{refused}");
    }

    #[test]
    fn a_page_is_written_as_it_is_defined() {
        let rows = [row("a\"b", r#"{"n": 1.50}"#), row("c", "null")];
        let absent = ["x".to_owned()];
        for (next, count, absent) in [(None, None, &[][..]), (Some("/x?a=\""), Some(2), &absent)] {
            let text = String::from_utf8(json(&rows, next, count, absent).unwrap()).unwrap();
            let defined: kinora_api::queries::RowPage = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&defined).unwrap(), text);
        }
    }
}
