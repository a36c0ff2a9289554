//! Problems as the command line tells them: the host's sentence, tables of what stands in it, and a hint in commands.

mod hints;

use std::fmt::Write;

use kinora_client::Error;
use kinora_client::api::Problem;
use kinora_client::api::rollouts::{Gap, Gate};
use kinora_client::api::versions::Fault;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::fault::Described;
use crate::cli::output::table::Table;
use crate::cli::output::{clean, table, width};

/// Members of a problem that a fault in it says, too.
const SAID_BY_THE_FAULT: [&str; 3] = ["position", "state", "version"];

/// How far what belongs to a problem stands in.
const INDENT: &str = "  ";

/// An error as people read it. `projection` is the one that the command was about.
pub fn told(error: &anyhow::Error, projection: Option<&str>) -> String {
    match error.downcast_ref::<Error>() {
        Some(Error::Refused(problem) | Error::Failed(problem)) => tell(problem, projection),
        Some(Error::Name(name)) => format!("{name:?} cannot be a name: names are not empty, not `.` and not `..`"),
        Some(Error::Header(text)) => format!("{text:?} cannot be sent: --actor and --reason take one line of text"),
        _ => format!("{error:#}"),
    }
}

/// A problem as people read it.
pub fn tell(problem: &Problem, projection: Option<&str>) -> String {
    let mut text = clean(if problem.detail.is_empty() { &problem.title } else { &problem.detail });
    if !problem.slug().is_empty() {
        text.push_str(&format!("\n{INDENT}problem: {}", clean(problem.slug())));
    }
    let faulted = problem.more.contains_key("fault");
    let members = problem.more.iter().filter(|(name, _)| !faulted || !SAID_BY_THE_FAULT.contains(&name.as_str()));
    for (name, value) in members {
        member(&mut text, name, value);
    }
    if let Some(hint) = hints::of(problem, projection) {
        text.push_str(&format!("\n{INDENT}hint: {hint}"));
    }
    text
}

/// What depends on the kind of problem: a fault, a table, a list, or a value.
fn member(text: &mut String, name: &str, value: &Value) {
    match (name, value) {
        (_, Value::Null) => {}
        (_, Value::Array(items)) if items.is_empty() => {}
        ("fault", fault) => {
            if let Some(fault) = read::<Fault>(fault) {
                text.push_str(&format!("\n{}", Described(&fault)));
            }
        }
        ("gates", gates) => lines(text, &self::gates(&read::<Vec<Gate>>(gates).unwrap_or_default())),
        ("gaps", gaps) => lines(text, &self::gaps(&read::<Vec<Gap>>(gaps).unwrap_or_default())),
        (_, Value::Array(items)) if items.iter().all(Value::is_object) => lines(text, &objects(items)),
        (_, Value::Array(items)) => {
            let items: Vec<_> = items.iter().map(plain).collect();
            text.push_str(&format!("\n{INDENT}{}: {}", clean(name).replace('_', " "), items.join(", ")));
        }
        (_, value) => text.push_str(&format!("\n{INDENT}{}: {}", clean(name).replace('_', " "), plain(value))),
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

fn lines(text: &mut String, table: &Table) {
    for line in table.lines(width().saturating_sub(INDENT.len())).0 {
        // A String takes everything.
        let _ = write!(text, "\n{INDENT}{line}");
    }
}

/// What has to hold before a version goes live.
pub fn gates(gates: &[Gate]) -> Table {
    let mut found = table(&["gate", "", "reason"], &[]);
    for Gate { gate, passed, reason } in gates {
        found.add_row([clean(gate), if *passed { "passed" } else { "closed" }.to_owned(), clean(reason)]);
    }
    found
}

/// Events that nobody would handle.
fn gaps(gaps: &[Gap]) -> Table {
    let mut found = table(&["event", "schema", "events", "first at", "why"], &[1, 2, 3]);
    for Gap { kind, schema, count, first_position, why } in gaps {
        let numbers = [schema.to_string(), count.to_string(), first_position.to_string()];
        found.add_row(std::iter::once(clean(kind)).chain(numbers).chain([clean(why)]));
    }
    found
}

/// Objects under the names of their members.
fn objects(items: &[Value]) -> Table {
    let mut names: Vec<&str> = Vec::new();
    for name in items.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let header: Vec<String> = names.iter().map(|name| clean(name).replace('_', " ")).collect();
    let mut found = table(&header.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    for item in items {
        found.add_row(names.iter().map(|name| item.get(name).map_or_else(String::new, plain)));
    }
    found
}

/// A value without quotes and brackets around it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kinora_client::api::Kind;
    use serde_json::json;

    fn problem(kind: Kind, hint: &str, more: Value) -> Problem {
        let more = more.as_object().unwrap().clone();
        Problem { hint: Some(hint.into()), more, ..Problem::new(kind, "it was refused") }
    }

    #[test]
    fn gates_are_a_table_and_the_hint_is_a_command() {
        let gates = json!({"gates": [
            {"gate": "ready", "passed": true, "reason": "it is ready"},
            {"gate": "reviewed", "passed": false, "reason": "nobody has said yet that what differs is right"},
        ]});
        let told = tell(&problem(Kind::GatesClosed, r#"{"force": true} passes them over"#, gates), Some("ontime"));
        assert_eq!(
            told.lines().take(5).collect::<Vec<_>>(),
            [
                "it was refused",
                "  problem: gates-closed",
                "  gate              reason",
                "  ready     passed  it is ready",
                "  reviewed  closed  nobody has said yet that what differs is right",
            ]
        );
        assert!(told.contains("`kinora promote ontime --force`") && !told.contains('{'), "{told}");
    }

    #[test]
    fn members_are_sentences_and_tables_and_nothing_is_shown_that_is_empty() {
        let more = json!({"failures": [{"stream": "a", "current": 1}], "claims": [], "limit": 7, "tables": ["x", "y"],
            "matched_position": null, "helpful_index": ["a", "b"]});
        let told = tell(&problem(Kind::IdReused, "give each event an id of its own", more), None);
        assert_eq!(
            told.lines().skip(2).collect::<Vec<_>>(),
            [
                "  current  stream",
                "  1        a",
                "  helpful index: a, b",
                "  limit: 7",
                "  tables: x, y",
                "  hint: give each event an id of its own",
            ]
        );
    }
}
