//! `kinora build`: the module of a project.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use kinora_types::Digest;
use serde_json::json;

use crate::cli::output::Output;

/// What modules are built for.
const TARGET: &str = "wasm32-unknown-unknown";

/// Build the module of a project: NAME.wasm in its folder
///
/// A project is a folder with a Cargo.toml, such as `kinora new` makes it. For example: kinora build orders
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
    if !folder.join("Cargo.toml").is_file() {
        bail!("{} has no Cargo.toml: name the folder of a project; `kinora new NAME` makes one", folder.display());
    }
    let name = package(folder)?;
    let mut cargo = Command::new("cargo");
    let built = cargo.args(["build", "--release", "--lib", "--target", TARGET]).current_dir(folder).status();
    let built = built.context("cargo cannot be run: install Rust, https://rustup.rs")?;
    if !built.success() {
        let lacks = !has_target();
        let hint = if lacks {
            format!("; its standard library is missing: rustup target add {TARGET}")
        } else {
            String::new()
        };
        bail!("the module was not built (cargo says why above){hint}");
    }
    let artifact = target(folder)?.join(TARGET).join("release").join(format!("{}.wasm", name.replace('-', "_")));
    let bytes = std::fs::read(&artifact).with_context(|| {
        format!(
            "there is no {}: the library has to be a cdylib (crate-type = [\"cdylib\", \"rlib\"])",
            artifact.display()
        )
    })?;
    let path = to.map_or_else(|| folder.join(format!("{name}.wasm")), Path::to_path_buf);
    std::fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Built { path, bytes })
}

/// What Cargo says of a project.
fn metadata(folder: &Path) -> anyhow::Result<serde_json::Value> {
    let mut cargo = Command::new("cargo");
    let said = cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(folder).output();
    let said = said.context("cargo cannot be run: install Rust, https://rustup.rs")?;
    if !said.status.success() {
        bail!("{}", String::from_utf8_lossy(&said.stderr).trim());
    }
    serde_json::from_slice(&said.stdout).context("cargo says what cannot be read")
}

fn target(folder: &Path) -> anyhow::Result<PathBuf> {
    let target = metadata(folder)?;
    Ok(target.get("target_directory").and_then(|dir| dir.as_str()).context("cargo names no folder")?.into())
}

/// What a project is called.
pub fn package(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("Cargo.toml");
    let manifest = std::fs::read_to_string(&path).with_context(|| {
        format!("{} cannot be read: name the folder of a project; `kinora new NAME` makes one", path.display())
    })?;
    let manifest: toml_edit::DocumentMut = manifest.parse().context("Cargo.toml cannot be read")?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml_edit::Item::as_str);
    Ok(name.context("Cargo.toml is not one of a package: name the folder of one")?.to_owned())
}

/// Whether the standard library for modules is there.
fn has_target() -> bool {
    let found = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    found.is_ok_and(|said| Path::new(String::from_utf8_lossy(&said.stdout).trim()).is_dir())
}
