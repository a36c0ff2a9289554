//! Output: data to stdout, everything else to stderr, and how values look there.

pub mod table;

use std::fmt::Display;
use std::io::{self, BufWriter, Stdout, Write};

use clap::ValueEnum;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use table::Table;

/// The heading of options that have to be there.
pub const REQUIRED: &str = "Required options";

/// Columns of text where there is no terminal that has another number, and `COLUMNS` says nothing.
const WIDTH: usize = 80;

/// Fewer columns than this are not counted with.
const LEAST_WIDTH: usize = 40;

/// Characters of a value in a table; more would make the table unreadable. `-o json` shows all.
const CELL_CHARACTERS: usize = 48;

/// Rows of which the fields become columns. Later rows with other fields do not move the table about.
const ROWS_FOR_COLUMNS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables and lines for people.
    #[value(alias = "table")]
    Text,
    /// One JSON document a line, as the host sent it.
    #[value(alias = "ndjson")]
    Json,
    /// Tables as CSV; what is no table goes to stderr.
    Csv,
}

/// Nobody reads stdout any more, as in `kinora tail | head`. Not an error to tell anybody about.
#[derive(Debug, thiserror::Error)]
#[error("stdout is closed")]
pub struct Closed;

pub struct Output {
    format: Format,
    stdout: BufWriter<Stdout>,
}

impl Output {
    pub fn new(format: Format) -> Self {
        Self { format, stdout: BufWriter::new(io::stdout()) }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    pub fn is_csv(&self) -> bool {
        self.format == Format::Csv
    }

    pub fn line(&mut self, text: impl Display) -> anyhow::Result<()> {
        if self.is_csv() {
            note(text);
            return Ok(());
        }
        self.data(text)
    }

    fn data(&mut self, text: impl Display) -> anyhow::Result<()> {
        writeln!(self.stdout, "{text}").map_err(closed)
    }

    /// A document that must stay on one line. A raw line break in JSON is white space between tokens.
    pub fn json(&mut self, text: &str) -> anyhow::Result<()> {
        self.data(text.trim().replace(['\n', '\r'], " "))
    }

    /// Text as the host has formatted it.
    pub fn raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stdout.write_all(bytes).map_err(closed)
    }

    pub fn table(&mut self, table: &Table) -> anyhow::Result<()> {
        if self.is_csv() {
            let mut csv = csv::Writer::from_writer(&mut self.stdout);
            table.all_rows().try_for_each(|row| csv.write_record(row)).map_err(|cause| closed(cause.into()))?;
            return csv.flush().map_err(closed);
        }
        let (lines, left_out) = table.lines(width());
        lines.iter().try_for_each(|line| self.line(line))?;
        if !left_out.is_empty() {
            note(format_args!("without room here: {} (--select chooses, -o json has all)", left_out.join(", ")));
        }
        Ok(())
    }

    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.stdout.flush().map_err(closed)
    }
}

fn closed(cause: io::Error) -> anyhow::Error {
    if cause.kind() == io::ErrorKind::BrokenPipe {
        return Closed.into();
    }
    anyhow::Error::from(cause).context("stdout could not be written")
}

/// A line on stderr. That nobody reads it is no reason to stop.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// How many columns of text there are.
pub fn width() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(terminal_size::Width(columns), _)| usize::from(columns));
    said.or_else(terminal).unwrap_or(WIDTH).max(LEAST_WIDTH)
}

/// A table; `numbers` are the columns that stand to the right.
pub fn table(header: &[&str], numbers: &[usize]) -> Table {
    Table::new(header, numbers)
}

/// The members of an object in the order in which they came.
#[derive(Debug)]
pub struct Fields(pub Vec<(String, Box<RawValue>)>);

