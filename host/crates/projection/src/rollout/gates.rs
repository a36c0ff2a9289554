//! Gates: what has to hold before a version goes live, as a checklist with reasons.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use kinora_readmodel::TableDiff;

use crate::error::Error;
use crate::projections::Projections;
use crate::record::status::{State, VersionStatus};
use crate::registry::catalog::VersionRecord;

/// Events that a version may be behind, unless the rollout says otherwise: what comes in during the pause between two
/// commits of a busy log. Whoever has read newer rows waits for them (see the session token).
const MAX_LAG: u64 = 10_000;

/// Stands for all tables that have no bounds of their own.
const EVERY_TABLE: &str = "*";

/// The gates of a rollout. That the version is ready and has no fault is always asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// Events that it may be behind.
    pub max_lag: u64,
    /// Whether somebody has to have looked at what differs from the live version.
    pub reviewed: bool,
    /// How much may differ from the live version, by table; `*` stands for the others.
    pub difference: BTreeMap<String, Bounds>,
    /// How long it has to have been ready.
    pub ready_for_seconds: u64,
    /// A named query that has to answer `true`.
    pub check: Option<Check>,
}

impl Default for Gates {
    fn default() -> Self {
        Self { max_lag: MAX_LAG, reviewed: false, difference: BTreeMap::new(), ready_for_seconds: 0, check: None }
    }
}

/// Rows that may differ at most. What is not named may differ as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    pub added: Option<u64>,
    pub removed: Option<u64>,
    pub changed: Option<u64>,
}

impl Bounds {
    /// What is beyond them, in words.
    fn broken_by(self, table: &TableDiff) -> Vec<String> {
        let counts = [
            ("added", self.added, table.added),
            ("removed", self.removed, table.removed),
            ("changed", self.changed, table.changed),
        ];
        let broken = counts.into_iter().filter_map(|(what, bound, found)| {
            let bound = bound.filter(|bound| found > *bound)?;
            Some(format!("{found} rows {what} in {}, at most {bound} may be", table.table))
        });
        broken.collect()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub query: String,
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// A gate, whether it is open, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gate {
    pub gate: &'static str,
    pub passed: bool,
    pub reason: String,
}

/// All gates of a version, as they are now.
#[derive(Clone, Debug, Serialize)]
pub struct Checklist {
    pub projection: String,
    pub version: u32,
    /// The version that was live when the gates were looked at: a promotion takes the place of this one only.
    pub live: Option<u32>,
    pub passed: bool,
    pub gates: Vec<Gate>,
}

fn gate(gate: &'static str, passed: bool, reason: impl Into<String>) -> Gate {
    Gate { gate, passed, reason: reason.into() }
}

impl Projections {
    /// Looks at all gates of a version. What costs something (the difference, the check) is looked at once the rest is
    /// passed.
    pub async fn checklist(&self, name: &str, number: u32) -> Result<Checklist, Error> {
        let status = self.version_status(name, number)?;
        let live = self.status(name)?.live;
        let record = self.version_record(name, number)?;
        let mut gates = at_once(&status, &record, live);
        let open = gates.iter().all(|gate| gate.passed);
        if !record.gates.difference.is_empty() {
            gates.push(match live {
                _ if !open => gate("difference", false, "looked at once the gates above are passed"),
                None => gate("difference", true, "nothing is live to be compared with"),
                Some(live) if live == number => gate("difference", true, "it is live"),
                Some(live) => self.difference(name, live, number, &record.gates.difference).await,
            });
        }
        if let Some(check) = &record.gates.check {
            gates.push(match open {
                false => gate("check", false, "asked once the gates above are passed"),
                true => self.check(name, number, check).await,
            });
        }
        let passed = gates.iter().all(|gate| gate.passed);
        Ok(Checklist { projection: name.to_owned(), version: number, live, passed, gates })
    }

