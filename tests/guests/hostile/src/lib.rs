//! A projector that misbehaves on demand: the type of each event says how. `Count` behaves well.

use std::hint::black_box;

use kinora_sdk::{Event, Fault, JsonSchema, Manifest, Projector, QueryError, Rows, Table, export_projector, schemars};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Counter {
    n: u64,
    filler: String,
}

const COUNTS: Table<Counter> = Table::new("counts");

#[derive(Deserialize)]
struct Counted {
    n: u64,
}

/// What it should not keep: neither of the two is in a row when the host commits.
#[derive(Default)]
pub struct Hostile {
    seen: u64,
    held_back: Option<u64>,
}

fn recurse(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX { 0 } else { recurse(depth + 1) + black_box(depth) }
}

impl Projector for Hostile {
    fn describe() -> Manifest {
        ["Count", "Panic", "Loop", "Grow", "Recurse", "Large", "Fault", "Forgotten", "Remember", "HoldBack", "Overdraw"]
            .into_iter()
            .fold(Manifest::new("hostile"), |manifest, kind| manifest.handles(kind, 1))
            .table(COUNTS, "stream")
            .index(COUNTS, "by_n", &["n"])
            .query("total", "the counter of a stream, whose name is the argument")
            .query("loop", "never answers")
    }

    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
        self.seen += 1;
        match event.kind() {
            "Remember" => rows.entry(COUNTS, event.stream())?.n = self.seen,
            "HoldBack" => {
                let counted: Counted = event.data()?;
                if let Some(n) = self.held_back.replace(counted.n) {
                    rows.entry(COUNTS, event.stream())?.n += n;
                }
            }
            "Count" => {
                let counted: Counted = event.data()?;
                rows.entry(COUNTS, event.stream())?.n += counted.n;
            }
            "Overdraw" => {
                let n = rows.get(COUNTS, event.stream())?.map_or(0, |row| row.n);
                return Err(event.fault(format!("{n} is not enough")));
            }
            "Panic" => panic!("as told"),
            "Loop" => while black_box(true) {},
            "Grow" => {
                let mut held = Vec::new();
                while black_box(true) {
                    held.push(vec![1_u8; 1 << 20]);
                }
            }
            "Recurse" => drop(black_box(recurse(0))),
            "Large" => rows.entry(COUNTS, "large")?.filler = "x".repeat(2 << 20),
            "Fault" => return Err(event.fault("this event cannot be")),
            _ => return Err(event.unhandled()),
        }
        Ok(())
    }

    fn query(&mut self, name: &str, arguments: &str, rows: &mut Rows) -> Result<String, QueryError> {
        match name {
            "total" => Ok(rows.get(COUNTS, arguments)?.map_or("null".into(), |row| row.n.to_string())),
            "loop" => loop {
                black_box(name);
            },
            _ => Err(QueryError::InvalidArguments("no such query".into())),
        }
    }
}

export_projector!(Hostile);