impl Fields {
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Fields(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The fields of the first rows, in the order of their first appearance.
pub fn columns(rows: &[&Fields]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (name, _) in rows.iter().take(ROWS_FOR_COLUMNS).flat_map(|row| &row.0) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    columns
}

/// Rows under their keys, if they have any.
pub fn rows_table(keys: Option<&[String]>, rows: &[&Fields]) -> Table {
    let columns = columns(rows);
    let shown = |row: &Fields, name: &str| row.get(name).map_or_else(String::new, |value| shortened(&cell(value)));
    let numeric = |name: &String| {
        rows.iter().take(ROWS_FOR_COLUMNS).filter_map(|row| row.get(name)).all(|value| is_number(value.get()))
    };
    let keyed = usize::from(keys.is_some());
    let numbers: Vec<usize> =
        columns.iter().enumerate().filter(|(_, name)| numeric(name)).map(|(index, _)| index + keyed).collect();
    let names: Vec<String> = columns.iter().map(|name| clean(name)).collect();
    let header: Vec<&str> = keys.map(|_| "key").into_iter().chain(names.iter().map(String::as_str)).collect();
    let mut table = table(&header, &numbers).leaving_out();
    for (index, row) in rows.iter().enumerate() {
        let key = keys.map(|keys| keys.get(index).cloned().unwrap_or_default());
        table.add_row(key.into_iter().chain(columns.iter().map(|name| shown(row, name))));
    }
    table
}

fn is_number(json: &str) -> bool {
    json == "null" || json.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// A JSON value as people read it: text without its quotes, nothing for null.
pub fn cell(value: &RawValue) -> String {
    match value.get() {
        "null" => String::new(),
        text if text.starts_with('"') => {
            serde_json::from_str::<String>(text).map_or_else(|_| clean(text), |text| clean(&text))
        }
        other => clean(other),
    }
}

/// Text from elsewhere must not move the cursor or colour the terminal.
pub fn clean(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

pub fn shortened(text: &str) -> String {
    if text.chars().count() <= CELL_CHARACTERS {
        return text.to_owned();
    }
    text.chars().take(CELL_CHARACTERS - 1).chain(['…']).collect()
}

/// As much of a digest as tells modules apart; commands take it too.
pub fn short_digest(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// Seconds as `8s`, `1m20s`, `2h05m`.
pub fn duration(seconds: f64) -> String {
    // Whatever a host may say: casts saturate, and NaN is 0.
    let seconds = seconds.ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fields(json: &str) -> Fields {
        serde_json::from_str(json).unwrap()
    }

    fn lines(table: &Table) -> Vec<String> {
        table.lines(80).0
    }

    #[test]
    fn fields_keep_their_order_and_their_digits() {
        let row = fields(r#"{"z":1.10,"a":{"b":[1, 2]}}"#);
        assert_eq!(row.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["z", "a"]);
        assert_eq!(row.get("z").unwrap().get(), "1.10");
    }

    #[test]
    fn rows_stand_under_the_fields_of_all_first_rows() {
        let (first, second) = (fields(r#"{"name":"x","n":5}"#), fields(r#"{"n":1000,"note":null}"#));
        let keys = ["AA".to_owned(), "B".to_owned()];
        let found = lines(&rows_table(Some(&keys), &[&first, &second]));
        assert_eq!(found, ["key  name     n  note", "AA   x        5", "B          1000"]);
    }

    #[test]
    fn cells_are_what_people_read() {
        let raw = |json: &str| cell(&RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!(raw(r#""a\"b""#), "a\"b");
        assert_eq!(raw("null"), "");
        assert_eq!(raw("[1,2]"), "[1,2]");
        assert_eq!(raw(r#""\u001b[31mred""#), "\u{fffd}[31mred");
    }

    #[test]
    fn long_text_is_cut_at_characters() {
        let text = "é".repeat(CELL_CHARACTERS + 1);
        assert_eq!(shortened(&text).chars().count(), CELL_CHARACTERS);
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        assert_eq!(duration(0.2), "1s");
        assert_eq!(duration(80.0), "1m20s");
        assert_eq!(duration(7500.0), "2h05m");
        assert_eq!(duration(f64::NAN), "0s");
    }
}
