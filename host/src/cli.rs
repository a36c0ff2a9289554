//! The commands that talk to a host. Data goes to stdout, everything else to stderr.

mod answers;
mod append;
mod backup;
mod client;
mod deploy;
mod diff;
mod log;
mod modules;
mod output;
mod progress;
mod query;
mod rollout;
mod status;
mod tail;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Url;

use answers::Fault;
use client::{Client, Error, base_url};
use output::{Closed, Format, Output};

/// Which host, and how to write.
#[derive(Args)]
pub struct Global {
    /// The host
    #[arg(long, global = true, env = "KINORA_URL", default_value = "http://127.0.0.1:7070", value_parser = base_url)]
    url: Url,
    /// How data is written: for people, or one JSON document a line
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Subcommand)]
pub enum Command {
    Deploy(deploy::Arguments),
    Status(status::Arguments),
    Diff(diff::Arguments),
    Promote(rollout::Promote),
    Rollback(rollout::Rollback),
    Pause(rollout::OfVersion),
    Resume(rollout::OfVersion),
    Retire(rollout::OfVersion),
    Query(query::Arguments),
    Append(append::Arguments),
    Tail(tail::Arguments),
    Modules(modules::Arguments),
    Backup(backup::Arguments),
    Log(log::Arguments),
}

/// The decoders of the command line's files, for fuzzing.
pub mod fuzz {
    pub fn line(bytes: &[u8]) {
        super::log::fuzz_line(bytes);
    }
}

/// What went wrong, for scripts. 2 is a wrong command line.
mod code {
    pub const OTHER: u8 = 1;
    pub const REFUSED: u8 = 3;
    pub const UNREACHABLE: u8 = 4;
    pub const FAULTED: u8 = 5;
}

/// A version stopped at an event that it cannot handle.
#[derive(Debug, thiserror::Error)]
#[error(
    "version {version} of projection {projection} stopped at a fault\n{fault}\n  hint: mend the projector (or deploy it \
     with an upcaster) and deploy it again; nothing else is affected"
)]
struct Faulted {
    projection: String,
    version: u64,
    fault: Fault,
}

/// Runs a command against a host.
pub fn run(global: Global, command: Command) -> ExitCode {
    let result = execute(global, command);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Closed>() => ExitCode::SUCCESS,
        Err(error) => {
            output::note(format_args!("error: {error:#}"));
            ExitCode::from(match error.downcast_ref::<Error>() {
                Some(Error::Refused(_)) => code::REFUSED,
                Some(Error::Unreachable { .. } | Error::Lost { .. }) => code::UNREACHABLE,
                _ if error.is::<Faulted>() => code::FAULTED,
                _ => code::OTHER,
            })
        }
    }
}

fn execute(global: Global, command: Command) -> anyhow::Result<()> {
    let client = Client::new(global.url)?;
    let mut output = Output::new(global.output);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Deploy(arguments) => deploy::run(&client, &mut output, arguments).await,
            Command::Status(arguments) => status::run(&client, &mut output, arguments).await,
            Command::Diff(arguments) => diff::run(&client, &mut output, arguments).await,
            Command::Promote(arguments) => rollout::promote(&client, &mut output, arguments).await,
            Command::Rollback(arguments) => rollout::rollback(&client, &mut output, arguments).await,
            Command::Pause(version) => rollout::change(&client, &mut output, version, "pause").await,
            Command::Resume(version) => rollout::change(&client, &mut output, version, "resume").await,
            Command::Retire(version) => rollout::change(&client, &mut output, version, "retire").await,
            Command::Query(arguments) => query::run(&client, &mut output, arguments).await,
            Command::Append(arguments) => append::run(&client, &mut output, arguments).await,
            Command::Tail(arguments) => tail::run(&client, &mut output, arguments).await,
            Command::Modules(arguments) => modules::run(&client, &mut output, arguments).await,
            Command::Backup(arguments) => backup::run(&client, &mut output, arguments).await,
            Command::Log(arguments) => log::run(&client, &mut output, arguments).await,
        }
    })?;
    output.flush()
}
