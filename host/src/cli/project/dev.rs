//! `kinora dev`: a projector that is built, deployed and compared whenever one of its files is saved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use kinora_client::Client;
use kinora_client::api::rollouts::{Change, Deploy};
use kinora_client::api::versions::{Promote, State, Version};

use super::build::{self, Built};
use super::ecosystem::Ecosystem;
use crate::cli::output::{Output, note};
use crate::cli::problems;
use crate::cli::rollouts::once::once;
use crate::cli::rollouts::uploads::{module, upload};
use crate::cli::rollouts::{deploy, diff};

/// How often the files of a project are looked at.
const LOOK: Duration = Duration::from_millis(300);

/// What tools write into a project.
const LEFT_OUT: [&str; 4] = ["target", "node_modules", "package-lock.json", "__pycache__"];

/// What the names of such files end with.
const ENDINGS: [&str; 3] = ["wasm", "lock", "egg-info"];

/// Build a projector, deploy it as the next version and show what differs, whenever a file is saved
///
/// The first version goes live; each one after it is compared with the live one, and takes the place of the one before.
/// For example, beside `kinora serve --data ./data`: kinora dev orders
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The projection [default: what the project is called]
    #[arg(long, value_name = "PROJECTION")]
    pub name: Option<String>,
    /// Upcasters that it needs, files or digests
    #[arg(long = "upcaster", value_name = "FILE|DIGEST")]
    upcasters: Vec<PathBuf>,
    /// Only what is there now, and then end
    #[arg(long)]
    once: bool,
}

/// Files, and when each was written last.
type Seen = BTreeMap<PathBuf, SystemTime>;

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { folder, name, upcasters, once } = arguments;
    let name = match name {
        Some(name) => name,
        None => Ecosystem::of(&folder)?.name(&folder)?,
    };
    let mut tried = None;
    loop {
        let seen = files(&folder);
        let saved = Instant::now();
        let round = Round { client, folder: &folder, name: &name, upcasters: &upcasters };
        match round.run(output, tried).await {
            Ok(version) => {
                note(format_args!("after {:.1} s", saved.elapsed().as_secs_f64()));
                tried = Some(version);
            }
            Err(error) if once => return Err(error),
            // Whoever writes it mends it.
            Err(error) => note(format_args!("error: {}", problems::told(&error, Some(&name)))),
        }
        output.flush()?;
        if once {
            return Ok(());
        }
        note(format_args!("waiting for a file in {} to be saved", folder.display()));
        while files(&folder) == seen {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// From saved files to what differs.
struct Round<'a> {
    client: &'a Client,
    folder: &'a Path,
    name: &'a str,
    upcasters: &'a [PathBuf],
}

impl Round<'_> {
    /// Gives the number of the version that it has made. `tried`: that of the round before.
    async fn run(&self, output: &mut Output, tried: Option<u32>) -> anyhow::Result<u32> {
        let Self { client, folder, name, upcasters } = *self;
        let Built { path, .. } = build::build(folder, None)?;
        let projector = upload(client, &path).await?.digest;
        let mut chain = Vec::new();
        for upcaster in upcasters {
            chain.push(module(client, upcaster).await?.digest);
        }
        let live = deploy::projection(client, name).await?.and_then(|projection| projection.live);
        let promote = if live.is_some() { Promote::Manual } else { Promote::WhenReady };
        let wanted = Deploy { upcasters: chain, promote, ..Deploy::new(projector) };
        let version = once(client, async |client| client.deploy(name, &wanted).await).await?;
        let version = deploy::wait(client, version).await?.into_value();
        self.let_go(tried, live).await?;
        let Version { version: number, state, fault, .. } = version;
        output.line(format_args!("{name} version {number}: {state}"))?;
        if let Some(fault) = fault {
            anyhow::bail!("version {number} stopped: {}", fault.message);
        }
        if let (Some(live), State::Ready) = (live, &state) {
            diff::show(client, output, name, live, number).await?;
            note(format_args!("make it live: kinora promote {name} {number}"));
        }
        Ok(number)
    }

    /// Ends the version of the round before, unless somebody has made it live meanwhile.
    async fn let_go(&self, tried: Option<u32>, live: Option<u32>) -> anyhow::Result<()> {
        let Some(tried) = tried.filter(|tried| Some(*tried) != live) else { return Ok(()) };
        let state = self.client.version(self.name, tried).await?.into_value().state;
        match state {
            State::Live | State::Standby => {}
            state if state.is_gone() => {}
            _ => drop(self.client.abort(self.name, tried, &Change::default()).await?),
        }
        Ok(())
    }
}

/// The files of a project that are written by hand.
fn files(folder: &Path) -> Seen {
    let mut seen = Seen::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let is_hidden = name.to_string_lossy().starts_with('.');
            let Ok(about) = entry.metadata() else { continue };
            let is_made = path.extension().is_some_and(|extension| ENDINGS.iter().any(|ending| extension == *ending));
            if is_hidden || is_made || LEFT_OUT.iter().any(|left_out| name == *left_out) {
                continue;
            }
            if about.is_dir() {
                folders.push(path);
            } else if let Ok(written) = about.modified() {
                seen.insert(path, written);
            }
        }
    }
    seen
}
