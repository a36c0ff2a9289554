//! Counts as the hostile projector does, into a table of the same name, but not quite the same: it also counts the
//! events, keeps a row for all streams together, and leaves out the streams that begin with `secret`.

use kinora_sdk::{Event, Fault, JsonSchema, Manifest, Projector, QueryError, Rows, Table, export_projector, schemars};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Tally {
    n: u64,
    events: u64,
}

const COUNTS: Table<Tally> = Table::new("counts");

/// The row for all streams together.
const ALL: &str = "~all";

#[derive(Deserialize)]
struct Counted {
    n: u64,
}

#[derive(Deserialize)]
struct AtLeast {
    at_least: u64,
}

#[derive(Default)]
pub struct Counts;

impl Projector for Counts {
    fn describe() -> Manifest {
        Manifest::new("tally")
            .handles("Count", 1)
            .ignores("Aside")
            .table(COUNTS, "stream")
            .query("enough", "whether all counts together come to `at_least`")
    }

    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
        let counted: Counted = event.data()?;
        if event.stream().starts_with("secret") {
            return Ok(());
        }
        for key in [event.stream(), ALL] {
            let tally = rows.entry(COUNTS, key)?;
            tally.n += counted.n;
            tally.events += 1;
        }
        Ok(())
    }

    fn query(&mut self, _: &str, arguments: &str, rows: &mut Rows) -> Result<String, QueryError> {
        let AtLeast { at_least } =
            serde_json::from_str(arguments).map_err(|cause| QueryError::InvalidArguments(cause.to_string()))?;
        let all = rows.get(COUNTS, ALL)?.map_or(0, |row| row.n);
        Ok((all >= at_least).to_string())
    }
}

export_projector!(Counts);
