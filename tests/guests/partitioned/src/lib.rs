//! Declares that each row depends on the events of one tag `key:...` only. `Noted` events keep to that; a `Total` event
//! does not, and writes a row that all partitions share.

use kinora_sdk::{Event, Fault, JsonSchema, Manifest, Projector, Rows, Table, export_projector, schemars};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Notes {
    count: u64,
    /// Depends on the order of the events.
    mixed: u32,
    /// The position of the last one.
    last: u64,
}

const NOTES: Table<Notes> = Table::new("notes");

#[derive(Deserialize)]
struct Noted {
    n: u32,
}

#[derive(Default)]
pub struct Partitioned;

impl Projector for Partitioned {
    fn describe() -> Manifest {
        Manifest::new("partitioned")
            .handles("Noted", 1)
            .handles("Total", 1)
            .handles("Failing", 1)
            .ignores("*")
            .table(NOTES, "tag")
            .index(NOTES, "by_count", &["count"])
            .partitioned_by_tag("key:")
    }

    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
        let noted: Noted = event.data()?;
        let key = match event.kind() {
            "Noted" => event.tags().find(|tag| tag.starts_with("key:")).unwrap_or("none"),
            "Total" => "total",
            _ => return Err(event.fault("as told")),
        };
        let notes = rows.entry(NOTES, key)?;
        notes.count += 1;
        notes.mixed = notes.mixed.wrapping_mul(31).wrapping_add(noted.n);
        notes.last = event.position();
        Ok(())
    }
}

export_projector!(Partitioned);
