//! Queries against SQLite, on the rows of the flights of 2013: random filters, orders and figures, the same answers.

use std::path::Path;
use std::sync::LazyLock;

use kinora_api::grammar::Filter;
use kinora_readmodel::{CommitMode, GroupOrder, GroupValue, ListQuery, RowFilter, StatisticsQuery, Store, Writes};
use kinora_server::Translation;
use kinora_storage::Storage;
use kinora_tests::property;
use kinora_types::{Budget, IndexSpec, Progress, TableSpec};
use proptest::prelude::*;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::undeclared;

/// One flight of this many is taken: random queries scan them again and again.
const ONE_OF: usize = 24;

#[derive(Deserialize)]
struct Row {
    month: i64,
    day: i64,
    #[serde(deserialize_with = "csv::invalid_option")]
    dep_delay: Option<i64>,
    #[serde(deserialize_with = "csv::invalid_option")]
    arr_delay: Option<i64>,
    carrier: String,
    flight: i64,
    tailnum: String,
    origin: String,
    dest: String,
    #[serde(deserialize_with = "csv::invalid_option")]
    air_time: Option<i64>,
    distance: i64,
    time_hour: String,
}

impl Row {
    /// Hours in the air, to two decimals.
    fn hours(&self) -> Option<f64> {
        self.air_time.map(|minutes| (minutes as f64 / 60.0 * 100.0).round() / 100.0)
    }

    fn tailnum(&self) -> Option<&str> {
        Some(self.tailnum.as_str()).filter(|tailnum| *tailnum != "NA")
    }

    fn json(&self) -> Value {
        json!({
            "carrier": self.carrier, "flight": self.flight, "tailnum": self.tailnum(), "distance": self.distance,
            "route": {"origin": self.origin, "dest": self.dest}, "hours": self.hours(),
            "delay": {"departure": self.dep_delay, "arrival": self.arr_delay},
            "day": {"month": self.month, "day": self.day}, "stops": [self.origin, self.dest],
        })
    }
}

/// The same rows in both.
struct Both {
    store: Store,
    sqlite: std::sync::Mutex<Connection>,
    _dir: tempfile::TempDir,
}

static BOTH: LazyLock<Both> = LazyLock::new(|| {
    let file = Path::new("../projections/flights/data/flights-2013.csv.zst");
    let mut text = zstd::Decoder::new(std::fs::File::open(file).unwrap()).unwrap();
    text.window_log_max(27).unwrap();
    let rows = csv::Reader::from_reader(text).into_deserialize::<Row>().map(Result::unwrap).step_by(ONE_OF);

    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Storage::default(), dir.path(), &tables()).unwrap();
    let sqlite = Connection::open_in_memory().unwrap();
    sqlite
        .execute_batch(
            "PRAGMA case_sensitive_like = ON;
             CREATE TABLE flights (key TEXT, carrier TEXT, flight INTEGER, tailnum TEXT, distance INTEGER, origin TEXT,
                 dest TEXT, hours REAL, departure INTEGER, arrival INTEGER, month INTEGER, day INTEGER)",
        )
        .unwrap();
    let mut insert = sqlite.prepare("INSERT INTO flights VALUES (?,?,?,?,?,?,?,?,?,?,?,?)").unwrap();
    let mut writes = Writes::default();
    for (number, row) in rows.enumerate() {
        let key = format!("{}/{}{}/{number}", row.time_hour, row.carrier, row.flight);
        writes.set(0, &key, Some(row.json().to_string().as_bytes()));
        let values = rusqlite::params![
            key,
            row.carrier,
            row.flight,
            row.tailnum(),
            row.distance,
            row.origin,
            row.dest,
            row.hours(),
            row.dep_delay,
            row.arr_delay,
            row.month,
            row.day
        ];
        insert.execute(values).unwrap();
    }
    store.commit(&writes, Progress(1), CommitMode::UntilFlushed).unwrap();
    store.flush().unwrap();
    drop(insert);
    Both { store, sqlite: sqlite.into(), _dir: dir }
});

