//! `kinora deploy`: upload, wait for the compiler, make a version, and watch it if asked to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use jiff::Timestamp;
use kinora_client::api::modules::{Module, ModuleState};
use kinora_client::api::rollouts::{Deploy, Start};
use kinora_client::api::versions::{Promote, State, Version};
use kinora_client::{Answer, Client, Error};

use crate::cli::outcome::Faulted;
use crate::cli::output::{Output, note, short_digest};
use crate::cli::rollouts::gates;
use crate::cli::rollouts::gates::GateArguments;
use crate::cli::rollouts::once::once;
use crate::cli::rollouts::preflight;
use crate::cli::rollouts::status::StatusBars;

/// How often a host is asked how far it is.
const POLL: Duration = Duration::from_millis(200);

/// Deploy a new version of a projection; the versions before it keep serving
///
/// For example: kinora deploy ontime --module ontime.wasm --upcaster departures.wasm --wait
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection; it is made with its first version
    name: String,
    /// The projector, as WebAssembly
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// Upcasters that it needs, as WebAssembly
    #[arg(long = "upcaster", value_name = "FILE")]
    upcasters: Vec<PathBuf>,
    /// Who decides that it goes live
    #[arg(long, value_enum, default_value_t = When::Manual)]
    promote: When,
    /// Go on with the rows of this version where it stands, if that is sound, instead of replaying all of history
    #[arg(long, value_name = "VERSION")]
    continue_from: Option<u32>,
    /// Pass over the events that this version was told to pass over (`kinora skip`)
    #[arg(long, value_name = "VERSION")]
    skips_of: Option<u32>,
    /// Leave out the events before this position
    #[arg(long, value_name = "POSITION", conflicts_with = "start_time")]
    start_position: Option<u64>,
    /// Leave out the events that were appended before this time
    #[arg(long, value_name = "TIME")]
    start_time: Option<Timestamp>,
    #[command(flatten)]
    gates: GateArguments,
    /// Only say what it would come to: what becomes of the log's events, and a forecast from a sample
    #[arg(long)]
    dry_run: bool,
    /// Wait until it is ready (and live, with --promote when-ready), and show how far it is
    #[arg(long)]
    wait: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum When {
    /// You, with `kinora promote`
    Manual,
    /// It does itself, as soon as it has caught up
    WhenReady,
}

impl When {
    pub fn promote(self) -> Promote {
        match self {
            Self::Manual => Promote::Manual,
            Self::WhenReady => Promote::WhenReady,
        }
    }
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let module = upload(client, &arguments.module).await?;
    let mut upcasters = Vec::new();
    for file in &arguments.upcasters {
        upcasters.push(upload(client, file).await?.digest);
    }
    let start = match (arguments.start_position, &arguments.start_time) {
        (Some(position), _) => Start::Position(position),
        (None, Some(time)) => Start::Time(*time),
        (None, None) => Start::Beginning,
    };
    let deploy = Deploy {
        upcasters,
        promote: arguments.promote.promote(),
        gates: arguments.gates.gates()?,
        start,
        continue_from: arguments.continue_from,
        skips_of: arguments.skips_of,
        ..Deploy::new(module.digest)
    };
    if arguments.dry_run {
        return preflight::print(output, &client.preflight(&arguments.name, &deploy).await?);
    }
    let mut version = once(client, async |client| client.deploy(&arguments.name, &deploy).await).await?;
    note(format_args!("version {} of {} is on its way", version.version, version.projection));
    if arguments.wait {
        version = wait(client, version).await?;
    }
    if output.is_json() {
        output.json(version.text())?;
    } else {
        output.line(format_args!("{} version {}: {}", version.projection, version.version, version.state))?;
    }
    output.flush()?;
    let version = version.into_value();
    match version.fault {
        Some(fault) => Err(Faulted { projection: version.projection, version: version.version, fault }.into()),
        None => {
            if version.state == State::Ready {
                note(format_args!("see what differs: kinora diff {}", version.projection));
                note(format_args!("make it live:     kinora promote {} {}", version.projection, version.version));
            }
            Ok(())
        }
    }
}

/// Waits until a version is ready, and live if it goes live by itself.
async fn wait(client: &Client, mut version: Answer<Version>) -> anyhow::Result<Answer<Version>> {
    let mut progress = StatusBars::new();
    let mut closed = String::new();
    let goes_live = |version: &Version| version.state == State::Ready && version.promote == Promote::WhenReady;
    while version.state.is_underway() || goes_live(&version) {
        progress.show(std::iter::once(&*version));
        if goes_live(&version) {
            gates::note_closed(client, &version, &mut closed).await?;
        }
        tokio::time::sleep(POLL).await;
        version = client.version(&version.projection, version.version).await?;
    }
    progress.end();
    Ok(version)
}

/// Uploads a module and waits until it is compiled.
pub async fn upload(client: &Client, file: &Path) -> anyhow::Result<Answer<Module>> {
    let bytes = tokio::fs::read(file).await.with_context(|| format!("{} cannot be read", file.display()))?;
    let mut module = client.upload(bytes).await?;
    let digest = module.digest.to_string();
    while module.state == ModuleState::Compiling {
        tokio::time::sleep(POLL / 4).await;
        module = client.module(&digest).await?;
    }
    if let Some(problem) = &module.error {
        return Err(Error::Refused(Box::new(problem.clone())).into());
    }
    note(format_args!("{} is module {}", file.display(), short_digest(&digest)));
    Ok(module)
}
