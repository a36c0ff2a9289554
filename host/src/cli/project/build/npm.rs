//! Modules of projects in JavaScript and TypeScript: built by the SDK's own builder, which npm installs.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::tool;
use crate::cli::output::note;
use crate::cli::project::sdk;

const LACKING: &str = "install Node.js, at least 20, with npm: https://nodejs.org";

/// Builds the module of the guest that `main` of the package names. What it is built with is installed if it is not
/// there.
pub fn build(folder: &Path, path: &Path) -> anyhow::Result<()> {
    let builder = folder.join("node_modules/kinora-sdk/bin/kinora-guest.js");
    if !builder.is_file() {
        note(format_args!("installing what {} is built with: npm install", folder.display()));
        let mut npm = Command::new("npm");
        npm.args(["install", "--install-links", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
        tool::run(&mut npm, LACKING)?;
    }
    let contract = sdk::contract()?;
    let out = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    let mut node = Command::new("node");
    node.arg(&builder).arg("build").arg(folder).arg("--wit").arg(contract.path()).arg("--out").arg(out);
    tool::run(&mut node, LACKING)
}
