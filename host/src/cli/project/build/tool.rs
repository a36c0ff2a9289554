//! Tools of a language, as they are run to build a module.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Runs a tool, which says on stderr what goes wrong. What it has to say besides is not what was asked for.
/// `lacking`: what to do if it is not there.
pub fn run(tool: &mut Command, lacking: &str) -> anyhow::Result<()> {
    let program = tool.get_program().to_string_lossy().into_owned();
    let status = tool.stdout(Stdio::null()).status().with_context(|| format!("{program} cannot be run: {lacking}"))?;
    if !status.success() {
        bail!("the module was not built ({program} says why above)");
    }
    Ok(())
}
