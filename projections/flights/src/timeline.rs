//! From the rows of the CSV to events in the order in which they happened.

use std::collections::HashMap;
use std::io::Read;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::airports;
use crate::event::Event;
use crate::flight::{Ends, Flight, Kind, Words};
use crate::names::{Name, Names};
use crate::row::Row;

const CSV: &[u8] = include_bytes!("../data/flights-2013.csv.zst");

/// The window that the data were compressed with, as a power of two (128 MiB). The decoder takes no more than the data
/// need, which is 31 MB, and only while they are unpacked.
const WINDOW_LOG: u32 = 27;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the flights cannot be unpacked: {0}")]
    Unpack(#[from] std::io::Error),
    #[error("the flights cannot be read: {0}")]
    Csv(#[from] csv::Error),
    #[error("flight {row} has a time that makes no sense: {cause}")]
    Time { row: usize, cause: jiff::Error },
    #[error("flight {row} goes to or from {airport:?}, whose time zone is not known")]
    Airport { row: usize, airport: String },
    #[error("flight {row} is one too many: there are 65,536 names of aircraft, airports and carriers before it")]
    Names { row: usize },
}

/// All flights, in memory (about 50 MB).
pub struct Timeline {
    flights: Vec<Flight>,
    names: Names,
    /// When, which flight, what; sorted.
    order: Vec<(Timestamp, u32, Kind)>,
}

impl Timeline {
    /// Unpacks the flights, which are part of the program, and puts what happened in order. Takes about half a second.
    pub fn load() -> Result<Self, Error> {
        let mut csv = zstd::Decoder::new(CSV)?;
        csv.window_log_max(WINDOW_LOG)?;
        Self::parse(csv)
    }

    fn parse(csv: impl Read) -> Result<Self, Error> {
        let mut csv = csv::Reader::from_reader(csv);
        let (columns, mut cells) = (csv.headers()?.clone(), csv::StringRecord::new());
        let mut zones = Zones::default();
        let mut timeline = Self { flights: Vec::new(), names: Names::default(), order: Vec::new() };
        while csv.read_record(&mut cells)? {
            let number = timeline.flights.len();
            let row: Row<'_> = cells.deserialize(Some(&columns))?;
            let words = timeline.words(&row).ok_or(Error::Names { row: number })?;
            let ends = Ends { origin: zones.of(number, row.origin)?, dest: zones.of(number, row.dest)? };
            let flight = Flight::new(&row, words, &ends).map_err(|cause| Error::Time { row: number, cause })?;
            let id = u32::try_from(number).unwrap_or(u32::MAX);
            timeline.order.extend(flight.story().map(|(at, kind)| (at, id, kind)));
            timeline.flights.push(flight);
        }
        timeline.flights.shrink_to_fit();
        timeline.order.shrink_to_fit();
        timeline.order.sort_unstable();
        Ok(timeline)
    }

    fn words(&mut self, row: &Row<'_>) -> Option<Words> {
        let tailnum: Option<Name> = match row.tailnum() {
            None => None,
            Some(tailnum) => Some(self.names.note(tailnum)?),
        };
        let mut note = |text| self.names.note(text);
        Some(Words { carrier: note(row.carrier)?, tailnum, origin: note(row.origin)?, dest: note(row.dest)? })
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
        let event = |(at, id, kind): &(_, u32, _)| self.flights.get(*id as usize)?.event(*kind, *at, &self.names);
        self.order.iter().filter_map(event)
    }
}

/// The zones that have been looked up.
#[derive(Default)]
struct Zones(HashMap<&'static str, TimeZone>);

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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use jiff::SignedDuration;

    const HEADER: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,\
        flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour";

    fn events(row: &str) -> Vec<(String, serde_json::Value)> {
        let timeline = Timeline::parse(format!("{HEADER}\n{row}\n").as_bytes()).unwrap();
        timeline.events().map(|event| (event.at.to_string(), serde_json::to_value(event).unwrap())).collect()
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
        let timeline = Timeline::load().unwrap();
        let mut counts: BTreeMap<(&str, u32), u32> = BTreeMap::new();
        let mut streams: HashMap<String, Vec<(&str, Timestamp)>> = HashMap::new();
        let mut last = Timestamp::MIN;
        for event in timeline.events() {
            assert!(last <= event.at, "time goes back at {event:?}");
            last = event.at;
            *counts.entry((event.kind, event.schema)).or_default() += 1;
            streams.entry(event.stream).or_default().push((event.kind, event.at));
        }
        let expected = [
            (("FlightArrived", 1), 328_063),
            (("FlightCancelled", 1), 8_255),
            (("FlightDeparted", 1), 161_275),
            (("FlightDeparted", 2), 167_246),
            (("FlightScheduled", 1), 336_776),
        ];
        assert_eq!(counts, BTreeMap::from(expected));
        assert_eq!((streams.len(), timeline.len()), (336_776, 1_001_615));
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

    #[test]
    fn a_cell_that_is_no_number_is_refused_and_not_taken_as_missing() {
        let row = "2013,1,1,5:17,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z";
        let error = Timeline::parse(format!("{HEADER}\n{row}\n").as_bytes()).err().unwrap();
        assert!(error.to_string().contains(r#""5:17" is neither a number nor NA"#), "{error}");
    }

    #[test]
    fn an_airport_without_a_zone_is_named() {
        let row = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,XYZ,227,1400,5,15,2013-01-01T10:00:00Z";
        let error = Timeline::parse(format!("{HEADER}\n{row}\n").as_bytes()).err().unwrap();
        assert_eq!(error.to_string(), r#"flight 0 goes to or from "XYZ", whose time zone is not known"#);
    }

    #[test]
    fn a_cancelled_flight_is_cancelled_when_it_was_to_leave() {
        let row = "2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,N18120,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z";
        let [_, cancelled] = &events(row)[..] else { unreachable!() };
        assert_eq!((cancelled.0.as_str(), &cancelled.1["type"]), ("2013-01-01T21:30:00Z", &"FlightCancelled".into()));
    }
}
