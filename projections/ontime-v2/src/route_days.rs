//! Days of routes, in figures, and what all figures share.

use kinora_sdk::{JsonSchema, Table, schemars};
use serde::{Deserialize, Serialize};

/// A flight is late if it arrives so many minutes late, or more.
pub const LATE_MINUTES: i64 = 15;

pub const ROUTE_DAYS: Table<RouteDay> = Table::new("route_days");

#[derive(Clone, Copy)]
pub enum What {
    Scheduled,
    Departed,
    Arrived,
    Cancelled,
}

/// The flights of one route on one day (UTC), in figures.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteDay {
    pub flights: u64,
    pub cancelled: u64,
    pub timed: u64,
    pub arrival_delay: i64,
    pub on_time: u64,
}

impl RouteDay {
    pub fn count(&mut self, what: What, delay: Option<i64>) {
        match (what, delay) {
            (What::Scheduled, _) => self.flights += 1,
            (What::Cancelled, _) => self.cancelled += 1,
            (What::Arrived, Some(delay)) => {
                self.timed += 1;
                self.arrival_delay += delay;
                self.on_time += u64::from(delay < LATE_MINUTES);
            }
            (What::Departed | What::Arrived, _) => {}
        }
    }
}

/// To four decimals.
pub fn ratio(sum: i64, count: u64) -> Option<f64> {
    (count > 0).then(|| (sum as f64 / count as f64 * 10_000.0).round() / 10_000.0)
}
