//! `kinora log import`: makes a log of exported events, or goes on with one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};

use crate::cli::log::line::Line;
use crate::cli::output::{Output, REQUIRED};
use crate::cli::progress::Bar;
use kinora_log::{AppendRequest, Log, Options};
use kinora_storage::Storage;
use kinora_types::{Micros, Position, Progress};

/// Events of one commit.
const COMMIT_EVENTS: usize = 5_000;

/// Bytes of data and metadata of one commit.
const COMMIT_BYTES: usize = 8 << 20;

/// Make the log of a data folder from exported events, each at its position and with its time
///
/// The host must be stopped. Events that are there already are passed over if they are the same, so an import that
/// was broken off is run again, and a log is brought up to date by a later export.
/// For example: kinora log import --data ./copy --file log.ndjson
#[derive(clap::Args)]
pub struct Arguments {
    /// The data folder; made if it is not there
    #[arg(long, value_name = "FOLDER", help_heading = REQUIRED)]
    data: PathBuf,
    /// The file to read; stdin if none is named
    #[arg(long)]
    file: Option<PathBuf>,
}

pub fn run(output: &mut Output, arguments: &Arguments) -> anyhow::Result<()> {
    let source: Box<dyn Read> = match &arguments.file {
        Some(path) => Box::new(File::open(path).with_context(|| format!("{} cannot be read", path.display()))?),
        None => Box::new(std::io::stdin()),
    };
    let bytes = arguments.file.as_ref().and_then(|path| std::fs::metadata(path).ok()).map_or(0, |file| file.len());
    let dir = arguments.data.join("log");
    ensure!(
        dir.is_dir() || std::fs::read_dir(&arguments.data).map_or(true, |mut entries| entries.next().is_none()),
        "{} is not empty and not a data folder of Kinora: name another one",
        arguments.data.display()
    );
    std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let log = Log::open(&Storage::default(), &dir, Options::default())?;
    let mut import =
        Import { there: log.progress(), log, waiting: Vec::new(), waiting_bytes: 0, imported: 0, passed: 0 };
    let progress = Bar::bytes(bytes);
    let mut read = 0;
    for (number, line) in BufReader::with_capacity(1 << 20, source).lines().enumerate() {
        let line = line.context("the events cannot be read")?;
        import.line(&line).with_context(|| format!("line {}", number + 1))?;
        read += line.len() as u64 + 1;
        progress.at(read);
    }
    import.commit()?;
    progress.end();
    let (imported, passed, events) = (import.imported, import.passed, import.log.progress().0);
    if output.is_json() {
        return output.line(serde_json::json!({"imported": imported, "there_already": passed, "events": events}));
    }
    output.line(format_args!("{imported} events imported, {passed} were there already; the log has {events}"))
}

struct Import {
    log: Log,
    /// How far the log went before.
    there: Progress,
    waiting: Vec<(AppendRequest, Micros)>,
    waiting_bytes: usize,
    imported: u64,
    passed: u64,
}

impl Import {
    fn line(&mut self, text: &str) -> anyhow::Result<()> {
        ensure!(!text.contains('\r'), "it has a carriage return within");
        let line: Line = serde_json::from_str(text).context("it is not an event as `kinora log export` writes it")?;
        let position = Position(line.position);
        if self.there.includes(position) {
            let (request, time) = line.into_request()?;
            if let Some(what) = self.log.differs_from_import(position, &request, time)? {
                bail!(
                    "the log has another event at position {position}, {what} differs: these are not the same log; \
                     nothing was changed there"
                );
            }
            self.passed += 1;
            return Ok(());
        }
        let next = Position(self.log.progress().0 + self.waiting.len() as u64);
        if !line.is_at(next) {
            bail!("the event at position {next} should follow, but this is the one at {position}");
        }
        let (request, time) = line.into_request()?;
        self.waiting_bytes += request.bytes();
        self.waiting.push((request, time));
        if self.waiting.len() >= COMMIT_EVENTS || self.waiting_bytes >= COMMIT_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        if !self.waiting.is_empty() {
            self.imported += self.waiting.len() as u64;
            self.log.import(std::mem::take(&mut self.waiting))?;
            self.waiting_bytes = 0;
        }
        Ok(())
    }
}
