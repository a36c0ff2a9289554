//! Projector of punctuality, of carriers, airports and routes: the first version.

use kinora_sdk::{Event, Fault, JsonSchema, Manifest, Projector, Rows, Table, export_projector, schemars};
use serde::{Deserialize, Serialize};

/// A flight is on time if it arrives at most so many minutes late.
const ON_TIME_MINUTES: i64 = 15;

/// Figures of some flights.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Tally {
    /// Flights that were scheduled.
    flights: u64,
    departed: u64,
    arrived: u64,
    cancelled: u64,
    /// Sum and mean over departed flights, in minutes; early ones count as negative.
    departure_delay: i64,
    mean_departure_delay: Option<f64>,
    /// Arrived flights whose delay is known: a diverted flight has none.
    timed: u64,
    /// Sum and mean over timed flights, in minutes; early ones count as negative.
    arrival_delay: i64,
    mean_arrival_delay: Option<f64>,
    /// Timed flights that were on time, and their share.
    on_time: u64,
    share_on_time: Option<f64>,
}

impl Tally {
    fn depart(&mut self, delay: i64) {
        self.departed += 1;
        self.departure_delay += delay;
        self.mean_departure_delay = ratio(self.departure_delay, self.departed);
    }

    fn arrive(&mut self, delay: Option<i64>) {
        self.arrived += 1;
        if let Some(delay) = delay {
            self.timed += 1;
            self.arrival_delay += delay;
            self.mean_arrival_delay = ratio(self.arrival_delay, self.timed);
            self.on_time += u64::from(delay <= ON_TIME_MINUTES);
            self.share_on_time = ratio(self.on_time as i64, self.timed);
        }
    }
}

/// To four decimals.
fn ratio(sum: i64, count: u64) -> Option<f64> {
    (count > 0).then(|| (sum as f64 / count as f64 * 10_000.0).round() / 10_000.0)
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Airport {
    /// Flights that leave here.
    outbound: Tally,
    /// Flights that come here.
    inbound: Tally,
}

const CARRIERS: Table<Tally> = Table::new("carriers");
const AIRPORTS: Table<Airport> = Table::new("airports");
const ROUTES: Table<Tally> = Table::new("routes");

/// What all events of a flight have, and what some have.
#[derive(Deserialize)]
struct Flight<'a> {
    carrier: &'a str,
    origin: &'a str,
    dest: &'a str,
    delay_minutes: Option<i64>,
}

#[derive(Default)]
pub struct OnTime {
    /// The key of a route, put together here so that nothing is allocated for each event.
    route: String,
}

impl Projector for OnTime {
    fn describe() -> Manifest {
        Manifest::new("ontime")
            .handles("FlightScheduled", 1)
            .handles("FlightDeparted", 2)
            .handles("FlightArrived", 1)
            .handles("FlightCancelled", 1)
            .table(CARRIERS, "carrier")
            .index(CARRIERS, "by_flights", &["flights"])
            .index(CARRIERS, "by_share_on_time", &["share_on_time"])
            .table(AIRPORTS, "airport")
            .index(AIRPORTS, "by_outbound_flights", &["outbound.flights"])
            .table(ROUTES, "origin-destination")
            .index(ROUTES, "by_flights", &["flights"])
            .index(ROUTES, "by_mean_arrival_delay", &["mean_arrival_delay"])
    }

    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
        let flight: Flight = event.data()?;
        self.route.clear();
        self.route.extend([flight.origin, "-", flight.dest]);
        let count = |tally: &mut Tally| match event.kind() {
            "FlightScheduled" => tally.flights += 1,
            "FlightDeparted" => tally.depart(flight.delay_minutes.unwrap_or_default()),
            "FlightArrived" => tally.arrive(flight.delay_minutes),
            _ => tally.cancelled += 1,
        };
        count(rows.entry(CARRIERS, flight.carrier)?);
        count(&mut rows.entry(AIRPORTS, flight.origin)?.outbound);
        count(&mut rows.entry(AIRPORTS, flight.dest)?.inbound);
        count(rows.entry(ROUTES, &self.route)?);
        Ok(())
    }
}

export_projector!(OnTime);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kinora_sdk::testing::Scenario;

    #[test]
    fn a_flight_counts_for_its_carrier_both_airports_and_its_route() {
        let mut scenario = Scenario::<OnTime>::new();
        let flight = r#""carrier": "UA", "flight": 1545, "origin": "EWR", "dest": "IAH""#;
        scenario.given("FlightScheduled", 1, &format!("{{{flight}}}")).unwrap();
        scenario.given("FlightDeparted", 2, &format!(r#"{{{flight}, "delay_minutes": 2}}"#)).unwrap();
        scenario.restarted().unwrap();
        scenario.given("FlightArrived", 1, &format!(r#"{{{flight}, "delay_minutes": 15}}"#)).unwrap();
        let expected = concat!(
            r#"{"flights":1,"departed":1,"arrived":1,"cancelled":0,"departure_delay":2,"mean_departure_delay":2.0,"#,
            r#""timed":1,"arrival_delay":15,"mean_arrival_delay":15.0,"on_time":1,"share_on_time":1.0}"#
        );
        assert_eq!(scenario.row("carriers", "UA").as_deref(), Some(expected));
        assert_eq!(scenario.row("routes", "EWR-IAH").as_deref(), Some(expected));
        assert!(scenario.row("airports", "EWR").unwrap().starts_with(&format!(r#"{{"outbound":{expected}"#)));
        assert!(scenario.row("airports", "IAH").unwrap().ends_with(&format!(r#""inbound":{expected}}}"#)));
    }

    #[test]
    fn a_diverted_flight_arrives_without_a_delay() {
        let mut scenario = Scenario::<OnTime>::new();
        let diverted = r#"{"carrier": "UA", "origin": "EWR", "dest": "IAH", "delay_minutes": null}"#;
        let row = scenario.given("FlightArrived", 1, diverted).unwrap().row("carriers", "UA").unwrap();
        assert!(row.contains(r#""arrived":1"#) && row.contains(r#""share_on_time":null"#), "{row}");
    }

    #[test]
    fn an_old_departure_has_to_be_upcast_first() {
        let fault = Scenario::<OnTime>::new().given("FlightDeparted", 1, "{}").err().unwrap();
        assert!(fault.message.contains("neither handled nor ignored"), "{}", fault.message);
    }
}
