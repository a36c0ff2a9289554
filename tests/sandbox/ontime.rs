//! The read models of the flights of 2013, compared with the same figures worked out from the CSV, without any code of
//! Kinora, its SDK or its feed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use flights::{Feed, Timeline};
use kinora_tests::{Api, Host, module};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Row {
    #[serde(deserialize_with = "csv::invalid_option")]
    dep_time: Option<u32>,
    #[serde(deserialize_with = "csv::invalid_option")]
    dep_delay: Option<i64>,
    #[serde(deserialize_with = "csv::invalid_option")]
    arr_time: Option<u32>,
    #[serde(deserialize_with = "csv::invalid_option")]
    arr_delay: Option<i64>,
    carrier: String,
    flight: u32,
    tailnum: String,
    origin: String,
    dest: String,
    distance: u64,
    minute: u32,
    /// The hour of the scheduled departure in UTC: `2013-01-01T10:00:00Z`.
    time_hour: String,
}

impl Row {
    fn scheduled_at(&self) -> String {
        format!("{}{:02}:00Z", &self.time_hour[..14], self.minute)
    }
}

fn rows() -> Vec<Row> {
    let file = Path::new("../projections/flights/data/flights-2013.csv.zst");
    let mut text = zstd::Decoder::new(std::fs::File::open(file).unwrap()).unwrap();
    text.window_log_max(27).unwrap();
    csv::Reader::from_reader(text).into_deserialize().map(Result::unwrap).collect()
}

/// The figures of some flights, as one looks them up in a table: sums first, ratios last.
#[derive(Default)]
struct Figures {
    flights: u64,
    departed: u64,
    arrived: u64,
    cancelled: u64,
    departure_delay: i64,
    arrival_delays: Vec<i64>,
}

impl Figures {
    fn add(&mut self, row: &Row) {
        self.flights += 1;
        match row.dep_time {
            Some(_) => self.departed += 1,
            None => self.cancelled += 1,
        }
        self.departure_delay += row.dep_delay.unwrap_or(0);
        self.arrived += u64::from(row.arr_time.is_some());
        self.arrival_delays.extend(row.arr_delay);
    }

    fn row(mut self, on_time: impl Fn(i64) -> bool, with_delays: bool) -> Value {
        self.arrival_delays.sort_unstable();
        let timed = self.arrival_delays.len();
        let sum: i64 = self.arrival_delays.iter().sum();
        let punctual = self.arrival_delays.iter().filter(|delay| on_time(**delay)).count();
        let ratio = |sum: f64, count: usize| match count {
            0 => Value::Null,
            _ => json!((sum / count as f64 * 10_000.0).round() / 10_000.0),
        };
        let mut row = json!({
            "flights": self.flights, "departed": self.departed, "arrived": self.arrived, "cancelled": self.cancelled,
            "departure_delay": self.departure_delay,
            "mean_departure_delay": ratio(self.departure_delay as f64, usize::try_from(self.departed).unwrap()),
            "timed": timed, "arrival_delay": sum, "mean_arrival_delay": ratio(sum as f64, timed),
            "on_time": punctual, "share_on_time": ratio(punctual as f64, timed),
        });
        if with_delays {
            // The nearest rank: the value at the place that is `percent` of the way through the sorted delays.
            let percentile = |percent: usize| match timed {
                0 => Value::Null,
                _ => json!(self.arrival_delays[(timed * percent).div_ceil(100) - 1]),
            };
            let mut minutes: BTreeMap<String, u64> = BTreeMap::new();
            for delay in &self.arrival_delays {
                *minutes.entry(delay.to_string()).or_default() += 1;
            }
            row["arrival_delays"] =
                json!({"p50": percentile(50), "p90": percentile(90), "p99": percentile(99), "minutes": minutes});
        }
        row
    }
}

