//! The report: one table of all attacks, and what is not as it has to be.

use comfy_table::{CellAlignment, Table, presets};

use crate::bystander::{ASKED, Seen};

/// What others may notice: this many times as long as without the attack.
const MOST: f64 = 2.0;

/// One attack, over all rounds: what was seen without it and during it, by rounds.
#[derive(Default)]
pub struct Attacked {
    pub name: String,
    pub did: String,
    pub idle: Vec<Seen>,
    pub under: Vec<Seen>,
    pub bare_idle: Vec<Seen>,
    pub bare_under: Vec<Seen>,
    pub peak_mebibytes: f64,
    /// Milliseconds until everybody was served when it had ended; `None`: it took too long.
    pub served_after: Vec<Option<f64>>,
    pub died: bool,
}

impl Attacked {
    /// Why this may not be.
    pub fn failures(&self, bound_mebibytes: f64) -> Vec<String> {
        let mut found = Vec::new();
        let mut fail = |why: String| found.push(format!("{}: {why}", self.name));
        if self.died {
            fail("the host died".to_owned());
        }
        if self.peak_mebibytes > bound_mebibytes {
            fail(format!("{:.0} MiB are more than {bound_mebibytes:.0}", self.peak_mebibytes));
        }
        if self.served_after.iter().any(Option::is_none) {
            fail("not everybody was served a second after it had ended".to_owned());
        }
        found
    }

    /// What others noticed more of than they should.
    pub fn noticed(&self) -> Vec<String> {
        let times = (0..ASKED.len()).filter_map(|at| {
            let ratio = ratio(&self.idle, &self.under, at);
            let bare = ratio_text(&self.bare_idle, &self.bare_under, at);
            (ratio > MOST).then(|| format!("{}: {} took {ratio:.1} times as long (bare: {bare})", self.name, ASKED[at]))
        });
        let refused = (0..ASKED.len()).filter_map(|at| {
            let refused: u64 = self.under.iter().map(|seen| seen.refused[at]).sum();
            let asked: usize = self.under.iter().map(|seen| seen.times[at].len()).sum();
            (refused > 0).then(|| format!("{}: {refused} of {asked} were refused: {}", self.name, ASKED[at]))
        });
        times.chain(refused).collect()
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |at: usize| {
            let (idle, under) = (&self.idle, &self.under);
            let mut row = vec![String::new(), ASKED[at].to_owned()];
            row.extend([(idle, 50), (under, 50), (idle, 99), (under, 99)].map(|(seen, percent)| {
                percentile(seen, at, percent).map_or_else(String::new, |time| format!("{:.2}", time * 1e3))
            }));
            row.push(ratio_text(idle, under, at));
            row.push(ratio_text(&self.bare_idle, &self.bare_under, at));
            row.push(under.iter().map(|seen| seen.refused[at]).sum::<u64>().to_string());
            row
        };
        let mut rows: Vec<_> = (0..ASKED.len()).map(row).collect();
        rows[0][0].clone_from(&self.name);
        let slowest = self.served_after.iter().map(|after| after.unwrap_or(f64::INFINITY)).fold(0.0, f64::max);
        rows[0].extend([format!("{:.0}", self.peak_mebibytes), format!("{slowest:.0}")]);
        rows
    }
}

/// Prints the table and, below it, what each attack did.
pub fn print(attacks: &[Attacked]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "attack",
        "of others",
        "p50 idle",
        "p50",
        "p99 idle",
        "p99 ms",
        "ratio",
        "bare",
        "refused",
        "peak MiB",
        "served after ms",
    ]);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.add_rows(attacks.iter().flat_map(Attacked::rows));
    table.lines().for_each(|line| println!("{}", line.trim_end()));
    println!();
    attacks.iter().for_each(|attack| println!("{}: {}", attack.name, attack.did));
}

/// The median over the rounds of a percentile, in seconds.
fn percentile(rounds: &[Seen], at: usize, percent: usize) -> Option<f64> {
    let of_round = |seen: &Seen| {
        let mut times = seen.times[at].clone();
        times.sort_by(f64::total_cmp);
        times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied()
    };
    let mut found: Vec<_> = rounds.iter().filter_map(of_round).collect();
    found.sort_by(f64::total_cmp);
    found.get(found.len() / 2).copied()
}

fn ratio(idle: &[Seen], under: &[Seen], at: usize) -> f64 {
    match (percentile(idle, at, 99), percentile(under, at, 99)) {
        (Some(idle), Some(under)) => under / idle,
        _ => 0.0,
    }
}

fn ratio_text(idle: &[Seen], under: &[Seen], at: usize) -> String {
    if idle.is_empty() || under.is_empty() {
        return "-".to_owned();
    }
    format!("{:.1}", ratio(idle, under, at))
}
