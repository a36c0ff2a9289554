//! Departures used to carry New York's local time as `HHMM` integers (schema 1). Since July they carry UTC (schema 2).

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kinora_sdk::{Steps, Upcaster, export_upcaster};
use serde::{Deserialize, Serialize};

/// Eastern time since 2007: the rule as POSIX writes it, because a guest has no time zone database.
const EASTERN: &str = "EST5EDT,M3.2.0,M11.1.0";

#[derive(Deserialize)]
struct Local {
    carrier: String,
    flight: u32,
    tailnum: Option<String>,
    origin: String,
    dest: String,
    /// The day on which the flight was to leave, such as `2013-01-01`.
    date: String,
    /// When it was to leave, such as 515.
    sched_dep_time: u16,
    delay_minutes: i64,
}

#[derive(Serialize)]
struct Utc {
    carrier: String,
    flight: u32,
    tailnum: Option<String>,
    origin: String,
    dest: String,
    scheduled_at: String,
    departed_at: String,
    delay_minutes: i64,
}

pub struct Departures;

impl Upcaster for Departures {
    fn describe() -> Steps {
        let eastern = TimeZone::posix(EASTERN);
        Steps::new("departures").step(("FlightDeparted", 1), ("FlightDeparted", 2), move |local: Local| {
            let eastern = eastern.as_ref().map_err(ToString::to_string)?;
            let scheduled = instant(&local.date, local.sched_dep_time, eastern)
                .map_err(|cause| format!("{} {:04} is no time: {cause}", local.date, local.sched_dep_time))?;
            let departed = scheduled.checked_add(SignedDuration::from_mins(local.delay_minutes));
            Ok(Utc {
                carrier: local.carrier,
                flight: local.flight,
                tailnum: local.tailnum,
                origin: local.origin,
                dest: local.dest,
                scheduled_at: scheduled.to_string(),
                departed_at: departed.map_err(|cause| cause.to_string())?.to_string(),
                delay_minutes: local.delay_minutes,
            })
        })
    }
}

fn instant(date: &str, hhmm: u16, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
    let (hour, minute) = (i8::try_from(hhmm / 100).unwrap_or(i8::MAX), i8::try_from(hhmm % 100).unwrap_or(i8::MAX));
    let time = jiff::civil::Time::new(hour, minute, 0, 0)?;
    zone.to_timestamp(date.parse::<Date>()?.to_datetime(time))
}

export_upcaster!(Departures);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kinora_sdk::testing::upcast;

    fn local(date: &str, hhmm: u16, delay: i64) -> String {
        format!(
            r#"{{"carrier":"UA","flight":1545,"tailnum":null,"origin":"EWR","dest":"IAH","date":"{date}",
                "sched_dep_time":{hhmm},"dep_time":517,"delay_minutes":{delay}}}"#
        )
    }

    #[test]
    fn local_time_becomes_utc_in_winter_and_in_summer() {
        for (date, scheduled, departed) in [
            ("2013-01-01", "2013-01-01T10:15:00Z", "2013-01-01T10:17:00Z"),
            ("2013-06-01", "2013-06-01T09:15:00Z", "2013-06-01T09:17:00Z"),
        ] {
            let new = upcast::<Departures>("FlightDeparted", 1, &local(date, 515, 2)).unwrap();
            let [(kind, schema, json)] = new.as_slice() else { unreachable!("one for one: {new:?}") };
            assert_eq!((*kind, *schema), ("FlightDeparted", 2));
            assert!(json.contains(&format!(r#""scheduled_at":"{scheduled}","departed_at":"{departed}""#)), "{json}");
        }
    }

    #[test]
    fn a_time_that_does_not_exist_is_a_fault() {
        let fault = upcast::<Departures>("FlightDeparted", 1, &local("2013-01-01", 2575, 2)).unwrap_err();
        assert!(fault.message.contains("2013-01-01 2575 is no time"), "{}", fault.message);
    }
}
