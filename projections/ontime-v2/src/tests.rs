//! Tests of the second version, native: without a host, and without WebAssembly.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use kinora_sdk::testing::Scenario;
use serde_json::{Value, json};

/// A flight on `date` that departs and arrives with these delays.
fn fly(scenario: &mut Scenario<OnTime>, date: &str, dest: &str, delay: i64) {
    let flight = |more: Value| {
        let mut flight = json!({
            "carrier": "UA", "flight": 1545, "tailnum": "N14228", "origin": "EWR", "dest": dest,
            "scheduled_at": format!("{date}T10:15:00Z"),
        });
        flight.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        flight.to_string()
    };
    scenario.given("FlightScheduled", 1, &flight(json!({"distance_miles": 1400}))).unwrap();
    let departed = json!({"departed_at": format!("{date}T10:17:00Z"), "delay_minutes": 2});
    scenario.given("FlightDeparted", 2, &flight(departed)).unwrap();
    scenario.restarted().unwrap();
    let arrived = json!({"arrived_at": format!("{date}T14:30:00Z"), "delay_minutes": delay});
    scenario.given("FlightArrived", 1, &flight(arrived)).unwrap();
}

fn row(scenario: &mut Scenario<OnTime>, table: &str, key: &str) -> Value {
    serde_json::from_str(&scenario.row(table, key).unwrap()).unwrap()
}

#[test]
fn a_quarter_of_an_hour_is_late() {
    let mut scenario = Scenario::new();
    fly(&mut scenario, "2013-01-01", "IAH", 15);
    fly(&mut scenario, "2013-01-02", "IAH", 14);
    let carrier = row(&mut scenario, "carriers", "UA");
    assert_eq!((&carrier["on_time"], &carrier["share_on_time"]), (&json!(1), &json!(0.5)));
    assert_eq!(carrier["arrival_delays"], json!({"p50": 14, "p90": 15, "p99": 15, "minutes": {"14": 1, "15": 1}}));
}

#[test]
fn an_aircraft_has_a_history() {
    let mut scenario = Scenario::new();
    fly(&mut scenario, "2013-01-01", "IAH", 15);
    fly(&mut scenario, "2013-01-02", "IAH", -5);
    let aircraft = row(&mut scenario, "aircraft", "N14228");
    assert_eq!(
        (&aircraft["flights"], &aircraft["miles"], &aircraft["arrival_delay"]),
        (&json!(2), &json!(2800), &json!(10))
    );
    assert_eq!(aircraft["last_scheduled_at"], "2013-01-02T10:15:00Z");
    let flight = row(&mut scenario, "aircraft_flights", "N14228/2013-01-01T10:15:00Z/UA1545");
    assert_eq!((&flight["status"], &flight["arrived_at"]), (&json!("arrived"), &json!("2013-01-01T14:30:00Z")));
}

#[test]
fn the_worst_routes_between_two_dates_come_first() {
    let mut scenario = Scenario::new();
    for (date, dest, delay) in
        [("2013-01-01", "IAH", 10), ("2013-01-02", "IAH", 30), ("2013-01-02", "BOS", 25), ("2013-01-03", "BOS", 500)]
    {
        fly(&mut scenario, date, dest, delay);
    }
    let mut ask = |arguments: Value| scenario.query("worst-routes", &arguments.to_string());
    let answer: Value = serde_json::from_str(&ask(json!({"from": "2013-01-01", "to": "2013-01-03"})).unwrap()).unwrap();
    let routes: Vec<_> = answer["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["route"].clone(), r["mean_arrival_delay"].clone()))
        .collect();
    assert_eq!(routes, [(json!("EWR-BOS"), json!(25.0)), (json!("EWR-IAH"), json!(20.0))]);
    let busy = ask(json!({"from": "2013-01-01", "to": "2013-01-03", "min_flights": 2})).unwrap();
    assert!(!busy.contains("BOS"), "{busy}");
    for wrong in [json!({}), json!({"from": "yesterday", "to": "2013-01-03"}), json!({"from": "2013-01-01", "to": 5})] {
        assert!(matches!(ask(wrong), Err(QueryError::InvalidArguments(_))));
    }
}
