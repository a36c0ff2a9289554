//! Modules of projects in Python: built by the SDK's own builder, which pip installs into the project's environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use toml_edit::Item;

use super::tool;
use crate::cli::output::note;
use crate::cli::project::ecosystem::{Ecosystem, toml};
use crate::cli::project::sdk;

const LACKING: &str = "install Python, at least 3.11, with venv and pip: https://www.python.org";

/// Builds the module of the guest that `[tool.kinora]` names.
pub fn build(folder: &Path, path: &Path) -> anyhow::Result<()> {
    let python = python(folder)?;
    let contract = sdk::contract()?;
    let out = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    let mut builder = Command::new(python);
    // What is compiled on the way would look like a file that somebody has saved.
    builder.env("PYTHONDONTWRITEBYTECODE", "1").args(["-m", "kinora_sdk.build"]);
    builder.arg(folder).arg("--wit").arg(contract.path()).arg("--out").arg(out);
    tool::run(&mut builder, LACKING)
}

/// The interpreter that has the SDK: that of the project's environment, which is made if the project says where its SDK
/// is; else that of whoever calls.
fn python(folder: &Path) -> anyhow::Result<PathBuf> {
    let environment = std::path::absolute(folder.join(".venv"))?;
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if python.is_file() {
        return Ok(python);
    }
    let manifest = toml(folder, Ecosystem::Pip.manifest())?;
    let declared = manifest.get("tool").and_then(|tool| tool.get("kinora")).and_then(|kinora| kinora.get("sdk"));
    let Some(sdk) = declared.and_then(Item::as_str) else { return Ok("python3".into()) };
    note(format_args!("making {}, with what the project is built and tested with", environment.display()));
    tool::run(Command::new("python3").args(["-m", "venv"]).arg(&environment), LACKING)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable"]);
    pip.arg(format!("{sdk}[build,test]")).current_dir(folder);
    if let Err(cause) = tool::run(&mut pip, LACKING) {
        // The next try begins anew.
        let _ = std::fs::remove_dir_all(&environment);
        return Err(cause);
    }
    Ok(python)
}