fn tables() -> Vec<TableSpec> {
    let index = |(name, paths): (&str, &[&str])| IndexSpec {
        name: name.into(),
        paths: paths.iter().map(|path| (*path).into()).collect(),
        unique: false,
    };
    let indexes: [(&str, &[&str]); 5] = [
        ("by_carrier", &["carrier", "-delay.arrival"]),
        ("by_route", &["route.origin", "route.dest", "distance"]),
        ("by_stop", &["stops[]", "carrier"]),
        ("by_hours", &["hours"]),
        ("by_day", &["day.month", "-day.day", "delay.departure"]),
    ];
    let indexes = indexes.map(index).to_vec();
    vec![TableSpec { name: "flights".into(), key: "time/flight/number".into(), schema: None, indexes, history: None }]
}

/// Fields here, columns there, and values that some rows have.
const NUMBERS: [(&str, &str, &[&str]); 7] = [
    ("flight", "flight", &["1", "1141", "4000", "9999"]),
    ("distance", "distance", &["200", "733", "1400", "5000"]),
    ("hours", "hours", &["0.5", "2.5", "3.78", "11"]),
    ("delay.departure", "departure", &["-5", "0", "15", "120"]),
    ("delay.arrival", "arrival", &["-20", "0", "14", "300"]),
    ("day.month", "month", &["1", "2", "6", "12"]),
    ("day.day", "day", &["1", "15", "31"]),
];
const TEXTS: [(&str, &str, &[&str]); 5] = [
    ("carrier", "carrier", &["UA", "B6", "EV", "ZZ"]),
    ("tailnum", "tailnum", &["N14228", "N7", "O"]),
    ("route.origin", "origin", &["EWR", "JFK", "LGA"]),
    ("route.dest", "dest", &["IAH", "ATL", "BOS", "M"]),
    ("key", "key", &["2013-03", "2013-06-01T10:00:00Z/UA", "2013-11-30"]),
];

/// A condition in both languages.
#[derive(Clone, Debug)]
struct Asked {
    name: String,
    text: String,
    sql: String,
}

impl Asked {
    fn term(&self) -> String {
        let group = self.text.starts_with('(') && ["and", "or"].iter().any(|word| self.name.ends_with(word));
        if group { format!("{}{}", self.name, self.text) } else { format!("{}.{}", self.name, self.text) }
    }
}

fn comparison() -> impl Strategy<Value = Asked> {
    let number = (prop::sample::select(&NUMBERS[..]), any::<prop::sample::Index>()).prop_map(
        |((field, column, values), index)| (field, column, values[index.index(values.len())].to_owned(), false),
    );
    let text = (prop::sample::select(&TEXTS[..]), any::<prop::sample::Index>()).prop_map(
        |((field, column, values), index)| (field, column, values[index.index(values.len())].to_owned(), true),
    );
    let operator =
        prop::sample::select(&[("eq", "="), ("neq", "<>"), ("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")][..]);
    (prop_oneof![number, text], operator).prop_map(|((field, column, value, quoted), (word, sign))| {
        let literal = if quoted { format!("'{value}'") } else { value.clone() };
        Asked { name: field.into(), text: format!("{word}.{value}"), sql: format!("{column} {sign} {literal}") }
    })
}

