//! The program: runs a host, or talks to one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kinora::cli;
use kinora::sandbox;
use kinora::serve::{Options, serve};

/// A projection engine for event-sourced systems
///
/// Exit codes: 0 done, 1 another error, 2 wrong command line, 3 refused by the host, 4 no host there, 5 a version
/// stopped at a fault.
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
    Serve {
        /// The folder that holds everything; made if it is not there
        #[arg(long)]
        data: PathBuf,
        /// The address to listen on; port 0 takes a free one, which the log line `serving` names
        #[arg(long, default_value = "127.0.0.1:7070")]
        listen: SocketAddr,
    },
    #[command(flatten)]
    Client(cli::Command),
}

fn main() -> ExitCode {
    let mut raw = std::env::args().skip(1);
    // The host starts itself with this to compile a module. It is dealt with before anything else is set up.
    if raw.next().as_deref() == Some(sandbox::CHILD_COMMAND) {
        return sandbox::compile_child(raw);
    }
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Serve { data, listen } => run(Options { data, listen }),
        Command::Client(command) => cli::run(arguments.global, command),
    }
}

fn run(options: Options) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("KINORA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let served = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| Ok(runtime.block_on(serve(options))?));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
