//! Exported logs: what `kinora log export` writes, applied natively.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::Fault;
use crate::native::Input;
use crate::projector::Projector;
use crate::testing::Scenario;

/// An event as it was exported, as far as a projector can see it.
#[derive(Deserialize)]
struct Line<'a> {
    position: u64,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    revision: u64,
    time: Timestamp,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    schema: u32,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(default)]
    tags: Vec<String>,
}

impl<P: Projector> Scenario<P> {
    /// Applies the events of an exported log, each at its position, with its stream, time, tags and metadata; gives
    /// how many there were. What is given after that follows them.
    ///
    /// ```
    /// # use kinora_sdk::{Event, Fault, Manifest, Projector, Rows, Table, testing::Scenario};
    /// # const COUNTS: Table<u64> = Table::new("counts");
    /// # #[derive(Default)]
    /// # struct Counts;
    /// # impl Projector for Counts {
    /// #     fn describe() -> Manifest {
    /// #         Manifest::new("counts").handles("Count", 1).table(COUNTS, "stream")
    /// #     }
    /// #     fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
    /// #         *rows.entry(COUNTS, event.stream())? += 1;
    /// #         Ok(())
    /// #     }
    /// # }
    /// // kinora log export --file log.ndjson
    /// let exported = r#"{"position":0,"stream":"a","revision":0,"time":"2026-01-01T12:00:00Z","type":"Count",
    ///     "schema":1,"data":{}}"#.replace('\n', " ");
    /// let mut scenario = Scenario::<Counts>::new();
    /// assert_eq!(scenario.replay(exported.as_bytes())?, 1);
    /// assert_eq!(scenario.row("counts", "a").as_deref(), Some("1"));
    /// # Ok::<(), Fault>(())
    /// ```
    ///
    /// # Errors
    /// As [`Scenario::given_event`], with the position of the event; also where the log cannot be read, or has a line
    /// that is no event.
    pub fn replay(&mut self, log: impl BufRead) -> Result<u64, Fault> {
        let mut events = 0;
        for line in log.lines() {
            let line = line.map_err(|cause| Fault::new(format!("the log cannot be read: {cause}")))?;
            events += 1;
            self.line(&line, events)?;
        }
        Ok(events)
    }

    /// The same for a file.
    ///
    /// # Errors
    /// As [`Scenario::replay`].
    pub fn replay_file(&mut self, path: impl AsRef<Path>) -> Result<u64, Fault> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|cause| Fault::new(format!("{} cannot be read: {cause}", path.display())));
        self.replay(BufReader::new(file?))
    }

    fn line(&mut self, text: &str, number: u64) -> Result<(), Fault> {
        let line: Line<'_> = serde_json::from_str(text).map_err(|cause| {
            Fault::new(format!("line {number} is no event as `kinora log export` writes it: {cause}"))
        })?;
        let time = u64::try_from(line.time.as_microsecond())
            .map_err(|_| Fault::new(format!("line {number} has a time before 1970")))?;
        self.take(&Input {
            position: line.position,
            revision: line.revision,
            time,
            kind: &line.kind,
            schema: line.schema,
            stream: &line.stream,
            data: line.data.get(),
            metadata: line.metadata.map(RawValue::get),
            tags: &line.tags.join("\n"),
        })
    }
}