fn leaf() -> impl Strategy<Value = Asked> {
    let among = (prop::sample::select(&TEXTS[..4]), prop::collection::vec(any::<prop::sample::Index>(), 1..4))
        .prop_map(|((field, column, values), indexes)| {
            let values: Vec<_> = indexes.iter().map(|index| values[index.index(values.len())]).collect();
            let quoted: Vec<_> = values.iter().map(|value| format!("'{value}'")).collect();
            let sql = format!("{column} IN ({})", quoted.join(","));
            Asked { name: field.into(), text: format!("in.({})", values.join(",")), sql }
        });
    let null =
        prop::sample::select(&[("tailnum", "tailnum"), ("delay.arrival", "arrival"), ("hours", "hours")][..]).prop_map(
            |(field, column)| Asked { name: field.into(), text: "is.null".into(), sql: format!("{column} IS NULL") },
        );
    let like =
        (prop::sample::select(&TEXTS[..]), prop::sample::select(&["N1*", "*A", "*1*", "E_R", "20*06*", "u%"][..]))
            .prop_map(|((field, column, _), pattern)| Asked {
                name: field.into(),
                text: format!("like.{pattern}"),
                sql: format!("{column} LIKE '{}'", pattern.replace('*', "%")),
            });
    let ilike = (prop::sample::select(&TEXTS[..]), prop::sample::select(&["n1*", "*a", "e_r", "U*"][..])).prop_map(
        |((field, column, _), pattern)| Asked {
            name: field.into(),
            text: format!("ilike.{pattern}"),
            sql: format!("lower({column}) LIKE lower('{}')", pattern.replace('*', "%")),
        },
    );
    // The last one is no airport.
    let stop = prop::sample::select(&["EWR", "IAH", "JFK", "QQQ"][..]);
    let one = stop.clone().prop_map(|stop| Asked {
        name: "stops[]".into(),
        text: format!("eq.{stop}"),
        sql: format!("'{stop}' IN (origin, dest)"),
    });
    let both = (stop.clone(), stop).prop_map(|(a, b)| Asked {
        name: "stops".into(),
        text: format!("cs.{{{a},{b}}}"),
        sql: format!("('{a}' IN (origin, dest) AND '{b}' IN (origin, dest))"),
    });
    prop_oneof![6 => comparison(), 1 => among, 1 => null, 1 => like, 1 => ilike, 1 => one, 1 => both]
}

fn asked() -> impl Strategy<Value = Asked> {
    let negated = (leaf(), any::<bool>()).prop_map(|(leaf, negated)| match negated {
        true => Asked { text: format!("not.{}", leaf.text), sql: format!("NOT ({})", leaf.sql), ..leaf },
        false => leaf,
    });
    negated.prop_recursive(2, 6, 3, |inner| {
        let word = prop::sample::select(&[("and", "AND"), ("or", "OR"), ("or", "OR")][..]);
        (word, any::<bool>(), prop::collection::vec(inner, 1..4)).prop_map(|((word, sql), negated, inner)| {
            let terms: Vec<_> = inner.iter().map(Asked::term).collect();
            let sqls: Vec<_> = inner.iter().map(|inner| format!("({})", inner.sql)).collect();
            let (not, sql_not) = if negated { ("not.", "NOT ") } else { ("", "") };
            Asked {
                name: format!("{not}{word}"),
                text: format!("({})", terms.join(",")),
                sql: format!("{sql_not}({})", sqls.join(&format!(" {sql} "))),
            }
        })
    })
}

/// Field and column.
fn field() -> impl Strategy<Value = (&'static str, &'static str)> {
    let fields: Vec<_> =
        NUMBERS.iter().map(|(f, c, _)| (*f, *c)).chain(TEXTS.iter().map(|(f, c, _)| (*f, *c))).collect();
    prop::sample::select(fields)
}

/// Filters; an order as both write it.
fn query() -> impl Strategy<Value = (Vec<Asked>, Vec<(&'static str, &'static str, bool)>)> {
    let term = (field(), any::<bool>()).prop_map(|((field, column), descending)| (field, column, descending));
    (prop::collection::vec(asked(), 0..3), prop::collection::vec(term, 0..3))
}

fn filtered(asked: &[Asked]) -> (RowFilter, String) {
    let mut filter = RowFilter::default();
    for asked in asked {
        let read = Filter::parse(&asked.name, &asked.text).unwrap();
        filter.and(Translation::new(&undeclared()).filter(&read).unwrap());
    }
    let sqls: Vec<_> = asked.iter().map(|asked| format!("({})", asked.sql)).collect();
    (filter, if sqls.is_empty() { "1".into() } else { sqls.join(" AND ") })
}

/// Rows of the first pages.
const PAGES: usize = 4;

proptest! {
    #![proptest_config(property(150))]

    #[test]
    fn filters_orders_and_pages_are_those_of_sqlite((asked, order) in query(), limit in 1_usize..60) {
        compare_pages(&asked, &order, limit)?;
    }

    #[test]
    fn figures_are_those_of_sqlite(
        asked in prop::collection::vec(asked(), 0..2),
        (field, column) in prop::sample::select(NUMBERS.map(|(field, column, _)| (field, column)).to_vec()),
        percent in prop::sample::select(vec![0.0, 10.0, 50.0, 90.0, 99.0, 100.0]),
        group in prop::option::of(prop::sample::select(&GROUPS[..])),
    ) {
        compare_figures(&asked, (field, column), percent, group)?;
    }
}

