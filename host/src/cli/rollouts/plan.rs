//! `kinora plan` and `kinora apply`: what a host is to have, from a file that is reviewed like code.

mod changes;
mod file;

use std::path::PathBuf;

use kinora_client::Client;
use kinora_client::api::deciders::PromoteDecider;
use kinora_client::api::versions::Promote;
use serde_json::json;

use crate::cli::outcome::Faulted;
use crate::cli::output::{Output, note};
use crate::cli::rollouts::once::once;
use crate::cli::rollouts::uploads::module;
use crate::cli::rollouts::{deciders, deploy};
use changes::{Change, Plan, Step};
use file::Named;

/// Show what a host lacks of what a file says, and change nothing
///
/// Ends with 7 if there is anything to change. The file has [projection.NAME] and [decider.NAME] with module,
/// upcasters, promote, gates, retain, on_fault, owns. For example: kinora plan kinora.toml
#[derive(clap::Args)]
pub struct Show {
    /// The file (TOML)
    #[arg(default_value = "kinora.toml")]
    file: PathBuf,
}

/// Have a host be as a file says: upload modules, deploy versions, change settings
///
/// Applied again, it changes nothing. What is not in the file is left alone. For example: kinora apply kinora.toml
#[derive(clap::Args)]
pub struct Apply {
    /// The file (TOML)
    #[arg(default_value = "kinora.toml")]
    file: PathBuf,
    /// Do not wait for versions to be ready
    #[arg(long)]
    no_wait: bool,
}

/// There is something to change.
#[derive(Debug, thiserror::Error)]
#[error("{0} changes are pending; `kinora apply` makes them")]
pub struct Pending(usize);

pub async fn show(client: &Client, output: &mut Output, arguments: Show) -> anyhow::Result<()> {
    let plan = Plan::of(client, &arguments.file).await?;
    print(output, &plan)?;
    output.flush()?;
    match plan.steps.len() {
        0 => {
            note(format_args!("nothing to change: the host is as {} says", arguments.file.display()));
            Ok(())
        }
        pending => Err(Pending(pending).into()),
    }
}

pub async fn apply(client: &Client, output: &mut Output, arguments: Apply) -> anyhow::Result<()> {
    let plan = Plan::of(client, &arguments.file).await?;
    print(output, &plan)?;
    if plan.steps.is_empty() {
        note(format_args!("nothing to change: the host is as {} says", arguments.file.display()));
    }
    for step in plan.steps {
        output.flush()?;
        done(client, output, step, !arguments.no_wait).await?;
    }
    Ok(())
}

fn print(output: &mut Output, plan: &Plan) -> anyhow::Result<()> {
    if output.is_json() {
        let steps = plan.steps.iter().map(|step| json!({"of": step.of, "changes": step.lines}));
        return output.line(json!({"steps": steps.collect::<Vec<_>>(), "drift": plan.drift}));
    }
    for Step { of, lines, .. } in &plan.steps {
        output.line(of)?;
        lines.iter().try_for_each(|line| output.line(format_args!("  {line}")))?;
    }
    plan.drift.iter().for_each(|drift| note(format_args!("{drift}")));
    Ok(())
}

/// Uploads what the host does not have.
async fn upload(client: &Client, modules: &[Named]) -> anyhow::Result<()> {
    for one in modules {
        match &one.path {
            Some(path) => drop(module(client, path).await?),
            None => drop(client.module(&one.digest.to_string()).await?),
        }
    }
    Ok(())
}

async fn done(client: &Client, output: &mut Output, step: Step, waits: bool) -> anyhow::Result<()> {
    match step.change {
        Change::Set { name, settings } => {
            once(client, async |client| client.set(&name, &settings).await).await?;
            said(output, &format!("{}: set", step.of))
        }
        Change::Deploy { name, deploy, modules } => {
            upload(client, &modules).await?;
            let mut version = once(client, async |client| client.deploy(&name, &deploy).await).await?;
            if waits {
                version = deploy::wait(client, version).await?;
            }
            let version = version.into_value();
            said(output, &format!("{} version {}: {}", step.of, version.version, version.state))?;
            match version.fault {
                Some(fault) => Err(Faulted { projection: name, version: version.version, fault }.into()),
                None => Ok(()),
            }
        }
        Change::DeployDecider { name, deploy, promote, modules } => {
            upload(client, &modules).await?;
            let version = deciders::deployed(client, &name, &deploy).await?;
            said(output, &format!("{} version {version}: ready", step.of))?;
            if promote == Promote::WhenReady {
                let expected_live = client.decider(&name).await?.live;
                let wanted = PromoteDecider { version, expected_live, ..PromoteDecider::default() };
                client.promote_decider(&name, &wanted).await?;
                said(output, &format!("{} version {version}: live", step.of))?;
            }
            Ok(())
        }
    }
}

fn said(output: &mut Output, what: &str) -> anyhow::Result<()> {
    if output.is_json() { output.line(json!({"done": what})) } else { output.line(what) }
}