/// Carriers, airports and routes of one version, as they should be.
fn expected(rows: &[Row], version: u64) -> [(&'static str, BTreeMap<String, Value>); 3] {
    let mut carriers: BTreeMap<String, Figures> = BTreeMap::new();
    let mut airports: BTreeMap<String, [Figures; 2]> = BTreeMap::new();
    let mut routes: BTreeMap<String, Figures> = BTreeMap::new();
    for row in rows {
        carriers.entry(row.carrier.clone()).or_default().add(row);
        airports.entry(row.origin.clone()).or_default()[0].add(row);
        airports.entry(row.dest.clone()).or_default()[1].add(row);
        routes.entry(format!("{}-{}", row.origin, row.dest)).or_default().add(row);
    }
    let on_time = |delay: i64| if version == 1 { delay <= 15 } else { delay < 15 };
    let finish = |figures: Figures| figures.row(on_time, version == 2);
    let airport = |[outbound, inbound]: [Figures; 2]| json!({"outbound": finish(outbound), "inbound": finish(inbound)});
    [
        ("carriers", carriers.into_iter().map(|(key, figures)| (key, finish(figures))).collect()),
        ("airports", airports.into_iter().map(|(key, both)| (key, airport(both))).collect()),
        ("routes", routes.into_iter().map(|(key, figures)| (key, finish(figures))).collect()),
    ]
}

async fn actual(api: &Api, table: &str, version: u64) -> BTreeMap<String, Value> {
    api.rows("ontime", table, version).await.into_iter().collect()
}

fn compare(table: &str, actual: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    assert_eq!(actual.len(), expected.len(), "{table}");
    for (key, row) in expected {
        assert_eq!(actual.get(key), Some(row), "{table} {key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_read_models_of_the_whole_year_are_what_the_csv_says() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start(dir.path());
    let api = host.api();
    let timeline = Arc::new(Timeline::load().unwrap());
    let fed = Feed::new(&host.url).run(timeline, |_| {}).await.unwrap();
    assert_eq!(fed.events, 1_001_615);

    let upcaster = api.upload(module("departures")).await;
    for (version, name) in [(1, "ontime-v1"), (2, "ontime-v2")] {
        let projector = api.upload(module(name)).await;
        assert_eq!(api.deploy("ontime", &projector, &[&upcaster]).await, version);
        let status = api.until_state("ontime", version, "ready").await;
        // What was done with the projection meanwhile is in the log, too.
        assert!(status["checkpoint"].as_u64() >= Some(1_001_614), "{status}");
    }
    let rows = rows();
    for version in [1, 2] {
        for (table, expected) in expected(&rows, version) {
            compare(table, &actual(&api, table, version).await, &expected);
        }
    }
    compare("aircraft", &actual(&api, "aircraft", 2).await, &aircraft(&rows));
    compare("route_days", &actual(&api, "route_days", 2).await, &route_days(&rows));
    aircraft_flights(&actual(&api, "aircraft_flights", 2).await, &rows);
    worst_routes(&api, &rows).await;
}

fn aircraft(rows: &[Row]) -> BTreeMap<String, Value> {
    let mut aircraft: BTreeMap<String, (u64, u64, u64, u64, i64, String)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.tailnum != "NA") {
        let (flights, arrived, cancelled, miles, delay, last) = aircraft.entry(row.tailnum.clone()).or_default();
        *flights += 1;
        *arrived += u64::from(row.arr_time.is_some());
        *cancelled += u64::from(row.dep_time.is_none());
        *miles += row.distance;
        *delay += row.arr_delay.unwrap_or(0);
        *last = row.scheduled_at().max(std::mem::take(last));
    }
    let finish = |(flights, arrived, cancelled, miles, arrival_delay, last_scheduled_at)| {
        json!({
            "flights": flights, "arrived": arrived, "cancelled": cancelled, "miles": miles,
            "arrival_delay": arrival_delay, "last_scheduled_at": last_scheduled_at,
        })
    };
    aircraft.into_iter().map(|(key, figures)| (key, finish(figures))).collect()
}

fn route_days(rows: &[Row]) -> BTreeMap<String, Value> {
    let mut days: BTreeMap<String, Figures> = BTreeMap::new();
    for row in rows {
        days.entry(format!("{}/{}-{}", &row.time_hour[..10], row.origin, row.dest)).or_default().add(row);
    }
    let finish = |figures: Figures| {
        json!({
            "flights": figures.flights, "cancelled": figures.cancelled, "timed": figures.arrival_delays.len(),
            "arrival_delay": figures.arrival_delays.iter().sum::<i64>(),
            "on_time": figures.arrival_delays.iter().filter(|delay| **delay < 15).count(),
        })
    };
    days.into_iter().map(|(key, figures)| (key, finish(figures))).collect()
}

fn aircraft_flights(actual: &BTreeMap<String, Value>, rows: &[Row]) {
    let with_aircraft: Vec<_> = rows.iter().filter(|row| row.tailnum != "NA").collect();
    assert_eq!(actual.len(), with_aircraft.len());
    for row in with_aircraft {
        let key = format!("{}/{}/{}{}", row.tailnum, row.scheduled_at(), row.carrier, row.flight);
        let found = &actual[&key];
        let status = match (row.dep_time, row.arr_time) {
            (None, _) => "cancelled",
            (Some(_), None) => "departed",
            (Some(_), Some(_)) => "arrived",
        };
        assert_eq!(
            (&found["origin"], &found["dest"], &found["status"], &found["departure_delay"], &found["arrival_delay"]),
            (&json!(row.origin), &json!(row.dest), &json!(status), &json!(row.dep_delay), &json!(row.arr_delay)),
            "{key}"
        );
        // The minutes of an hour are the same in all time zones of these airports.
        if let (Some(arrived_at), Some(arr_time)) = (found["arrived_at"].as_str(), row.arr_time) {
            assert_eq!(arrived_at[14..16].parse::<u32>().unwrap(), arr_time % 100, "{key}");
        }
    }
}

async fn worst_routes(api: &Api, rows: &[Row]) {
    let path = "read-models/ontime/queries/worst-routes?version=2";
    let arguments = json!({"from": "2013-03-01", "to": "2013-03-08", "limit": 20, "min_flights": 10});
    let answer = api.get_with(path, &[("arguments", &arguments.to_string())]).await;
    let mut routes: BTreeMap<String, Figures> = BTreeMap::new();
    for row in rows.iter().filter(|row| ("2013-03-01".."2013-03-08").contains(&&row.time_hour[..10])) {
        routes.entry(format!("{}-{}", row.origin, row.dest)).or_default().add(row);
    }
    let mut expected: Vec<(String, Value)> = routes
        .into_iter()
        .filter(|(_, figures)| figures.flights >= 10)
        .map(|(route, figures)| (route, figures.row(|delay| delay < 15, false)))
        .collect();
    expected.sort_by(|(_, a), (_, b)| {
        b["mean_arrival_delay"].as_f64().unwrap().total_cmp(&a["mean_arrival_delay"].as_f64().unwrap())
    });
    let found = answer.body["routes"].as_array().unwrap();
    assert_eq!(found.len(), 20);
    for (found, (route, figures)) in found.iter().zip(&expected) {
        assert_eq!(found["route"], json!(route));
        for field in ["flights", "cancelled", "mean_arrival_delay", "share_on_time"] {
            assert_eq!(found[field], figures[field], "{route} {field}");
        }
    }
}
