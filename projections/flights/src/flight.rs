//! A flight: its row in the CSV, and the events that tell what happened to it.

use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::event::{Data, Event, What};
use crate::names::{Name, Names};
use crate::row::Row;

/// A flight appears in the log so long before it is to leave.
const ANNOUNCED: SignedDuration = SignedDuration::from_hours(24);

/// From this day on, departures are recorded in schema 2.
const SCHEMA_2_FROM: Date = date(2013, 7, 1);

/// What happens to a flight, in this order if at the same second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Scheduled,
    Departed,
    Arrived,
    Cancelled,
}

/// There are 336,776 of these in memory at once, so they are kept small.
pub struct Flight {
    carrier: Name,
    number: u32,
    tailnum: Option<Name>,
    origin: Name,
    dest: Name,
    distance: u16,
    date: Date,
    sched_dep_time: u16,
    scheduled: Timestamp,
    /// `None` if it was cancelled.
    departure: Option<Departure>,
}

struct Departure {
    /// Local `HHMM`.
    time: u16,
    delay: i16,
    arrival: Option<Arrival>,
}

struct Arrival {
    at: Timestamp,
    delay: Option<i16>,
    air_time: Option<u16>,
}

/// The words of a row that are kept once for all flights.
pub struct Words {
    pub carrier: Name,
    pub tailnum: Option<Name>,
    pub origin: Name,
    pub dest: Name,
}

/// The zones of a flight's two ends.
pub struct Ends {
    pub origin: TimeZone,
    pub dest: TimeZone,
}

impl Flight {
    pub fn new(row: &Row<'_>, words: Words, ends: &Ends) -> Result<Self, jiff::Error> {
        let date = Date::new(row.year, row.month, row.day)?;
        let scheduled = ends.origin.to_timestamp(date.to_datetime(clock(row.sched_dep_time)?))?;
        let departure = match row.dep_time.zip(row.dep_delay) {
            None => None,
            Some((time, delay)) => {
                let departed = late(scheduled, delay);
                let arrival = |hhmm| {
                    let at = next(departed, clock(hhmm)?, &ends.dest)?;
                    Ok::<_, jiff::Error>(Arrival { at, delay: row.arr_delay, air_time: row.air_time })
                };
                Some(Departure { time, delay, arrival: row.arr_time.map(arrival).transpose()? })
            }
        };
        let Words { carrier, tailnum, origin, dest } = words;
        let (number, distance, sched_dep_time) = (row.flight, row.distance, row.sched_dep_time);
        Ok(Self { carrier, number, tailnum, origin, dest, distance, date, sched_dep_time, scheduled, departure })
    }

    /// What happened to it, and when.
    pub fn story(&self) -> impl Iterator<Item = (Timestamp, Kind)> + use<> {
        let left = match &self.departure {
            None => (self.scheduled, Kind::Cancelled),
            Some(departure) => (late(self.scheduled, departure.delay), Kind::Departed),
        };
        let arrival = self.departure.as_ref().and_then(|departure| departure.arrival.as_ref());
        let arrived = arrival.map(|arrival| (arrival.at, Kind::Arrived));
        [(self.scheduled - ANNOUNCED, Kind::Scheduled), left].into_iter().chain(arrived)
    }

    /// `None` if this did not happen to it.
    pub fn event(&self, kind: Kind, at: Timestamp, names: &Names) -> Option<Event> {
        let (name, schema, what) = match kind {
            Kind::Scheduled => ("FlightScheduled", 1, self.scheduled()),
            Kind::Departed if self.date < SCHEMA_2_FROM => ("FlightDeparted", 1, self.departed_local()?),
            Kind::Departed => ("FlightDeparted", 2, self.departed()?),
            Kind::Arrived => ("FlightArrived", 1, self.arrived()?),
            Kind::Cancelled => ("FlightCancelled", 1, What::Cancelled { scheduled_at: self.scheduled }),
        };
        let tailnum = self.tailnum.map(|tailnum| names.text(tailnum));
        let [carrier, origin, dest] = [self.carrier, self.origin, self.dest].map(|name| names.text(name));
        let mut tags = vec![format!("carrier:{carrier}"), format!("airport:{origin}"), format!("airport:{dest}")];
        tags.extend(tailnum.as_ref().map(|tailnum| format!("aircraft:{tailnum}")));
        let stream = format!("flight-{}-{carrier}-{}-{origin}", self.date, self.number);
        let data = Data { carrier, flight: self.number, tailnum, origin, dest, what };
        Some(Event::new(stream, name, schema, data, tags, at))
    }

