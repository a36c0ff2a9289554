//! Times of syncs, counted by how long each took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The bounds of the classes, in microseconds: a disk with a cache that lasts takes tens of them, one that turns ten
/// thousand.
const BOUNDS: [u64; 16] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
];

/// One count for each class, and one for what is above all of them.
#[derive(Debug, Default)]
pub struct SyncTimes {
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// How many syncs took how long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// The upper bound of a class in seconds, and how many are in it.
    pub classes: Vec<(f64, u64)>,
    pub count: u64,
    pub seconds: f64,
}

impl SyncTimes {
    pub fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn read(&self) -> Histogram {
        let bounds = BOUNDS.into_iter().map(|bound| bound as f64 / 1e6).chain([f64::MAX]);
        let classes: Vec<_> =
            bounds.zip(&self.counts).map(|(bound, count)| (bound, count.load(Ordering::Relaxed))).collect();
        let count = classes.iter().map(|(_, count)| count).sum();
        Histogram { classes, count, seconds: self.micros.load(Ordering::Relaxed) as f64 / 1e6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sync_is_in_the_class_that_it_fits_into() {
        let times = SyncTimes::default();
        for micros in [25, 26, 100, 9_000_000] {
            times.add(Duration::from_micros(micros));
        }
        let read = times.read();
        let there: Vec<_> = read.classes.iter().filter(|class| class.1 > 0).copied().collect();
        assert_eq!(there, [(0.000_025, 1), (0.000_05, 1), (0.000_1, 1), (f64::MAX, 1)]);
        assert_eq!((read.count, read.seconds), (4, 9.000_151));
    }
}