    async fn difference(&self, name: &str, live: u32, number: u32, bounds: &BTreeMap<String, Bounds>) -> Gate {
        let compared = match self.compare(name, live, number, 0).await {
            Ok(compared) => compared,
            Err(error) => return gate("difference", false, error.to_string()),
        };
        let bounds_of = |table: &TableDiff| bounds.get(&table.table).or_else(|| bounds.get(EVERY_TABLE)).copied();
        let tables = &compared.diff.tables;
        let broken: Vec<_> =
            tables.iter().filter_map(|table| Some(bounds_of(table)?.broken_by(table))).flatten().collect();
        let unknown =
            bounds.keys().filter(|name| *name != EVERY_TABLE && !tables.iter().any(|table| table.table == **name));
        let unknown: Vec<_> = unknown.map(|name| format!("there is no table {name}")).collect();
        let reasons = [broken, unknown].concat();
        match reasons.is_empty() {
            true => gate("difference", true, format!("within its bounds, compared with version {live}")),
            false => gate("difference", false, reasons.join("; ")),
        }
    }

    async fn check(&self, name: &str, number: u32, check: &Check) -> Gate {
        let asked = async {
            let answer = self.answer(name, Some(number), None).await?;
            self.named(&answer, &check.query, Value::Object(check.arguments.clone()).to_string()).await
        };
        match asked.await {
            Ok(answer) if answer.trim() == "true" => gate("check", true, format!("{} answered true", check.query)),
            Ok(answer) => {
                let answer: String = answer.chars().take(200).collect();
                gate("check", false, format!("{} answered {answer}, not true", check.query))
            }
            Err(error) => gate("check", false, error.to_string()),
        }
    }
}

/// The gates that cost nothing to look at.
fn at_once(status: &VersionStatus, record: &VersionRecord, live: Option<u32>) -> Vec<Gate> {
    let asked = &record.gates;
    let state = status.state;
    let progress = match (state, status.eta_seconds) {
        (State::Replaying | State::CatchingUp, Some(seconds)) => format!(", about {seconds:.0} seconds to go"),
        _ => String::new(),
    };
    let mut gates =
        vec![gate("ready", state.can_be_live(), format!("it is {}{progress}", state.as_str().replace('_', " ")))];
    gates.push(match &status.fault {
        None => gate("no_fault", true, "it has none"),
        Some(fault) => gate("no_fault", false, fault.message.clone()),
    });
    gates.push(match &status.determinism {
        Some(proof) => gate(
            "deterministic",
            true,
            format!("{} events of a sample gave the same rows in {} ways", proof.events, proof.ways),
        ),
        // It had been ready before there was a check.
        None if record.replayed_in_ms.is_some() => {
            gate("deterministic", true, "never checked; `kinora verify` does it")
        }
        None => gate("deterministic", false, "not checked yet"),
    });
    let lag = status.lag;
    gates.push(gate(
        "caught_up",
        lag <= asked.max_lag,
        format!("{lag} events behind, at most {} may be", asked.max_lag),
    ));
    if asked.ready_for_seconds > 0 {
        let ready_for = record.ready_at.map(|at| Timestamp::now().duration_since(at).unsigned_abs());
        let wanted = Duration::from_secs(asked.ready_for_seconds);
        let passed = ready_for.is_some_and(|time| time >= wanted);
        let so_far = ready_for.map_or(0, |time| time.as_secs());
        gates.push(gate("ready_for", passed, format!("ready for {so_far} seconds, of {}", asked.ready_for_seconds)));
    }
    if asked.reviewed {
        let against = record.reviewed.as_ref().map(|review| review.against);
        gates.push(match (against, live) {
            (_, None) => gate("reviewed", true, "nothing is live to be compared with"),
            (_, Some(live)) if live == status.version => gate("reviewed", true, "it is live"),
            (Some(against), Some(live)) if against == live => {
                let who = record.reviewed.as_ref().and_then(|review| review.who.clone());
                gate("reviewed", true, format!("{} has reviewed it", who.as_deref().unwrap_or("somebody")))
            }
            (Some(against), Some(live)) => {
                gate("reviewed", false, format!("it was compared with version {against}, but {live} is live now"))
            }
            (None, Some(_)) => gate("reviewed", false, "nobody has said yet that what differs is right"),
        });
    }
    gates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_say_what_is_beyond_them_and_nothing_about_the_rest() {
        let table = TableDiff { table: "t".into(), added: 3, removed: 1, changed: 9, ..TableDiff::default() };
        let bounds = Bounds { added: Some(3), removed: Some(0), changed: None };
        assert_eq!(bounds.broken_by(&table), ["1 rows removed in t, at most 0 may be"]);
    }
}
