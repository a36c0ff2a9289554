//! From the rows of the CSV to events in the order in which they happened.

use std::io::Read;

use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::Deserialize;

use crate::airports;
use crate::event::{Data, Event, What};

const CSV: &[u8] = include_bytes!("../data/flights-2013.csv.zst");

/// A flight appears in the log so long before it is to leave.
const ANNOUNCED: SignedDuration = SignedDuration::from_hours(24);

/// From this day on, departures are recorded in schema 2.
const SCHEMA_2_FROM: Date = date(2013, 7, 1);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the flights cannot be unpacked: {0}")]
    Unpack(#[from] std::io::Error),
    #[error("the flights cannot be read: {0}")]
    Csv(#[from] csv::Error),
    #[error("flight {row} has a time that makes no sense: {cause}")]
    Time { row: usize, cause: jiff::Error },
    #[error("flight {row} goes to or from {airport:?}, whose time zone is not known")]
    Airport { row: usize, airport: String },
}

/// A row, with the columns that are used. Times are local `HHMM`, delays are minutes.
#[derive(Deserialize)]
struct Row {
    year: i16,
    month: i8,
    day: i8,
    #[serde(deserialize_with = "csv::invalid_option")]
    dep_time: Option<u16>,
    sched_dep_time: u16,
    #[serde(deserialize_with = "csv::invalid_option")]
    dep_delay: Option<i32>,
    #[serde(deserialize_with = "csv::invalid_option")]
    arr_time: Option<u16>,
    #[serde(deserialize_with = "csv::invalid_option")]
    arr_delay: Option<i32>,
    carrier: String,
    flight: u32,
    tailnum: String,
    origin: String,
    dest: String,
    #[serde(deserialize_with = "csv::invalid_option")]
    air_time: Option<u32>,
    distance: u32,
}

/// What happens to a flight, in this order if at the same second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Scheduled,
    Departed,
    Arrived,
    Cancelled,
}

struct Flight {
    row: Row,
    date: Date,
    scheduled: Timestamp,
    departed: Timestamp,
    arrived: Timestamp,
}

/// All flights, in memory (about 100 MB).
pub struct History {
    flights: Vec<Flight>,
    /// When, which flight, what; sorted.
    order: Vec<(Timestamp, u32, Kind)>,
}

impl History {
    pub fn load() -> Result<Self, Error> {
        let mut text = Vec::new();
        let mut unpacked = zstd::Decoder::new(CSV)?;
        unpacked.window_log_max(27)?;
        unpacked.read_to_end(&mut text)?;
        Self::parse(&text)
    }

    fn parse(csv: &[u8]) -> Result<Self, Error> {
        let mut zones = Zones::default();
        let mut history = Self { flights: Vec::new(), order: Vec::new() };
        for (number, row) in csv::Reader::from_reader(csv).into_deserialize().enumerate() {
            let flight = Flight::new(number, row?, &mut zones)?;
            let id = u32::try_from(number).unwrap_or(u32::MAX);
            let announced = flight.scheduled - ANNOUNCED;
            history.order.push((announced, id, Kind::Scheduled));
            if flight.row.dep_time.is_some() {
                history.order.push((flight.departed, id, Kind::Departed));
            } else {
                history.order.push((flight.scheduled, id, Kind::Cancelled));
            }
            if flight.row.arr_time.is_some() {
                history.order.push((flight.arrived, id, Kind::Arrived));
            }
            history.flights.push(flight);
        }
        history.order.sort_unstable();
        Ok(history)
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The events, in the order in which they happened.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        self.order.iter().filter_map(|(at, id, kind)| Some(self.flights.get(*id as usize)?.event(*kind, *at)))
    }
}

