//! `kinora log`: looks after the log of a data folder, with no host running.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::log::{Limits, Log};
use crate::storage::Storage;

use super::output::{Output, clean, note};

/// Look after the log of a data folder; the host must be stopped
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check every record, and every index against the records
    Verify(Data),
    /// Show what the log holds: events, streams and types
    Stats(Data),
}

#[derive(Args)]
struct Data {
    /// The data folder of a host
    #[arg(long)]
    data: PathBuf,
}

/// The log is not as it should be.
#[derive(Debug, thiserror::Error)]
#[error("the log has {0} faults; keep the folder as it is, and restore the log from a backup")]
struct Unsound(u64);

pub fn run(output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Verify(Data { data }) => verify(output, &open(&data)?),
        Command::Stats(Data { data }) => stats(output, &open(&data)?),
    }
}

fn open(data: &Path) -> anyhow::Result<Log> {
    let dir = data.join("log");
    anyhow::ensure!(dir.is_dir(), "{} is not the data folder of a host: it has no log", data.display());
    Ok(Log::open(&Storage::default(), &dir, Limits::default())?)
}

fn verify(output: &mut Output, log: &Log) -> anyhow::Result<()> {
    let (started, total) = (Instant::now(), log.progress().0);
    let report = log.verify(|done| {
        if done > 0 && done % 1_000_000 == 0 {
            note(format_args!("{done} of {total} events"));
        }
    })?;
    for fault in &report.named {
        if output.is_json() {
            output.line(json!({"family": fault.family, "fault": fault.what}))?;
        } else {
            output.line(format_args!("{}: {}", fault.family, clean(&fault.what)))?;
        }
    }
    let (events, streams, claims) = (report.events, report.streams, report.claims);
    if output.is_json() {
        let summary = json!({"events": events, "streams": streams, "claims": claims, "faults": report.faults});
        output.line(summary)?;
    } else {
        let (faults, took) = (report.faults, started.elapsed().as_secs_f64());
        output.line(format_args!(
            "{events} events in {streams} streams, {claims} claims: {faults} faults, {took:.1} s"
        ))?;
    }
    output.flush()?;
    if report.faults > 0 { Err(Unsound(report.faults).into()) } else { Ok(()) }
}

fn stats(output: &mut Output, log: &Log) -> anyhow::Result<()> {
    let stats = log.stats()?;
    if output.is_json() {
        let kinds = stats.types.iter().map(|kind| {
            json!({"type": kind.kind, "schema": kind.schema, "events": kind.count, "first_position": kind.first.0})
        });
        let kinds: Vec<_> = kinds.collect();
        return output.line(json!({
            "events": stats.events, "streams_estimated": stats.streams, "bytes_on_disk": stats.bytes, "types": kinds,
        }));
    }
    output.line(format_args!(
        "{} events, about {} streams, {} bytes on disk",
        stats.events, stats.streams, stats.bytes
    ))?;
    for kind in &stats.types {
        output.line(format_args!("{:>12}  {} schema {}", kind.count, kind.kind, kind.schema))?;
    }
    Ok(())
}
