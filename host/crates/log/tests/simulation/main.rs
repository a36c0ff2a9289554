//! Simulations of a log and its journal, each of which follows from its seed: a disk that tears what it was not asked
//! to sync, refuses, dies in the middle of anything, or forgets and rots; and a log that is made, appended to and
//! opened again on it. After each opening the log is compared with one that has what it has to have.
//!
//! `SEEDS` says how many seeds are run, and `SEED` runs just that one and prints what happens.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod drive;
mod faults;
mod file;
mod history;
mod requests;
mod trace;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What has to have happened, or the simulation shows less than it seems to.
const HAPPENS: [&str; 29] = [
    "accepted",
    "appended beside",
    "closed",
    "died while growing",
    "died while syncing",
    "died while writing",
    "duplicate",
    "flushed for want of room",
    "forgotten",
    "full",
    "gone round",
    "grown",
    "kept what nobody was told of",
    "log-flush",
    "log-journal",
    "lost a journal that nobody needed",
    "lost what was not durable",
    "mended",
    "no descriptors",
    "not run beside",
    "opening failed",
    "power cut",
    "process died",
    "refused",
    "refused after a failure",
    "rejected",
    "rotten",
    "sync refused",
    "write refused",
];

/// Seeds that are run if nobody says how many.
const SEEDS: u64 = 60;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

/// Runs the seeds on all cores: how often each thing has happened.
fn run(seeds: u64) -> BTreeMap<&'static str, u64> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return counts;
            }
            let run = catch_unwind(AssertUnwindSafe(|| world::run(seed, false)));
            let Ok(trace) = run else {
                next.store(seeds, Ordering::Relaxed);
                panic!("seed {seed} fails. This runs it again, and says what happens: SEED={seed} make simulate");
            };
            for (what, count) in trace.counts() {
                *counts.entry(what).or_default() += count;
            }
        }
    };
    let threads = std::thread::available_parallelism().unwrap().get();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all: BTreeMap<&'static str, u64> = BTreeMap::new();
        for thread in threads {
            for (what, count) in thread.join().unwrap() {
                *all.entry(what).or_default() += count;
            }
        }
        all
    })
}

#[test]
fn whatever_a_disk_does_a_log_is_what_was_acknowledged_or_says_why_not() {
    if let Some(seed) = number("SEED") {
        world::run(seed, true);
        return;
    }
    let (seeds, begun) = (number("SEEDS").unwrap_or(SEEDS), Instant::now());
    let counts = run(seeds);
    println!("{seeds} seeds in {:.1?}", begun.elapsed());
    for (what, count) in &counts {
        println!("{count:>9} {what}");
    }
    if seeds >= SEEDS {
        let never: Vec<_> = HAPPENS.into_iter().filter(|what| !counts.contains_key(what)).collect();
        assert!(never.is_empty(), "these never happened: {never:?}");
    }
}

#[test]
fn the_same_seed_does_the_same() {
    let hashes = || (0..8).map(|seed| world::run(seed, false).hash()).collect::<Vec<_>>();
    assert_eq!(hashes(), hashes());
}
