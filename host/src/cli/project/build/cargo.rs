//! Modules of projects in Rust: built by Cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// What modules are built for.
const TARGET: &str = "wasm32-unknown-unknown";

/// Builds the module of the package with a name, and writes it.
pub fn build(folder: &Path, name: &str, path: &Path) -> anyhow::Result<()> {
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
    std::fs::write(path, &bytes).with_context(|| format!("cannot write {}", path.display()))
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

/// Whether the standard library for modules is there.
fn has_target() -> bool {
    let found = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    found.is_ok_and(|said| Path::new(String::from_utf8_lossy(&said.stdout).trim()).is_dir())
}
