//! The program: runs a host, or talks to one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use kinora::cli;
use kinora_engine::limits;
use kinora_engine::limits::Limits;
use kinora_log as log;
use kinora_log::Durability;
use kinora_sandbox as sandbox;
use kinora_server::serve::{Error, Options, serve};

use crate::issuer::Issuer;

mod doors;
mod issuer;
mod shell;

/// Many threads allocate and free all the time, RocksDB's too.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A projection engine for event-sourced systems
///
/// Exit codes: 0 done, 1 another error, 2 wrong command line, 3 refused by the host, 4 no host there, 5 a version
/// stopped at a fault, 6 a write to the log failed (kinora serve --exit-when-poisoned), 7 changes are pending (kinora
/// plan), 141 nobody reads the output any more.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: cli::Global,
}

/// The exit code of a host that ends since a write to its log has failed.
const POISONED: u8 = 6;

#[derive(Subcommand)]
enum Command {
    /// Run a host
    ///
    /// For example: kinora serve --data ./data --backups /mnt/backups
    Serve {
        /// The folder that holds everything; made if it is not there
        #[arg(long, value_name = "FOLDER", help_heading = cli::REQUIRED)]
        data: PathBuf,
        /// The address to listen on; port 0 takes a free one, which the log line `serving` names
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
        listen: SocketAddr,
        /// When an append is acknowledged: `sync` (once it is on the disk), or `interval:MILLISECONDS` (once it is
        /// written; the disk has it after so long, and nobody reads it before)
        #[arg(long, default_value = "sync", value_parser = durability)]
        durability: Durability,
        /// How long a request is known by its idempotency key, in hours
        #[arg(long, default_value_t = 24, value_name = "HOURS")]
        keep_requests: u64,
        /// The folder for backups; without it, none are made
        #[arg(long)]
        backups: Option<PathBuf>,
        /// End the process with code 6 once a write to the log has failed, so that whoever watches it starts it again;
        /// without it, the host goes on answering what can be read
        #[arg(long)]
        exit_when_poisoned: bool,
        /// A limit to set, such as sandbox.event_fuel=500000000 or sandbox.memory_bytes=256M; may be repeated. A
        /// running host shows all of them at /v1/limits, and host/LIMITS.md says what each is for
        #[arg(long = "limit", value_name = "NAME=VALUE")]
        limits: Vec<limits::Setting>,
        /// Start without any guest: everything can be looked at, paused, aborted and retired, and versions go on one by
        /// one with `kinora resume`, or all of them when the host is started without this
        #[arg(long)]
        paused: bool,
        #[command(flatten)]
        doors: doors::Arguments,
    },
    #[command(flatten)]
    Client(cli::Command),
    #[command(flatten)]
    Shell(shell::Shelled),
}

fn main() -> ExitCode {
    let mut raw = std::env::args().skip(1);
    // The host starts itself with this to compile a module. It is dealt with before anything else is set up.
    if raw.next().as_deref() == Some(sandbox::CHILD_COMMAND) {
        return sandbox::compile_child(raw);
    }
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Serve {
            data,
            listen,
            durability,
            keep_requests,
            backups,
            exit_when_poisoned,
            limits,
            paused,
            doors,
        } => match Limits::with(&limits) {
            Ok(limits) => {
                let keep_requests = Duration::from_secs(keep_requests.saturating_mul(60 * 60));
                let log = log::Options { durability, keep_requests, limits: limits.log.clone() };
                match std::env::current_exe() {
                    Ok(compiler) => {
                        let issuer = doors.issuer(&data);
                        let doors = doors.doors(&data, listen, issuer.as_ref());
                        let options =
                            Options { data, listen, log, backups, limits, exit_when_poisoned, paused, compiler, doors };
                        run(options, issuer)
                    }
                    Err(cause) => failed(&format!("this program does not know where it is: {cause}")),
                }
            }
            Err(error) => Arguments::command().error(clap::error::ErrorKind::ValueValidation, error).exit(),
        },
        Command::Client(command) => cli::run(arguments.global, command),
        Command::Shell(shelled) => match shell::run(Arguments::command(), &shelled) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error.to_string()),
        },
    }
}

fn durability(text: &str) -> Result<Durability, String> {
    if text == "sync" {
        return Ok(Durability::Sync);
    }
    let milliseconds =
        text.strip_prefix("interval:").and_then(|number| number.parse().ok()).filter(|number| *number > 0);
    milliseconds
        .map(Durability::Interval)
        .ok_or_else(|| "sync, or interval:MILLISECONDS, such as interval:50".to_owned())
}

fn run(options: Options, issuer: Option<Issuer>) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("KINORA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let served =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from).and_then(
            |runtime| {
                Ok(runtime.block_on(async {
                    if let Some(issuer) = issuer {
                        issuer.follow().await;
                    }
                    serve(options).await
                })?)
            },
        );
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = failed(&format!("{error:#}"));
            if matches!(error.downcast_ref(), Some(Error::Poisoned(_))) { POISONED.into() } else { code }
        }
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::FAILURE
}
