//! The use that a process has made of the machine, as Linux tells it.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

/// Ticks of `/proc/PID/stat` in a second.
const TICKS: f64 = 100.0;

/// What a replay took.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub events: f64,
    pub seconds: f64,
    /// Seconds of all cores together.
    pub cpu: f64,
    pub peak_mib: f64,
    pub written_mib: f64,
}

impl Used {
    pub fn to_json(self) -> Value {
        json!([self.events, self.seconds, self.cpu, self.peak_mib, self.written_mib])
    }

    pub fn from_json(text: &str) -> Self {
        let [events, seconds, cpu, peak_mib, written_mib] = serde_json::from_str(text).expect("a child's answer");
        Self { events, seconds, cpu, peak_mib, written_mib }
    }
}

/// Watches a process from now on.
pub struct Watch {
    folder: PathBuf,
    started: Instant,
    cpu: f64,
    written: f64,
}

impl Watch {
    pub fn of(process: &str) -> Self {
        let folder = PathBuf::from("/proc").join(process);
        let mut watch = Self { folder, started: Instant::now(), cpu: 0.0, written: 0.0 };
        (watch.cpu, watch.written) = (watch.cpu_seconds(), watch.written_bytes());
        watch
    }

    /// What it has used since. Whoever knows better how long the replay itself took says so.
    pub fn used(&self, events: u64, seconds: Option<f64>) -> Used {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        Used {
            events: events as f64,
            seconds: seconds.unwrap_or_else(|| self.started.elapsed().as_secs_f64()),
            cpu: self.cpu_seconds() - self.cpu,
            peak_mib: self.number("status", "VmHWM:") / 1024.0,
            written_mib: mib(self.written_bytes() - self.written),
        }
    }

    /// Seconds of processor time that all its threads have had.
    fn cpu_seconds(&self) -> f64 {
        let stat = self.read("stat");
        // The name of the program may have spaces; what follows it has not.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields.iter().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    fn written_bytes(&self) -> f64 {
        self.number("io", "write_bytes:")
    }

    fn number(&self, file: &str, name: &str) -> f64 {
        let text = self.read(file);
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }
}