    fn scheduled(&self) -> What {
        What::Scheduled { scheduled_at: self.scheduled, distance_miles: self.distance }
    }

    fn departed_local(&self) -> Option<What> {
        let Departure { time, delay, .. } = self.departure.as_ref()?;
        let (date, sched_dep_time) = (self.date, self.sched_dep_time);
        Some(What::DepartedLocal { date, sched_dep_time, dep_time: *time, delay_minutes: *delay })
    }

    fn departed(&self) -> Option<What> {
        let (scheduled_at, delay_minutes) = (self.scheduled, self.departure.as_ref()?.delay);
        Some(What::Departed { scheduled_at, departed_at: late(scheduled_at, delay_minutes), delay_minutes })
    }

    fn arrived(&self) -> Option<What> {
        let Arrival { at, delay, air_time } = self.departure.as_ref()?.arrival.as_ref()?;
        let scheduled_at = self.scheduled;
        Some(What::Arrived { scheduled_at, arrived_at: *at, delay_minutes: *delay, air_time_minutes: *air_time })
    }
}

fn late(scheduled: Timestamp, minutes: i16) -> Timestamp {
    scheduled + SignedDuration::from_mins(minutes.into())
}

/// 517 is 05:17, and 2400 midnight.
fn clock(hhmm: u16) -> Result<Time, jiff::Error> {
    let part = |number: u16| i8::try_from(number).unwrap_or(i8::MAX);
    let hours = if hhmm == 2400 { 0 } else { hhmm / 100 };
    Time::new(part(hours), part(hhmm % 100), 0, 0)
}

/// The first instant after `from` at which the clocks of `zone` show `time`.
///
/// In autumn an hour is shown twice, so a day has two candidates. In spring an hour is skipped: a time within it is
/// taken as if nobody had put the clock forward, since an aircraft did land then (02:03 is 03:03, on 10 March).
fn next(from: Timestamp, time: Time, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    let today = zone.to_datetime(from).date();
    let shown = zone.to_ambiguous_timestamp(today.to_datetime(time));
    for at in [shown.compatible()?, shown.later()?] {
        if at > from {
            return Ok(at);
        }
    }
    zone.to_timestamp(today.checked_add(1.day())?.to_datetime(time))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lands(from: &str, hhmm: u16) -> String {
        let zone = TimeZone::get("America/New_York").unwrap();
        next(from.parse().unwrap(), clock(hhmm).unwrap(), &zone).unwrap().to_string()
    }

    #[test]
    fn a_time_that_is_past_is_tomorrow_s() {
        assert_eq!(lands("2013-01-01T15:00:00Z", 1001), "2013-01-01T15:01:00Z");
        assert_eq!(lands("2013-01-01T15:00:00Z", 1000), "2013-01-02T15:00:00Z");
        assert_eq!(lands("2013-01-01T15:00:00Z", 2400), "2013-01-02T05:00:00Z");
    }

    #[test]
    fn in_the_hour_that_autumn_repeats_the_first_one_still_ahead_counts() {
        assert_eq!(lands("2013-11-03T04:30:00Z", 130), "2013-11-03T05:30:00Z");
        assert_eq!(lands("2013-11-03T05:40:00Z", 130), "2013-11-03T06:30:00Z");
        assert_eq!(lands("2013-11-03T06:40:00Z", 130), "2013-11-04T06:30:00Z");
    }

    #[test]
    fn in_the_hour_that_spring_skips_the_clock_counts_as_not_put_forward() {
        assert_eq!(lands("2013-03-10T04:06:00Z", 203), "2013-03-10T07:03:00Z");
    }

    #[test]
    fn clocks_end_at_midnight() {
        assert!([0, 517, 2359, 2400].into_iter().all(|hhmm| clock(hhmm).is_ok()));
        assert!([60, 2401, 2500, 9999, u16::MAX].into_iter().all(|hhmm| clock(hhmm).is_err()));
    }
}
