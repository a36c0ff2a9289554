//! Tools of the benchmarks: figures by name, and rounds that are taken again when neighbours took too much of the
//! machine.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use comfy_table::{CellAlignment, Table, presets};

/// Rounds, unless ROUNDS says otherwise.
pub const ROUNDS: usize = 3;

/// Steal above which a round does not count, and how often one is taken again.
pub const MAX_STEAL: f64 = 0.10;
pub const RETRIES: usize = 3;

/// This program, started again with other arguments to be a server that says its address first.
pub struct Server {
    process: Child,
    address: String,
}

impl Server {
    pub fn start(arguments: &[&OsStr]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What was measured, in the order of the table: name, unit, values.
#[derive(Default)]
pub struct Figures(Vec<(String, &'static str, Vec<f64>)>);

impl Figures {
    pub fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        match self.0.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, _, values)) => values.push(value),
            None => self.0.push((name.to_owned(), unit, vec![value])),
        }
    }

    fn extend(&mut self, other: Self) {
        for (name, unit, values) in other.0 {
            values.into_iter().for_each(|value| self.add(&name, unit, value));
        }
    }

    pub fn last(&self, name: &str) -> f64 {
        *self.0.iter().find(|(known, ..)| *known == name).unwrap().2.last().unwrap()
    }

    pub fn ratio(&mut self, name: &str, of: &str, to: &str) {
        self.add(name, "ratio", self.last(of) / self.last(to));
    }

    pub fn print(&self) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["", "median", "from", "to", "unit"]);
        for column in table.column_iter_mut().skip(1).take(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for (name, unit, values) in &self.0 {
            let mut values = values.clone();
            values.sort_by(f64::total_cmp);
            let show = |value: f64| if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
            let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
            let (least, most) = (values[0], *values.last().unwrap());
            table.add_row([name.clone(), show(median), show(least), show(most), (*unit).to_owned()]);
        }
        table.lines().for_each(|line| println!("{}", line.trim_end()));
    }
}

/// Time of all cores that went to others, and all time, since the start of the machine. Only Linux tells.
pub fn stolen() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let times: Vec<f64> = line.split_whitespace().skip(1).filter_map(|time| time.parse().ok()).collect();
    (times.get(7).copied().unwrap_or_default(), times.iter().take(8).sum::<f64>().max(1.0))
}

/// Measures in rounds and prints the figures of those that count.
pub async fn rounds(mut measure: impl AsyncFnMut() -> Figures) {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let mut figures = Figures::default();
    let (mut round, mut retries) = (0, 0);
    while round < rounds {
        let before = stolen();
        let found = measure().await;
        let after = stolen();
        let steal = (after.0 - before.0) / (after.1 - before.1).max(1.0);
        eprintln!("round {}: {:.1} % of the machine's time went to others", round + 1, steal * 100.0);
        if steal > MAX_STEAL && retries < RETRIES {
            retries += 1;
            continue;
        }
        figures.extend(found);
        figures.add("steal", "%", steal * 100.0);
        round += 1;
    }
    println!("{rounds} rounds on {} cores\n", std::thread::available_parallelism().unwrap());
    figures.print();
}
