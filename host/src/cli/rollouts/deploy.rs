//! `kinora deploy`: upload, wait for the compiler, make a version, and watch it if asked to.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use kinora_client::api::Kind;
use kinora_client::api::projections::Projection;
use kinora_client::api::rollouts::{Deploy, Start};
use kinora_client::api::versions::{Promote, State, Version};
use kinora_client::{Answer, Client, Error};

use crate::cli::outcome::Faulted;
use crate::cli::output::{Output, REQUIRED, note};
use crate::cli::rollouts::gates;
use crate::cli::rollouts::gates::GateArguments;
use crate::cli::rollouts::once::once;
use crate::cli::rollouts::preflight;
use crate::cli::rollouts::status::StatusBars;
use crate::cli::rollouts::uploads::module;

/// How often a host is asked how far it is.
const POLL: Duration = Duration::from_millis(200);

/// Deploy a new version of a projection; the versions before it keep serving
///
/// For example: kinora deploy ontime --module ontime.wasm --upcaster departures.wasm --wait
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection; it is made with its first version
    #[arg(value_parser = name)]
    pub name: String,
    /// The projector: a file of WebAssembly, or the digest of a module that the host has, or the beginning of it
    #[arg(long, value_name = "FILE|DIGEST", help_heading = REQUIRED)]
    module: PathBuf,
    /// Upcasters that it needs, files or digests
    #[arg(long = "upcaster", value_name = "FILE|DIGEST")]
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

/// A name that a projection can have: the rule is said before anything is uploaded.
fn name(text: &str) -> Result<String, String> {
    kinora_projection::check_name(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
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
    let projector = module(client, &arguments.module).await?;
    let mut upcasters = Vec::new();
    for upcaster in &arguments.upcasters {
        upcasters.push(module(client, upcaster).await?.digest);
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
        ..Deploy::new(projector.digest)
    };
    if arguments.dry_run {
        return preflight::print(output, &client.preflight(&arguments.name, &deploy).await?);
    }
    let before = projection(client, &arguments.name).await?;
    let mut version = once(client, async |client| client.deploy(&arguments.name, &deploy).await).await?;
    note(format_args!("version {} of {} is on its way", version.version, version.projection));
    if let Some(same) = before.as_ref().and_then(|before| same(before, &version)) {
        let (number, state) = (same.version, &same.state);
        note(format_args!("it is made of the same modules as version {number}, which is {state}"));
    }
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
                let live = projection(client, &version.projection).await?.and_then(|projection| projection.live);
                if live.is_some() {
                    note(format_args!("see what differs: kinora diff {}", version.projection));
                }
                note(format_args!("make it live:     kinora promote {} {}", version.projection, version.version));
            }
            Ok(())
        }
    }
}

/// The projection, if there is one already.
pub async fn projection(client: &Client, name: &str) -> anyhow::Result<Option<Projection>> {
    match client.projection(name).await {
        Ok(projection) => Ok(Some(projection.into_value())),
        Err(Error::Refused(problem)) if Kind::named(problem.slug()) == Some(Kind::UnknownProjection) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The newest version there that is made of the same modules.
fn same<'a>(before: &'a Projection, version: &Version) -> Option<&'a Version> {
    let made_of = |version: &Version| (version.module, version.upcasters.clone());
    let there = before.versions.iter().filter(|known| !known.state.is_gone());
    there.filter(|known| made_of(known) == made_of(version)).max_by_key(|known| known.version)
}

/// Waits until a version is ready, and live if it goes live by itself.
pub async fn wait(client: &Client, mut version: Answer<Version>) -> anyhow::Result<Answer<Version>> {
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
