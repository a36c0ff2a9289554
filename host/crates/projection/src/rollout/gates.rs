//! Checklists: the gates of a version looked at, each with whether it is open, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use kinora_readmodel::TableDiff;
use kinora_sandbox::ProjectorManifest;

use crate::ask::compare::Comparisons;
use crate::ask::query::Queries;
use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::record::gates::{Bounds, Check, Checklist, Gate, Gates};
use crate::record::state::State;
use crate::record::status::VersionStatus;
use crate::record::version::VersionRecord;
use crate::registry::Registry;

/// Stands for all tables that have no bounds of their own.
const EVERY_TABLE: &str = "*";

/// Looks at the gates of versions.
pub struct Checklists {
    pub(crate) statuses: Statuses,
    pub(crate) comparisons: Arc<Comparisons>,
    pub(crate) queries: Arc<Queries>,
}

impl Checklists {
    /// Looks at all gates of a version. What costs something (the difference, the check) is looked at once the version
    /// has come so far that it could go live.
    pub async fn of(&self, name: &str, number: u32) -> Result<Checklist, Error> {
        self.look(name, number, false).await
    }

    /// The same for whoever looks again and again: what costs something is looked at only if nothing else is closed.
    pub async fn of_open(&self, name: &str, number: u32) -> Result<Checklist, Error> {
        self.look(name, number, true).await
    }

    async fn look(&self, name: &str, number: u32, sparing: bool) -> Result<Checklist, Error> {
        let (status, record, live) = self.statuses.with_record(name, number)?;
        let mut gates = as_it_stands(&status, &record);
        // What somebody reviews, and what time may show, is to be seen before that.
        let stands = gates.iter().all(|gate| gate.passed);
        gates.extend(waited_for(&status, &record, live));
        let open = if sparing { gates.iter().all(|gate| gate.passed) } else { stands };
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
        let compared = match self.comparisons.compare(name, live, number).await {
            Ok(compared) => compared,
            Err(error) => return gate("difference", false, error.to_string()),
        };
        let bounds_of = |table: &TableDiff| bounds.get(&table.table).or_else(|| bounds.get(EVERY_TABLE)).copied();
        let tables = &compared.diff.tables;
        let beyond: Vec<_> =
            tables.iter().filter_map(|table| Some(broken(bounds_of(table)?, table))).flatten().collect();
        let unknown =
            bounds.keys().filter(|name| *name != EVERY_TABLE && !tables.iter().any(|table| table.table == **name));
        let unknown: Vec<_> = unknown.map(|name| format!("there is no table {name}")).collect();
        let reasons = [beyond, unknown].concat();
        match reasons.is_empty() {
            true => gate("difference", true, format!("within its bounds, compared with version {live}")),
            false => gate("difference", false, reasons.join("; ")),
        }
    }

    async fn check(&self, name: &str, number: u32, check: &Check) -> Gate {
        let asked = async {
            let answer = self.queries.answer(name, Some(number), None).await?;
            let budget = self.queries.budget();
            let _waiting = budget.cancelled_on_drop();
            let arguments = Value::Object(check.arguments.clone()).to_string();
            self.queries.named(&answer, &check.query, arguments, &budget).await
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

fn gate(gate: &'static str, passed: bool, reason: impl Into<String>) -> Gate {
    Gate { gate, passed, reason: reason.into() }
}

/// What of a table is beyond its bounds, in words.
fn broken(bounds: Bounds, table: &TableDiff) -> Vec<String> {
    let counts = [
        ("added", bounds.added, table.added),
        ("removed", bounds.removed, table.removed),
        ("changed", bounds.changed, table.changed),
    ];
    let broken = counts.into_iter().filter_map(|(what, bound, found)| {
        let bound = bound.filter(|bound| found > *bound)?;
        Some(format!("{found} rows {what} in {}, at most {bound} may be", table.table))
    });
    broken.collect()
}

/// Refuses gates that could never open: of a query or a table that is not there.
pub fn check(gates: &Gates, manifest: &ProjectorManifest, live_tables: &[String]) -> Result<(), Error> {
    if let Some(check) = &gates.check
        && !manifest.queries.iter().any(|query| query.name == check.query)
    {
        let (name, query) = (manifest.name.clone(), check.query.clone());
        let known = manifest.queries.iter().map(|query| query.name.clone()).collect();
        return Err(Error::UnknownQuery { name, query, known });
    }
    let known: BTreeSet<_> = manifest.tables.iter().map(|table| &table.name).chain(live_tables).collect();
    let unknown = gates.difference.keys().filter(|table| *table != EVERY_TABLE && !known.contains(table));
    let unknown: Vec<_> = unknown.cloned().collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Error::UnknownTables { unknown, known: known.into_iter().cloned().collect() })
}

/// The tables of the live version: a bound may be about one that the new version no longer has.
pub fn live_tables(registry: &Registry, name: &str) -> Vec<String> {
    let store = registry.version(name, None).ok().and_then(|live| live.store());
    store.map(|store| store.tables().iter().map(|table| table.name.clone()).collect()).unwrap_or_default()
}

/// The gates of how the version stands.
fn as_it_stands(status: &VersionStatus, record: &VersionRecord) -> Vec<Gate> {
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
    gates
}

/// The gates that open by themselves after a while, or when somebody opens them.
fn waited_for(status: &VersionStatus, record: &VersionRecord, live: Option<u32>) -> Vec<Gate> {
    let (asked, mut gates) = (&record.gates, Vec::new());
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
        assert_eq!(broken(bounds, &table), ["1 rows removed in t, at most 0 may be"]);
    }
}
