//! The commands that talk to a host. Data goes to stdout, everything else to stderr.

mod append;
mod backup;
mod fault;
mod log;
mod modules;
mod outcome;
mod output;
mod progress;
mod query;
mod rollouts;
mod tail;
mod upcasters;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use kinora_client::api::Kind;
use kinora_client::{Caller, Client, Error, Url, base_url};

use outcome::{Faulted, GatesClosed, NotUpcast};
use output::{Closed, Format, Output};
use rollouts::rollout::Change;
use rollouts::{deploy, diff, gates, history, repro, rollout, status, verify};

/// Which host, and how to write.
#[derive(Args)]
pub struct Global {
    /// The host
    #[arg(long, global = true, env = "KINORA_URL", default_value = "http://127.0.0.1:7070", value_parser = base_url)]
    url: Url,
    /// How data is written: for people, or one JSON document a line
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Who does it, for the history [default: the user]
    #[arg(long, global = true, env = "KINORA_ACTOR", value_name = "NAME")]
    actor: Option<String>,
    /// Why, for the history
    #[arg(long, global = true, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Subcommand)]
pub enum Command {
    Deploy(deploy::Arguments),
    Status(status::Arguments),
    Diff(diff::Arguments),
    Gates(gates::Arguments),
    Review(rollout::Review),
    Promote(rollout::Promote),
    Rollback(rollout::Rollback),
    Pause(rollout::OfVersion),
    Resume(rollout::OfVersion),
    Retry(rollout::OfVersion),
    Abort(rollout::OfVersion),
    Retire(rollout::OfVersion),
    Set(rollout::Set),
    History(history::Arguments),
    Query(query::Arguments),
    Append(append::Arguments),
    Tail(tail::Arguments),
    Modules(modules::Arguments),
    Backup(backup::Arguments),
    Upcasters(upcasters::Arguments),
    Log(log::Arguments),
    Verify(verify::Arguments),
    Repro(repro::Arguments),
    Skip(rollout::Skip),
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
                Some(Error::Failed(problem)) if problem.slug() == Kind::VersionFaulted.slug() => code::FAULTED,
                Some(Error::Failed(problem)) if problem.slug() == Kind::VersionPaused.slug() => code::REFUSED,
                Some(Error::Unreachable { .. } | Error::Lost { .. }) => code::UNREACHABLE,
                _ if error.is::<Faulted>() || error.is::<NotUpcast>() => code::FAULTED,
                _ if error.is::<verify::Differs>() || error.is::<repro::Reproduced>() => code::FAULTED,
                _ if error.is::<GatesClosed>() => code::REFUSED,
                _ => code::OTHER,
            })
        }
    }
}

fn execute(global: Global, command: Command) -> anyhow::Result<()> {
    let actor = global.actor.or_else(|| std::env::var("USER").ok());
    let client = Client::of(global.url, &Caller { actor, reason: global.reason, client: None })?;
    let mut output = Output::new(global.output);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Deploy(arguments) => deploy::run(&client, &mut output, arguments).await,
            Command::Status(arguments) => status::run(&client, &mut output, arguments).await,
            Command::Diff(arguments) => diff::run(&client, &mut output, arguments).await,
            Command::Promote(arguments) => rollout::promote(&client, &mut output, arguments).await,
            Command::Rollback(arguments) => rollout::rollback(&client, &mut output, arguments).await,
            Command::Pause(version) => rollout::change(&client, &mut output, version, Change::Pause).await,
            Command::Resume(version) => rollout::change(&client, &mut output, version, Change::Resume).await,
            Command::Gates(arguments) => gates::run(&client, &mut output, arguments).await,
            Command::Review(arguments) => rollout::review(&client, &mut output, arguments).await,
            Command::Retry(version) => rollout::change(&client, &mut output, version, Change::Retry).await,
            Command::Abort(version) => rollout::change(&client, &mut output, version, Change::Abort).await,
            Command::Set(arguments) => rollout::set(&client, &mut output, arguments).await,
            Command::History(arguments) => history::run(&client, &mut output, arguments).await,
            Command::Retire(version) => rollout::change(&client, &mut output, version, Change::Retire).await,
            Command::Query(arguments) => query::run(&client, &mut output, arguments).await,
            Command::Append(arguments) => append::run(&client, &mut output, arguments).await,
            Command::Tail(arguments) => tail::run(&client, &mut output, arguments).await,
            Command::Upcasters(arguments) => upcasters::run(&client, &mut output, arguments).await,
            Command::Modules(arguments) => modules::run(&client, &mut output, arguments).await,
            Command::Backup(arguments) => backup::run(&client, &mut output, arguments).await,
            Command::Log(arguments) => log::run(&client, &mut output, arguments).await,
            Command::Repro(arguments) => repro::run(&client, &mut output, arguments).await,
            Command::Skip(arguments) => rollout::skip(&client, &mut output, arguments).await,
            Command::Verify(arguments) => verify::run(&client, &mut output, arguments).await,
        }
    })?;
    output.flush()
}