/// What is grouped by, here and there.
const GROUPS: [(&str, &str); 3] =
    [("carrier", "carrier"), ("route.origin", "origin"), ("delay.departure", "departure")];

fn compare_pages(asked: &[Asked], order: &[(&str, &str, bool)], limit: usize) -> Result<(), TestCaseError> {
    let (filter, where_sql) = filtered(asked);
    let word = |(field, _, down): &(&str, &str, bool)| format!("{field}{},", if *down { ".desc" } else { "" });
    // SQLite does not say in which order equals come, so the key says it for both.
    let words = order.iter().map(word).collect::<String>() + "key";
    let term = |(_, column, down): &(&str, &str, bool)| format!("{column}{},", if *down { " DESC" } else { "" });
    let terms: String = order.iter().map(term).collect();
    let sql = format!("SELECT key FROM flights WHERE {where_sql} ORDER BY {terms} key LIMIT {}", limit * PAGES);
    let sqlite = BOTH.sqlite.lock().unwrap();
    let expected: Vec<String> =
        sqlite.prepare(&sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let count: i64 =
        sqlite.query_row(&format!("SELECT count(*) FROM flights WHERE {where_sql}"), [], |row| row.get(0)).unwrap();

    let order = Translation::new(&undeclared()).order(&words.parse().unwrap()).unwrap();
    let mut query = ListQuery { table: "flights".into(), filter, order, limit, scan: true, ..ListQuery::default() };
    let snapshot = BOTH.store.latest().unwrap();
    prop_assert_eq!(snapshot.count(&query, &Budget::unlimited()).unwrap(), count as u64, "{}", &sql);
    let mut found = Vec::new();
    for _ in 0..PAGES {
        let page = snapshot.list(&query, &Budget::unlimited()).unwrap();
        if let Some(from_memory) = snapshot.list_from_memory(&query, &Budget::unlimited()).unwrap() {
            prop_assert_eq!(&from_memory, &page);
        }
        prop_assert!(page.rows.len() <= limit);
        found.extend(page.rows.into_iter().map(|row| row.key));
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    prop_assert_eq!(found, expected, "{}", sql);
    Ok(())
}

fn compare_figures(
    asked: &[Asked],
    (field, column): (&str, &str),
    percent: f64,
    group: Option<(&str, &str)>,
) -> Result<(), TestCaseError> {
    let (filter, where_sql) = filtered(asked);
    let names = ["count", "sum", "avg", "min", "max"].map(|kind| format!("{kind}({field})"));
    let text = format!("count,{},p:percentile({field},{percent})", names.join(","));
    let query = StatisticsQuery {
        table: "flights".into(),
        filter,
        figures: Translation::new(&undeclared()).figures(&text.parse().unwrap()).unwrap(),
        group: group.iter().map(|(field, _)| (*field).to_owned()).collect(),
        facets: vec!["tailnum".to_owned(), "stops[]".to_owned()],
        scan: true,
        ..StatisticsQuery::default()
    };
    let statistics = BOTH.store.snapshot().unwrap().statistics(&query, &Budget::unlimited()).unwrap();

    let sqlite = BOTH.sqlite.lock().unwrap();
    let by = group.map_or("NULL", |(_, column)| column);
    let sql = format!(
        "SELECT {by}, count(*), count({column}), sum({column}), avg({column}), min({column}), max({column}) \
         FROM flights WHERE {where_sql} {} ORDER BY 1",
        group.map(|(_, column)| format!("GROUP BY {column}")).unwrap_or_default()
    );
    let rows = seven_columns(&sqlite, &sql);
    prop_assert_eq!(statistics.groups.len(), rows.len(), "{}", &sql);
    for (group, row) in statistics.groups.iter().zip(&rows) {
        let figures = std::iter::once("count").chain(names.iter().map(String::as_str));
        let found = group.values.iter().chain(figures.map(|name| &group.figures[name]));
        let wanted = row.iter().skip(usize::from(group.values.is_empty()));
        for (found, wanted) in found.zip(wanted) {
            prop_assert!(same(found, wanted), "{} {:?} {} {:?}", found, wanted, &sql, &group);
        }
        let one = if group.values.is_empty() { "1".to_owned() } else { format!("{by} IS {}", literal(&row[0])) };
        let count = group.figures[&names[0]].as_u64().unwrap();
        let wanted = nearest_rank(&sqlite, column, &format!("{where_sql} AND {one}"), percent, count);
        prop_assert!(same(&group.figures["p"], &wanted), "{} {:?} {}", &group.figures["p"], wanted, &sql);
    }
    let order = vec![GroupOrder { by: GroupValue::Figure("count".into()), descending: true }];
    let first = StatisticsQuery { order, limit: Some(3), ..query };
    let first = BOTH.store.snapshot().unwrap().statistics(&first, &Budget::unlimited()).unwrap();
    let mut most: Vec<_> = statistics.groups.iter().collect();
    // By hand: equal ones stay in the order of their values.
    most.sort_by_key(|group| std::cmp::Reverse(group.figures["count"].as_u64()));
    prop_assert_eq!(first.groups.iter().collect::<Vec<_>>(), &most[..most.len().min(3)]);
    let tailnums = format!("SELECT tailnum, count(*) FROM flights WHERE {where_sql} GROUP BY 1 ORDER BY 2 DESC, 1");
    prop_assert_eq!(&statistics.facets[0].1, &facet(&sqlite, &tailnums));
    let stops = format!(
        "SELECT stop, count(*) FROM (SELECT origin AS stop FROM flights WHERE {where_sql} \
         UNION ALL SELECT dest FROM flights WHERE {where_sql}) GROUP BY 1 ORDER BY 2 DESC, 1"
    );
    prop_assert_eq!(&statistics.facets[1].1, &facet(&sqlite, &stops));
    Ok(())
}

fn seven_columns(sqlite: &Connection, sql: &str) -> Vec<[rusqlite::types::Value; 7]> {
    let mut statement = sqlite.prepare(sql).unwrap();
    let columns = |row: &rusqlite::Row<'_>| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?])
    };
    statement.query_map([], columns).unwrap().map(Result::unwrap).collect()
}

/// By sorting.
fn nearest_rank(
    sqlite: &Connection,
    column: &str,
    where_sql: &str,
    percent: f64,
    count: u64,
) -> rusqlite::types::Value {
    let rank = ((count as f64 * percent / 100.0).ceil() as u64).max(1) - 1;
    let sql = format!(
        "SELECT {column} FROM flights WHERE {where_sql} AND {column} IS NOT NULL ORDER BY 1 LIMIT 1 OFFSET {rank}"
    );
    sqlite.query_row(&sql, [], |row| row.get(0)).unwrap_or(rusqlite::types::Value::Null)
}

fn facet(sqlite: &Connection, sql: &str) -> Vec<(Value, u64)> {
    let mut statement = sqlite.prepare(sql).unwrap();
    let value = |row: &rusqlite::Row<'_>| {
        let value = row.get::<_, Option<String>>(0)?.map_or(Value::Null, Value::from);
        Ok((value, row.get::<_, i64>(1)? as u64))
    };
    statement.query_map([], value).unwrap().map(Result::unwrap).collect()
}

fn literal(value: &rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Null => "NULL".into(),
        rusqlite::types::Value::Integer(integer) => integer.to_string(),
        rusqlite::types::Value::Text(text) => format!("'{text}'"),
        other => panic!("{other:?} is no group"),
    }
}

/// Integers and texts exactly; what was added up or divided up to rounding.
fn same(found: &Value, wanted: &rusqlite::types::Value) -> bool {
    match wanted {
        rusqlite::types::Value::Null => found.is_null(),
        rusqlite::types::Value::Integer(integer) => found.as_i64() == Some(*integer),
        rusqlite::types::Value::Real(real) => {
            found.as_f64().is_some_and(|found| (found - real).abs() <= 1e-9 * real.abs().max(1.0))
        }
        rusqlite::types::Value::Text(text) => found.as_str() == Some(text),
        rusqlite::types::Value::Blob(_) => false,
    }
}
