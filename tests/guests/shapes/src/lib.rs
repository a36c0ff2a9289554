//! A projector whose rows have fields of all kinds: declared ones, one that readers are not shown, and a table that
//! declares nothing.

use std::collections::BTreeMap;

use kinora_sdk::{
    Distinct, Event, Fault, JsonSchema, Manifest, Projector, Quantiles, QueryError, Rows, Table, export_projector,
    schemars,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Thing {
    n: u64,
    code: String,
    /// A number for some, a text for others.
    size: Option<Size>,
    open: bool,
    resources: Vec<String>,
    stops: Vec<Stop>,
    by_day: BTreeMap<String, u64>,
    delays: Quantiles,
    visitors: Distinct,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Size {
    Number(f64),
    Text(String),
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Stop {
    airport: String,
    delay: Option<i64>,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    #[default]
    Plain,
    Painted {
        colour: String,
    },
}

const THINGS: Table<Thing> = Table::new("things");
const LOOSE: Table<Value> = Table::new("loose");

/// What an event may say of a thing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Seen {
    n: u64,
    code: String,
    size: Option<Size>,
    open: bool,
    resources: Vec<String>,
    stops: Vec<Stop>,
    delays: Vec<f64>,
    visitors: Vec<String>,
    day: Option<String>,
    colour: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct OfCode {
    code: String,
}

#[derive(Serialize, JsonSchema)]
struct Found {
    things: u64,
}

#[derive(Default)]
pub struct Shapes;

impl Projector for Shapes {
    fn describe() -> Manifest {
        Manifest::new("shapes")
            .handles("Seen", 1)
            .handles("Loose", 1)
            .ignores("*")
            .table(THINGS, "thing")
            .index(THINGS, "by_resource", &["resources[]", "-n"])
            .index(THINGS, "by_p90", &["-delays.p90"])
            .history(THINGS, 1_000)
            .table(LOOSE, "thing")
            .query_of::<OfCode, Found>("of-code", "How many things have a code.")
    }

    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
        if event.kind() == "Loose" {
            return rows.put(LOOSE, event.stream(), event.data()?);
        }
        let seen: Seen = event.data()?;
        let thing = rows.entry(THINGS, event.stream())?;
        (thing.n, thing.code, thing.size, thing.open) = (seen.n, seen.code, seen.size, seen.open);
        (thing.resources, thing.stops) = (seen.resources, seen.stops);
        seen.delays.into_iter().for_each(|delay| thing.delays.add(delay));
        seen.visitors.iter().for_each(|visitor| thing.visitors.add(visitor));
        if let Some(day) = seen.day {
            *thing.by_day.entry(day).or_default() += 1;
        }
        if let Some(colour) = seen.colour {
            thing.kind = Kind::Painted { colour };
        }
        Ok(())
    }

    fn query(&mut self, _: &str, arguments: &str, rows: &mut Rows) -> Result<String, QueryError> {
        let OfCode { code } =
            serde_json::from_str(arguments).map_err(|cause| QueryError::InvalidArguments(cause.to_string()))?;
        let mut found = Found { things: 0 };
        rows.scan(THINGS, kinora_sdk::Scan::all(), |_, thing| {
            found.things += u64::from(thing.code == code);
            true
        })?;
        serde_json::to_string(&found).map_err(|cause| QueryError::Failed(cause.to_string()))
    }
}

export_projector!(Shapes);
