//! Distribution of delays, to the minute, with percentiles.

use std::collections::BTreeMap;

use kinora_sdk::{JsonSchema, schemars};
use serde::{Deserialize, Serialize, Serializer};

/// Counts by minutes of delay. Written with its percentiles, which are worked out only then.
#[derive(Default, Deserialize)]
pub struct Delays {
    minutes: BTreeMap<i64, u64>,
}

impl Delays {
    pub fn add(&mut self, delay: i64) {
        *self.minutes.entry(delay).or_default() += 1;
    }

    /// The smallest delay that at least `percent` of all are not above (nearest rank).
    fn percentile(&self, percent: u64) -> Option<i64> {
        let total: u64 = self.minutes.values().sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut below = 0;
        let reached = |(_, count): &(&i64, &u64)| {
            below += **count;
            below >= rank
        };
        self.minutes.iter().find(reached).map(|(delay, _)| *delay)
    }
}

/// What is written of delays.
#[derive(Serialize, JsonSchema)]
pub struct Written<'a> {
    p50: Option<i64>,
    p90: Option<i64>,
    p99: Option<i64>,
    minutes: &'a BTreeMap<i64, u64>,
}

impl Serialize for Delays {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| self.percentile(percent));
        Written { p50, p90, p99, minutes: &self.minutes }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let mut delays = Delays::default();
        assert_eq!(delays.percentile(50), None);
        for delay in 1..=10 {
            delays.add(delay - 5);
        }
        assert_eq!((delays.percentile(50), delays.percentile(90), delays.percentile(99)), (Some(0), Some(4), Some(5)));
    }
}
