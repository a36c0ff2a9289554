//! The program: runs a host, or talks to one.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use kinora::cli;
use kinora_sandbox as sandbox;

use crate::settings::Settings;

mod serve;
mod settings;
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

#[derive(Subcommand)]
enum Command {
    /// Run a host
    ///
    /// For example: kinora serve --data ./data --backups /mnt/backups
    Serve(Box<serve::Arguments>),
    /// Show what `kinora serve` would be told by options, the environment and a file, and by which of them
    ///
    /// For example: kinora config --config /etc/kinora/kinora.toml
    #[command(mut_arg("data", |data| data.required(false).help_heading(None::<&'static str>)))]
    Config(Box<serve::Arguments>),
    #[command(flatten)]
    Client(Box<cli::Command>),
    #[command(flatten)]
    Shell(shell::Shelled),
}

fn main() -> ExitCode {
    let mut raw = std::env::args().skip(1);
    // The host starts itself with this to compile a module. It is dealt with before anything else is set up.
    if raw.next().as_deref() == Some(sandbox::CHILD_COMMAND) {
        return sandbox::compile_child(raw);
    }
    let settings = match Settings::read(Arguments::command(), std::env::args_os().collect()) {
        Ok(settings) => settings,
        Err(error) => return ended(Err(error)),
    };
    let matches = settings.matches();
    let (command, of_command) = matches.subcommand().unwrap_or(("", &matches));
    if command == "config" {
        return ended(settings.show(&matches, of_command));
    }
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| settings.refuse(&error));
    match arguments.command {
        Command::Serve(arguments) | Command::Config(arguments) => ended(serve::run(*arguments, settings, of_command)),
        Command::Client(command) => cli::run(arguments.global, *command),
        Command::Shell(shelled) => ended(shell::run(Arguments::command(), &shelled).map_err(Into::into)),
    }
}

fn ended(done: anyhow::Result<()>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    eprintln!("error: {error:#}");
    serve::exit_code(&error).map_or(ExitCode::FAILURE, ExitCode::from)
}
