//! Projector of punctuality, of carriers, airports and routes: the second version, on time as the US Department of
//! Transportation means it, delays with percentiles, each aircraft's history, and the worst routes between two dates.

mod delays;
mod route_days;
mod worst_routes;

use kinora_sdk::{Event, Fault, JsonSchema, Manifest, Projector, QueryError, Rows, Table, export_projector, schemars};
use serde::{Deserialize, Serialize};

use delays::Delays;
use route_days::{LATE_MINUTES, ROUTE_DAYS, What, ratio};

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
    /// The delays of timed flights.
    #[schemars(with = "delays::Written<'static>")]
    arrival_delays: Delays,
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
            self.on_time += u64::from(delay < LATE_MINUTES);
            self.share_on_time = ratio(self.on_time as i64, self.timed);
            self.arrival_delays.add(delay);
        }
    }
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Airport {
    /// Flights that leave here.
    outbound: Tally,
    /// Flights that come here.
    inbound: Tally,
}

/// The flights of one aircraft, in figures.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Aircraft {
    flights: u64,
    arrived: u64,
    cancelled: u64,
    /// Miles of scheduled flights.
    miles: u64,
    /// Sum over timed flights, in minutes; early ones count as negative.
    arrival_delay: i64,
    /// When its last flight so far was to leave.
    last_scheduled_at: String,
}

/// One flight of an aircraft.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct AircraftFlight {
    origin: String,
    dest: String,
    status: Status,
    departed_at: Option<String>,
    departure_delay: Option<i64>,
    arrived_at: Option<String>,
    arrival_delay: Option<i64>,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    #[default]
    Scheduled,
    Departed,
    Arrived,
    Cancelled,
}

const CARRIERS: Table<Tally> = Table::new("carriers");
const AIRPORTS: Table<Airport> = Table::new("airports");
const ROUTES: Table<Tally> = Table::new("routes");
const AIRCRAFT: Table<Aircraft> = Table::new("aircraft");
const AIRCRAFT_FLIGHTS: Table<AircraftFlight> = Table::new("aircraft_flights");
/// What all events of a flight have, and what some have.
#[derive(Deserialize)]
struct Flight<'a> {
    carrier: &'a str,
    flight: u32,
    tailnum: Option<&'a str>,
    origin: &'a str,
    dest: &'a str,
    scheduled_at: &'a str,
    departed_at: Option<&'a str>,
    arrived_at: Option<&'a str>,
    delay_minutes: Option<i64>,
    distance_miles: Option<u64>,
}

#[derive(Default)]
pub struct OnTime {
    /// A key, put together here so that nothing is allocated for each event.
    key: String,
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
            .index(CARRIERS, "by_p90", &["arrival_delays.p90"])
            .table(AIRPORTS, "airport")
            .index(AIRPORTS, "by_outbound_flights", &["outbound.flights"])
            .table(ROUTES, "origin-destination")
            .index(ROUTES, "by_flights", &["flights"])
            .index(ROUTES, "by_mean_arrival_delay", &["mean_arrival_delay"])
            .table(AIRCRAFT, "tail number")
            .index(AIRCRAFT, "by_flights", &["flights"])
            .table(AIRCRAFT_FLIGHTS, "tailnum/scheduled_at/flight")
            .table(ROUTE_DAYS, "date/route")
            .query_of::<worst_routes::Arguments, worst_routes::Answer>("worst-routes", worst_routes::DESCRIPTION)
    }

    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
        let flight: Flight = event.data()?;
        let what = match event.kind() {
            "FlightScheduled" => What::Scheduled,
            "FlightDeparted" => What::Departed,
            "FlightArrived" => What::Arrived,
            "FlightCancelled" => What::Cancelled,
            _ => return Err(event.unhandled()),
        };
        let delay = flight.delay_minutes;
        let count = |tally: &mut Tally| match what {
            What::Scheduled => tally.flights += 1,
            What::Departed => tally.depart(delay.unwrap_or_default()),
            What::Arrived => tally.arrive(delay),
            What::Cancelled => tally.cancelled += 1,
        };
        count(rows.entry(CARRIERS, flight.carrier)?);
        count(&mut rows.entry(AIRPORTS, flight.origin)?.outbound);
        count(&mut rows.entry(AIRPORTS, flight.dest)?.inbound);
        count(rows.entry(ROUTES, self.key([flight.origin, "-", flight.dest]))?);
        let Some(date) = flight.scheduled_at.get(..10) else {
            return Err(event.fault(format!("scheduled_at is {:?}, not a time", flight.scheduled_at)));
        };
        rows.entry(ROUTE_DAYS, self.key([date, "/", flight.origin, "-", flight.dest]))?.count(what, delay);
        if let Some(tailnum) = flight.tailnum {
            rows.entry(AIRCRAFT, tailnum)?.count(what, &flight);
            let number = flight.flight.to_string();
            let key = self.key([tailnum, "/", flight.scheduled_at, "/", flight.carrier, &number]);
            match what {
                // The first event of a flight: there is nothing to read.
                What::Scheduled => rows.put(AIRCRAFT_FLIGHTS, key, AircraftFlight::scheduled(&flight))?,
                _ => rows.entry(AIRCRAFT_FLIGHTS, key)?.count(what, &flight),
            }
        }
        Ok(())
    }

    fn query(&mut self, name: &str, arguments: &str, rows: &mut Rows) -> Result<String, QueryError> {
        match name {
            "worst-routes" => worst_routes::answer(arguments, rows),
            _ => Err(QueryError::Failed(format!("there is no query {name:?}"))),
        }
    }
}

impl OnTime {
    fn key<const N: usize>(&mut self, parts: [&str; N]) -> &str {
        self.key.clear();
        self.key.extend(parts);
        &self.key
    }
}

impl Aircraft {
    fn count(&mut self, what: What, flight: &Flight<'_>) {
        match what {
            What::Scheduled => {
                self.flights += 1;
                self.miles += flight.distance_miles.unwrap_or_default();
                if *self.last_scheduled_at < *flight.scheduled_at {
                    self.last_scheduled_at = flight.scheduled_at.to_owned();
                }
            }
            What::Departed => {}
            What::Arrived => {
                self.arrived += 1;
                self.arrival_delay += flight.delay_minutes.unwrap_or_default();
            }
            What::Cancelled => self.cancelled += 1,
        }
    }
}

impl AircraftFlight {
    fn scheduled(flight: &Flight<'_>) -> Self {
        Self { origin: flight.origin.to_owned(), dest: flight.dest.to_owned(), ..Self::default() }
    }

    fn count(&mut self, what: What, flight: &Flight<'_>) {
        match what {
            What::Scheduled => *self = Self::scheduled(flight),
            What::Departed => {
                self.status = Status::Departed;
                self.departed_at = flight.departed_at.map(str::to_owned);
                self.departure_delay = flight.delay_minutes;
            }
            What::Arrived => {
                self.status = Status::Arrived;
                self.arrived_at = flight.arrived_at.map(str::to_owned);
                self.arrival_delay = flight.delay_minutes;
            }
            What::Cancelled => self.status = Status::Cancelled,
        }
    }
}

export_projector!(OnTime);

#[cfg(test)]
mod tests;