/// The zones that have been looked up.
#[derive(Default)]
struct Zones(std::collections::HashMap<&'static str, TimeZone>);

impl Zones {
    fn of(&mut self, row: usize, airport: &str) -> Result<TimeZone, Error> {
        let unknown = || Error::Airport { row, airport: airport.to_owned() };
        let name = airports::zone(airport).ok_or_else(unknown)?;
        if let Some(zone) = self.0.get(name) {
            return Ok(zone.clone());
        }
        let zone = TimeZone::get(name).map_err(|cause| Error::Time { row, cause })?;
        self.0.insert(name, zone.clone());
        Ok(zone)
    }
}

/// 517 is 05:17, and 2400 midnight.
fn clock(hhmm: u16) -> Result<Time, jiff::Error> {
    let part = |number: u16| i8::try_from(number).unwrap_or(i8::MAX);
    Time::new(part(hhmm / 100 % 24), part(hhmm % 100), 0, 0)
}

impl Flight {
    fn new(number: usize, row: Row, zones: &mut Zones) -> Result<Self, Error> {
        let here = zones.of(number, NEW_YORK_AIRPORT)?;
        let there = zones.of(number, &row.dest)?;
        let times = || -> Result<_, jiff::Error> {
            let date = Date::new(row.year, row.month, row.day)?;
            let scheduled = here.to_timestamp(date.to_datetime(clock(row.sched_dep_time)?))?;
            let departed = scheduled + SignedDuration::from_mins(row.dep_delay.unwrap_or_default().into());
            // The first time after the departure that the destination's clocks show.
            let local = clock(row.arr_time.unwrap_or_default())?;
            let day = there.to_datetime(departed).date();
            let mut arrived = there.to_timestamp(day.to_datetime(local))?;
            if arrived <= departed {
                arrived = there.to_timestamp(day.checked_add(1.day())?.to_datetime(local))?;
            }
            Ok((date, scheduled, departed, arrived))
        };
        let (date, scheduled, departed, arrived) = times().map_err(|cause| Error::Time { row: number, cause })?;
        Ok(Self { row, date, scheduled, departed, arrived })
    }

    fn event(&self, kind: Kind, at: Timestamp) -> Event {
        let Self { row, date, scheduled, departed, arrived } = self;
        let scheduled_at = *scheduled;
        let delay_minutes = row.dep_delay.unwrap_or_default();
        let (name, schema, what) = match kind {
            Kind::Scheduled => ("FlightScheduled", 1, What::Scheduled { scheduled_at, distance_miles: row.distance }),
            Kind::Departed if *date < SCHEMA_2_FROM => {
                let (sched_dep_time, dep_time) = (row.sched_dep_time, row.dep_time.unwrap_or_default());
                ("FlightDeparted", 1, What::DepartedLocal { date: *date, sched_dep_time, dep_time, delay_minutes })
            }
            Kind::Departed => {
                ("FlightDeparted", 2, What::Departed { scheduled_at, departed_at: *departed, delay_minutes })
            }
            Kind::Arrived => {
                let (delay_minutes, air_time_minutes) = (row.arr_delay, row.air_time);
                (
                    "FlightArrived",
                    1,
                    What::Arrived { scheduled_at, arrived_at: *arrived, delay_minutes, air_time_minutes },
                )
            }
            Kind::Cancelled => ("FlightCancelled", 1, What::Cancelled { scheduled_at }),
        };
        let tailnum = Some(&row.tailnum).filter(|tailnum| !matches!(tailnum.as_str(), "" | "NA"));
        let mut tags = vec![format!("carrier:{}", row.carrier)];
        tags.extend([&row.origin, &row.dest].map(|airport| format!("airport:{airport}")));
        tags.extend(tailnum.map(|tailnum| format!("aircraft:{tailnum}")));
        let data = Data {
            carrier: row.carrier.clone(),
            flight: row.flight,
            tailnum: tailnum.cloned(),
            origin: row.origin.clone(),
            dest: row.dest.clone(),
            what,
        };
        let stream = format!("flight-{date}-{}-{}-{}", row.carrier, row.flight, row.origin);
        Event::new(stream, name, schema, data, tags, at)
    }
}

/// Any of the three: they share a zone.
const NEW_YORK_AIRPORT: &str = "JFK";

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashMap};

    const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,\
        flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour";

    fn events(row: &str) -> Vec<(String, serde_json::Value)> {
        let history = History::parse(format!("{HEADER}\n{row}\n").as_bytes()).unwrap();
        history.events().map(|event| (event.at.to_string(), serde_json::to_value(event).unwrap())).collect()
    }

    #[test]
    fn a_flight_in_winter_is_recorded_in_local_time() {
        let row = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";
        let [scheduled, departed, arrived] = &events(row)[..] else { unreachable!() };
        assert_eq!((scheduled.0.as_str(), departed.0.as_str()), ("2012-12-31T10:15:00Z", "2013-01-01T10:17:00Z"));
        assert_eq!(arrived.0, "2013-01-01T14:30:00Z");
        let flight = |mut more: serde_json::Value| {
            let fields = more.as_object_mut().unwrap();
            for (name, value) in [("carrier", "UA"), ("tailnum", "N14228"), ("origin", "EWR"), ("dest", "IAH")] {
                fields.insert(name.into(), value.into());
            }
            fields.insert("flight".into(), 1545.into());
            more
        };
        let at = "2013-01-01T10:15:00Z";
        assert_eq!(scheduled.1["data"], flight(serde_json::json!({"scheduled_at": at, "distance_miles": 1400})));
        assert_eq!(
            departed.1["data"],
            flight(
                serde_json::json!({"date": "2013-01-01", "sched_dep_time": 515, "dep_time": 517, "delay_minutes": 2})
            )
        );
        assert_eq!(departed.1["schema"], 1);
        assert_eq!(
            arrived.1["data"],
            flight(serde_json::json!({
                "scheduled_at": at, "arrived_at": "2013-01-01T14:30:00Z", "delay_minutes": 11, "air_time_minutes": 227
            }))
        );
        assert_eq!(
            arrived.1["tags"],
            serde_json::json!(["carrier:UA", "airport:EWR", "airport:IAH", "aircraft:N14228"])
        );
    }

    #[test]
    fn a_flight_in_summer_over_midnight_is_recorded_in_utc() {
        let row = "2013,7,1,2356,2359,-3,2400,337,NA,B6,1503,NA,JFK,SJU,NA,1598,23,59,2013-07-02T03:00:00Z";
        let [_, departed, arrived] = &events(row)[..] else { unreachable!() };
        assert_eq!(
            (&departed.1["schema"], &departed.1["data"]["departed_at"]),
            (&2.into(), &"2013-07-02T03:56:00Z".into())
        );
        assert!(departed.1["data"]["tailnum"].is_null() && arrived.1["data"]["delay_minutes"].is_null());
        assert_eq!(arrived.0, "2013-07-02T04:00:00Z");
    }

    #[test]
    fn the_whole_year_is_there_in_order_and_each_stream_makes_sense() {
        let history = History::load().unwrap();
        let mut counts: BTreeMap<(&str, u32), u32> = BTreeMap::new();
        let mut streams: HashMap<String, Vec<(&str, Timestamp)>> = HashMap::new();
        let mut last = Timestamp::MIN;
        for event in history.events() {
            assert!(last <= event.at, "time goes back at {event:?}");
            last = event.at;
            *counts.entry((event.kind, event.schema)).or_default() += 1;
            streams.entry(event.stream).or_default().push((event.kind, event.at));
        }
        let by_type: BTreeMap<&str, u32> = counts.iter().fold(BTreeMap::new(), |mut sums, ((kind, _), count)| {
            *sums.entry(*kind).or_default() += count;
            sums
        });
        let expected = [
            ("FlightArrived", 328_063),
            ("FlightCancelled", 8_255),
            ("FlightDeparted", 328_521),
            ("FlightScheduled", 336_776),
        ];
        assert_eq!(by_type, BTreeMap::from(expected));
        assert!(counts.contains_key(&("FlightDeparted", 1)) && counts.contains_key(&("FlightDeparted", 2)));
        assert_eq!((streams.len(), history.len()), (336_776, 1_001_615));
        for (stream, events) in streams {
            let kinds: Vec<_> = events.iter().map(|(kind, _)| *kind).collect();
            let good: [&[&str]; 3] = [
                &["FlightScheduled", "FlightCancelled"],
                &["FlightScheduled", "FlightDeparted"],
                &["FlightScheduled", "FlightDeparted", "FlightArrived"],
            ];
            assert!(good.contains(&&kinds[..]), "{stream}: {kinds:?}");
            if let [_, (_, departed), (_, arrived)] = &events[..] {
                let flown = arrived.duration_since(*departed);
                assert!(flown > SignedDuration::ZERO && flown < SignedDuration::from_hours(24), "{stream}: {flown}");
            }
        }
    }
}
