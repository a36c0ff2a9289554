//! `kinora log`: looks after the log of a data folder, and carries logs from one place to another.

mod check;
mod export;
mod import;
mod line;
mod place;
mod repair;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use kinora_client::Client;
use kinora_log::Inspection;

use crate::cli::output::{Output, REQUIRED};

/// Look after a log: check it, count it, repair it, write it out, read it in
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check every record, and every index against the records; nothing is written, and a host may be at work
    ///
    /// For example: kinora log verify --data ./data
    Verify(Data),
    /// Show what the log holds: events, streams and types; nothing is written, and a host may be at work
    ///
    /// For example: kinora log stats --data ./data
    Stats(Data),
    /// Show how the log of a running host is: its id, its incarnations, and whether it takes appends
    ///
    /// For example: kinora log status
    Status,
    Repair(repair::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
}

#[derive(Args)]
struct Data {
    /// The data folder of a host
    #[arg(long, value_name = "FOLDER", help_heading = REQUIRED)]
    data: PathBuf,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Verify(Data { data }) => check::verify(output, &open(&data)?),
        Command::Stats(Data { data }) => check::stats(output, &open(&data)?),
        Command::Status => check::status(client, output).await,
        Command::Repair(arguments) => repair::run(output, &arguments),
        Command::Export(arguments) => export::run(client, output, arguments).await,
        Command::Import(arguments) => import::run(output, &arguments),
    }
}

/// A line of an exported log, from somewhere.
pub fn fuzz_line(bytes: &[u8]) {
    if let Ok(line) = serde_json::from_slice::<line::Line>(bytes) {
        let _ = line.into_request();
    }
}

fn open(data: &Path) -> anyhow::Result<Inspection> {
    Ok(Inspection::open(&place::of(data)?)?)
}
