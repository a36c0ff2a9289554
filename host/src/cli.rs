//! The commands that talk to a host. Data goes to stdout, everything else to stderr.

mod actor;
mod events;
mod fault;
mod folder;
mod log;
mod modules;
mod outcome;
mod output;
mod problems;
mod progress;
mod project;
mod query;
mod rollouts;
mod upcasters;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use kinora_client::api::Kind;
use kinora_client::{Caller, Client, Error, Url, base_url};

use events::{append, decide, tail, wait};
pub use folder::config;
pub use folder::keys::key_file;
use folder::{backup, doctor, keys};
use outcome::{Faulted, GatesClosed, NotUpcast};
pub use output::REQUIRED;
use output::{Closed, Format, Output};
use project::{build, dev, new, test};
use rollouts::rollout::Change;
use rollouts::{deciders, deploy, diff, gates, history, plan, repro, rollout, status, verify};

/// Which host, and how to write.
#[derive(Args)]
#[command(next_help_heading = "For all commands")]
pub struct Global {
    /// The host
    #[arg(long, global = true, env = "KINORA_URL", default_value = "http://127.0.0.1:7070", value_parser = base_url)]
    url: Url,
    /// The profile in ~/.config/kinora/profiles.toml that has these options: [NAME], with url, key, ca, actor, output
    #[arg(long, global = true, env = "KINORA_PROFILE", value_name = "NAME")]
    #[allow(dead_code)] // It is read before the others are (`settings`).
    profile: Option<String>,
    /// How data is written: for people, one JSON document a line, or tables as CSV
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// Who does it, for the history [default: the user, and the machine]
    #[arg(long, global = true, env = "KINORA_ACTOR", value_name = "NAME")]
    actor: Option<String>,
    /// The API key that the host knows you by
    #[arg(long, global = true, env = "KINORA_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<String>,
    /// Authorities of certificates, as PEM, to trust instead of those of the system
    #[arg(long, global = true, env = "KINORA_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Why, for the history
    #[arg(long, global = true, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Subcommand)]
pub enum Command {
    New(new::Arguments),
    Build(build::Arguments),
    Test(test::Arguments),
    Dev(dev::Arguments),
    Plan(plan::Show),
    Apply(plan::Apply),
    Deploy(deploy::Arguments),
    Status(status::Arguments),
    Diff(diff::Arguments),
    Gates(gates::Arguments),
    Review(rollout::Review),
    Promote(rollout::Promote),
    Rollback(rollout::Rollback),
    /// Stop projecting with a version, and keep its rows
    ///
    /// It answers queries as before, from where it stands. For example: kinora pause ontime 2
    Pause(rollout::OfVersion),
    /// Go on with a version that was paused or stopped at a fault, from where it stands
    ///
    /// For example, once there is space on the disk again: kinora resume ontime 2
    Resume(rollout::OfVersion),
    /// Throw the rows of a version away, and begin anew with its replay; not with the live one
    ///
    /// For example: kinora retry ontime 2
    Retry(rollout::OfVersion),
    /// End a version before it was ever live, and remove its rows
    ///
    /// For example: kinora abort ontime 2
    Abort(rollout::OfVersion),
    /// End a version that is not live, and remove its rows
    ///
    /// For example: kinora retire ontime 1
    Retire(rollout::OfVersion),
    Set(rollout::Set),
    History(history::Arguments),
    Query(Box<query::Arguments>),
    Append(append::Arguments),
    Decide(decide::Arguments),
    Deciders(deciders::Arguments),
    Tail(tail::Arguments),
    Wait(wait::Arguments),
    Modules(modules::Arguments),
    Backup(backup::Arguments),
    Upcasters(upcasters::Arguments),
    Log(log::Arguments),
    Doctor(doctor::Arguments),
    Verify(verify::Arguments),
    Repro(repro::Arguments),
    Skip(rollout::Skip),
    Keys(keys::Arguments),
}

impl Command {
    /// The projection that it is about, for hints.
    fn projection(&self) -> Option<&str> {
        match self {
            Self::Dev(of) => of.name.as_deref(),
            Self::Deploy(of) => Some(&of.name),
            Self::Status(of) => of.name.as_deref(),
            Self::Diff(of) => Some(&of.name),
            Self::Gates(of) => Some(&of.name),
            Self::Review(of) => Some(&of.name),
            Self::Promote(of) => Some(&of.name),
            Self::Rollback(of) => Some(&of.name),
            Self::Pause(of) | Self::Resume(of) | Self::Retry(of) | Self::Abort(of) | Self::Retire(of) => Some(&of.name),
            Self::Set(of) => Some(&of.name),
            Self::History(of) => Some(&of.name),
            Self::Query(of) => Some(&of.name),
            Self::Verify(of) => Some(&of.name),
            Self::Repro(of) => of.fetch.as_deref(),
            Self::Skip(of) => Some(&of.name),
            Self::Wait(of) => of.name.as_deref(),
            Self::New(_)
            | Self::Build(_)
            | Self::Test(_)
            | Self::Plan(_)
            | Self::Apply(_)
            | Self::Append(_)
            | Self::Decide(_)
            | Self::Deciders(_)
            | Self::Tail(_)
            | Self::Modules(_)
            | Self::Backup(_)
            | Self::Upcasters(_)
            | Self::Log(_)
            | Self::Doctor(_)
            | Self::Keys(_) => None,
        }
    }
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
    /// 6 is that of a host whose log has failed.
    pub const PENDING: u8 = 7;
    /// Nobody reads stdout any more: what a shell says of a program that the signal for it (13) has ended.
    pub const CLOSED: u8 = 128 + 13;
}

/// Runs a command against a host.
pub fn run(global: Global, command: Command) -> ExitCode {
    let projection = command.projection().map(str::to_owned);
    match execute(global, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Closed>() => ExitCode::from(code::CLOSED),
        Err(error) => {
            output::note(format_args!("error: {}", problems::told(&error, projection.as_deref())));
            ExitCode::from(match error.downcast_ref::<Error>() {
                Some(Error::Refused(_)) => code::REFUSED,
                Some(Error::Failed(problem)) if problem.slug() == Kind::VersionFaulted.slug() => code::FAULTED,
                Some(Error::Failed(problem)) if problem.slug() == Kind::VersionPaused.slug() => code::REFUSED,
                Some(Error::Unreachable { .. } | Error::Lost { .. }) => code::UNREACHABLE,
                _ if error.is::<Faulted>() || error.is::<NotUpcast>() => code::FAULTED,
                _ if error.is::<verify::Differs>() || error.is::<repro::Reproduced>() => code::FAULTED,
                _ if error.is::<GatesClosed>() => code::REFUSED,
                _ if error.is::<wait::TimeIsUp>() => code::UNREACHABLE,
                _ if error.is::<plan::Pending>() => code::PENDING,
                _ => code::OTHER,
            })
        }
    }
}

fn execute(global: Global, command: Command) -> anyhow::Result<()> {
    let actor = Some(actor::actor(global.actor));
    let read = |path: PathBuf| std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
    let authorities = global.ca.map(read).transpose()?;
    let caller = Caller { actor, reason: global.reason, client: None, key: global.key, authorities };
    let client = Client::of(global.url, &caller)?;
    let mut output = Output::new(global.output);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::New(arguments) => new::run(&mut output, arguments),
            Command::Build(arguments) => build::run(&mut output, &arguments),
            Command::Test(arguments) => test::run(&mut output, arguments).await,
            Command::Dev(arguments) => dev::run(&client, &mut output, arguments).await,
            Command::Plan(arguments) => plan::show(&client, &mut output, arguments).await,
            Command::Apply(arguments) => plan::apply(&client, &mut output, arguments).await,
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
            Command::Query(arguments) => query::run(&client, &mut output, *arguments).await,
            Command::Append(arguments) => append::run(&client, &mut output, arguments).await,
            Command::Decide(arguments) => decide::run(&client, &mut output, arguments).await,
            Command::Deciders(arguments) => deciders::run(&client, &mut output, arguments).await,
            Command::Tail(arguments) => tail::run(&client, &mut output, arguments).await,
            Command::Wait(arguments) => wait::run(&client, &mut output, arguments).await,
            Command::Upcasters(arguments) => upcasters::run(&client, &mut output, arguments).await,
            Command::Modules(arguments) => modules::run(&client, &mut output, arguments).await,
            Command::Backup(arguments) => backup::run(&client, &mut output, arguments).await,
            Command::Log(arguments) => log::run(&client, &mut output, arguments).await,
            Command::Doctor(arguments) => doctor::run(&mut output, &arguments),
            Command::Repro(arguments) => repro::run(&client, &mut output, arguments).await,
            Command::Skip(arguments) => rollout::skip(&client, &mut output, arguments).await,
            Command::Verify(arguments) => verify::run(&client, &mut output, arguments).await,
            Command::Keys(arguments) => keys::run(arguments, &mut output),
        }
    })?;
    output.flush()
}
