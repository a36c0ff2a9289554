//! The named query `worst-routes`.

use std::collections::BTreeMap;

use kinora_sdk::{JsonSchema, QueryError, Rows, Scan, schemars};
use serde::{Deserialize, Serialize};

use crate::route_days::{ROUTE_DAYS, RouteDay, ratio};

pub const DESCRIPTION: &str = "Routes by mean arrival delay between two dates (UTC), the worst first. \
    Arguments: from (included) and to (not included), such as 2013-01-01; limit (10); min_flights (1).";

/// What it takes: the host refuses anything else, and says why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[schemars(length(equal = 10))]
    from: String,
    #[schemars(length(equal = 10))]
    to: String,
    #[serde(default = "default_limit")]
    limit: usize,
    #[serde(default = "default_min_flights")]
    min_flights: u64,
}

fn default_limit() -> usize {
    10
}

fn default_min_flights() -> u64 {
    1
}

#[derive(Serialize, JsonSchema)]
pub struct Answer {
    from: String,
    to: String,
    routes: Vec<Route>,
}

#[derive(Serialize, JsonSchema)]
struct Route {
    route: String,
    flights: u64,
    cancelled: u64,
    mean_arrival_delay: Option<f64>,
    share_on_time: Option<f64>,
}

pub fn answer(arguments: &str, rows: &mut Rows) -> Result<String, QueryError> {
    let arguments: Arguments =
        serde_json::from_str(arguments).map_err(|cause| QueryError::InvalidArguments(cause.to_string()))?;
    for date in [&arguments.from, &arguments.to] {
        let digits = date.bytes().filter(u8::is_ascii_digit).count();
        if date.len() != 10 || digits != 8 {
            return Err(QueryError::InvalidArguments(format!("{date:?} is not a date such as 2013-01-31")));
        }
    }
    let mut totals: BTreeMap<String, RouteDay> = BTreeMap::new();
    let days = Scan::all().from(&arguments.from).to(&arguments.to);
    rows.scan(ROUTE_DAYS, days, |key, day| {
        let route = key.split_once('/').map_or(key, |(_, route)| route);
        let total = totals.entry(route.to_owned()).or_default();
        total.flights += day.flights;
        total.cancelled += day.cancelled;
        total.timed += day.timed;
        total.arrival_delay += day.arrival_delay;
        total.on_time += day.on_time;
        true
    })?;
    let enough = totals.into_iter().filter(|(_, total)| total.flights >= arguments.min_flights);
    let mut routes: Vec<Route> = enough
        .map(|(route, total)| Route {
            route,
            flights: total.flights,
            cancelled: total.cancelled,
            mean_arrival_delay: ratio(total.arrival_delay, total.timed),
            share_on_time: ratio(total.on_time as i64, total.timed),
        })
        .collect();
    let delay = |route: &Route| route.mean_arrival_delay.unwrap_or(f64::NEG_INFINITY);
    routes.sort_by(|a, b| delay(b).total_cmp(&delay(a)));
    routes.truncate(arguments.limit);
    let answer = Answer { from: arguments.from, to: arguments.to, routes };
    serde_json::to_string(&answer).map_err(|cause| QueryError::Failed(cause.to_string()))
}
