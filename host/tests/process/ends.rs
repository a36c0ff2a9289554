//! Ends of the program that nobody asked for: it is killed, or its disk fails.

mod crash;
mod decisions;
#[cfg(target_os = "linux")]
mod disk_faults;
#[cfg(target_os = "linux")]
mod disk_full;
mod everything;
mod quarantine;
mod replays;
mod switching;
