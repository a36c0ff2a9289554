//! `kinora build`: the module of a project.

mod cargo;
mod npm;
mod pip;
mod tool;

use std::path::{Path, PathBuf};

use anyhow::Context;
use kinora_types::Digest;
use serde_json::json;

use super::ecosystem::Ecosystem;
use crate::cli::output::Output;

/// Build the module of a project: NAME.wasm in its folder
///
/// A project is a folder with a Cargo.toml, a package.json or a pyproject.toml, such as `kinora new` makes it. For
/// example: kinora build orders
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where to write the module [default: NAME.wasm in the folder]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// A module that was built.
pub struct Built {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

pub fn run(output: &mut Output, arguments: &Arguments) -> anyhow::Result<()> {
    let Built { path, bytes } = build(&arguments.folder, arguments.to.as_deref())?;
    let digest = Digest::of(&bytes);
    if output.is_json() {
        return output.line(json!({"module": path, "bytes": bytes.len(), "digest": digest}));
    }
    output.line(format_args!("{}: {} KiB, {digest}", path.display(), bytes.len().div_ceil(1024)))
}

/// Builds what is in a folder.
pub fn build(folder: &Path, to: Option<&Path>) -> anyhow::Result<Built> {
    let ecosystem = Ecosystem::of(folder)?;
    let name = ecosystem.name(folder)?;
    let path = to.map_or_else(|| folder.join(format!("{name}.wasm")), Path::to_path_buf);
    match ecosystem {
        Ecosystem::Cargo => cargo::build(folder, &name, &path),
        Ecosystem::Npm => npm::build(folder, &path),
        Ecosystem::Pip => pip::build(folder, &path),
    }?;
    let bytes = std::fs::read(&path).with_context(|| format!("{} was not written", path.display()))?;
    Ok(Built { path, bytes })
}
