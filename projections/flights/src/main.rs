//! `flights feed` appends the flights of 2013 to a host; `flights print` writes them as lines of JSON.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use flights::{Feed, Timeline};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Where there is no terminal to draw a bar on, progress is a line after so many events.
const EVENTS_PER_LINE: u64 = 100_000;

/// The flights of 2013 as a million events in the order in which they happened.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Append the events to a host. Doing it again changes nothing: the ids are the same.
    Feed {
        /// The host.
        #[arg(long, env = "KINORA_URL", default_value = "http://127.0.0.1:7070")]
        url: String,
        /// Only the first events.
        #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
        limit: usize,
        /// Events of a request.
        #[arg(long, default_value_t = 5_000)]
        batch: usize,
    },
    /// Write the events to the standard output, a line of JSON each, with their streams.
    Print {
        /// Only the first events.
        #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
        limit: usize,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Feed { url, limit, batch } => feed(Feed { url, limit, batch }),
        Command::Print { limit } => print(limit),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn feed(feed: Feed) -> anyhow::Result<()> {
    let timeline = Arc::new(Timeline::load()?);
    let total = timeline.len().min(feed.limit) as u64;
    let runtime = tokio::runtime::Runtime::new()?;
    let fed = if std::io::stderr().is_terminal() {
        let bar = ProgressBar::new(total);
        bar.set_style(ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} events, {per_sec}, {eta} left")?);
        let fed = runtime.block_on(feed.run(timeline, |done| bar.set_position(done)))?;
        bar.finish_and_clear();
        fed
    } else {
        let mut lines = 0;
        runtime.block_on(feed.run(timeline, |done| {
            if done / EVENTS_PER_LINE > lines {
                lines = done / EVENTS_PER_LINE;
                eprintln!("{done} of {total} events");
            }
        }))?
    };
    let seconds = fed.took.as_secs_f64();
    eprintln!(
        "{} events in {seconds:.1} s ({:.0} a second), of which the host had {} already",
        fed.events,
        fed.events as f64 / seconds,
        fed.duplicates
    );
    Ok(())
}

#[derive(Serialize)]
struct Line {
    stream: String,
    #[serde(flatten)]
    event: flights::Event,
}

fn print(limit: usize) -> anyhow::Result<()> {
    let timeline = Timeline::load()?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for event in timeline.events().take(limit) {
        let line = serde_json::to_string(&Line { stream: event.stream.clone(), event })?;
        match writeln!(out, "{line}") {
            Err(cause) if cause.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    match out.flush() {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => Err(cause.into()),
        _ => Ok(()),
    }
}
