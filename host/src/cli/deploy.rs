//! `kinora deploy`: upload, wait for the compiler, make a version, and watch it if asked to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::json;

use crate::cli::Faulted;
use crate::cli::answers::{ModuleState, ModuleStatus, State, VersionStatus};
use crate::cli::client::{Client, Error};
use crate::cli::gates;
use crate::cli::gates::GateArguments;
use crate::cli::output::{Output, note, short_digest};
use crate::cli::preflight;
use crate::cli::status::Progress;

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
    continue_from: Option<u64>,
    /// Leave out the events before this position
    #[arg(long, value_name = "POSITION", conflicts_with = "start_time")]
    start_position: Option<u64>,
    /// Leave out the events that were appended before this time
    #[arg(long, value_name = "TIME")]
    start_time: Option<String>,
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
    /// As the host reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::WhenReady => "when_ready",
        }
    }
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let module = upload(client, &arguments.module).await?;
    let mut upcasters = Vec::new();
    for file in &arguments.upcasters {
        upcasters.push(upload(client, file).await?.digest);
    }
    let promote = arguments.promote.as_str();
    let start = match (arguments.start_position, &arguments.start_time) {
        (Some(position), _) => json!({"position": position}),
        (None, Some(time)) => json!({"time": time}),
        (None, None) => json!("beginning"),
    };
    let body = json!({
        "module": module.digest, "upcasters": upcasters, "promote": promote, "start": start,
        "gates": arguments.gates.to_json(), "dry_run": arguments.dry_run,
        "continue_from": arguments.continue_from,
    });
    let url = client.url(&["v1", "projections", &arguments.name, "versions"])?;
    if arguments.dry_run {
        return preflight::print(output, &client.post_json(url, &body).await?);
    }
    let mut answer = client.post_json(url, &body).await?;
    let mut version: VersionStatus = answer.parse()?;
    note(format_args!("version {} of {} is on its way", version.version, version.projection));
    if arguments.wait {
        let number = version.version.to_string();
        let url = client.url(&["v1", "projections", &arguments.name, "versions", &number])?;
        let mut progress = Progress::new();
        let mut closed = String::new();
        let goes_live = |version: &VersionStatus| version.state == State::Ready && version.promote == "when_ready";
        while version.state.is_underway() || goes_live(&version) {
            progress.show(std::slice::from_ref(&version));
            if goes_live(&version) {
                gates::note_closed(client, &version, &mut closed).await?;
            }
            tokio::time::sleep(POLL).await;
            answer = client.get(url.clone()).await?;
            version = answer.parse()?;
        }
        progress.end();
    }
    if output.is_json() {
        output.json(answer.text())?;
    } else {
        output.line(format_args!("{} version {}: {}", version.projection, version.version, version.state))?;
    }
    output.flush()?;
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

/// Uploads a module and waits until it is compiled.
pub async fn upload(client: &Client, file: &Path) -> anyhow::Result<ModuleStatus> {
    let bytes = tokio::fs::read(file).await.with_context(|| format!("{} cannot be read", file.display()))?;
    let mut module: ModuleStatus = client.post_module(client.url(&["v1", "modules"])?, bytes).await?.parse()?;
    let url = client.url(&["v1", "modules", &module.digest])?;
    while module.state == ModuleState::Compiling {
        tokio::time::sleep(POLL / 4).await;
        module = client.get(url.clone()).await?.parse()?;
    }
    if let Some(problem) = module.error {
        return Err(Error::Refused(Box::new(problem)).into());
    }
    note(format_args!("{} is module {}", file.display(), short_digest(&module.digest)));
    Ok(module)
}
