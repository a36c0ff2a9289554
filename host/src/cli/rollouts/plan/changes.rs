//! Changes: what a host lacks of what a plan's file says, step by step.

use std::path::Path;

use kinora_client::Client;
use kinora_client::api::deciders::{Decider, DeciderState, DeciderVersion, DeployDecider};
use kinora_client::api::projections::SettingsChange;
use kinora_client::api::rollouts::Deploy;
use kinora_client::api::versions::{Promote, Version};

use super::file::{self, File, Named};
use crate::cli::output::short_digest;

/// One change, and how it reads.
pub struct Step {
    /// `projection NAME` or `decider NAME`.
    pub of: String,
    pub lines: Vec<String>,
    pub change: Change,
}

pub enum Change {
    Deploy { name: String, deploy: Deploy, modules: Vec<Named> },
    Set { name: String, settings: SettingsChange },
    DeployDecider { name: String, deploy: DeployDecider, promote: Promote, modules: Vec<Named> },
}

/// What is to be done, and what is otherwise than the file says and left alone.
pub struct Plan {
    pub steps: Vec<Step>,
    pub drift: Vec<String>,
}

impl Plan {
    pub async fn of(client: &Client, path: &Path) -> anyhow::Result<Self> {
        let file = File::read(path)?;
        let mut plan = Self { steps: Vec::new(), drift: Vec::new() };
        let projections = client.projections().await?.into_value().projections;
        for (name, wanted) in &file.projections {
            let found = projections.iter().find(|found| found.name == *name);
            plan.projection(path, name, wanted, found)?;
        }
        for found in projections.iter().filter(|found| !file.projections.contains_key(&found.name)) {
            plan.drift.push(format!("projection {} is there, and not in the file", found.name));
        }
        let deciders = client.deciders().await?.into_value().deciders;
        for (name, wanted) in &file.deciders {
            let found = deciders.iter().find(|found| found.name == *name);
            plan.decider(path, name, wanted, found)?;
        }
        for found in deciders.iter().filter(|found| !file.deciders.contains_key(&found.name)) {
            plan.drift.push(format!("decider {} is there, and not in the file", found.name));
        }
        Ok(plan)
    }

    fn projection(
        &mut self,
        path: &Path,
        name: &str,
        wanted: &file::Projection,
        found: Option<&kinora_client::api::projections::Projection>,
    ) -> anyhow::Result<()> {
        let modules = named(path, &wanted.module, &wanted.upcasters)?;
        let newest = found.and_then(|found| found.newest_there());
        let is_there = newest.is_some_and(|newest| is_made_of(&modules, newest));
        if !is_there {
            let before = newest.map(|newest| (newest.version, made_of(newest)));
            let deploy = Deploy {
                upcasters: modules.iter().skip(1).map(|module| module.digest).collect(),
                promote: wanted.promote,
                gates: wanted.gates.clone(),
                expected_live: found.and_then(|found| found.live),
                ..Deploy::new(modules.first().map_or_else(|| kinora_types::Digest::of(&[]), |module| module.digest))
            };
            let lines = deploy_lines(&modules, before, wanted.promote);
            let change = Change::Deploy { name: name.to_owned(), deploy, modules };
            self.steps.push(Step { of: format!("projection {name}"), lines, change });
        } else if let (Some(newest), Some(found)) = (newest, found) {
            if let Some(fault) = &newest.fault {
                self.drift
                    .push(format!("projection {name}: version {} has stopped: {}", newest.version, fault.message));
            } else if found.live != Some(newest.version) {
                let live = found.live.map_or_else(|| "none".to_owned(), |live| format!("version {live}"));
                self.drift.push(format!(
                    "projection {name}: version {} is what the file says, and {live} is live (kinora gates {name})",
                    newest.version
                ));
            }
        }
        let retain = wanted.retain.filter(|retain| found.is_none_or(|found| found.retain != retain.0));
        let on_fault = wanted.on_fault.filter(|on_fault| found.is_none_or(|found| found.on_fault != *on_fault));
        if retain.is_some() || on_fault.is_some() {
            let all =
                |versions: Option<u32>| versions.map_or_else(|| "all".to_owned(), |versions| versions.to_string());
            let mut lines = Vec::new();
            if let Some(retain) = retain {
                let before = found.map_or_else(|| "what is usual".to_owned(), |found| all(found.retain));
                lines.push(format!("~ retain     {before} -> {}", all(retain.0)));
            }
            if let Some(on_fault) = on_fault {
                let before = found.map_or_else(|| "what is usual".to_owned(), |found| found.on_fault.to_string());
                lines.push(format!("~ on fault   {before} -> {on_fault}"));
            }
            let settings = SettingsChange { retain: retain.map(|retain| retain.0), on_fault, expected_live: None };
            let change = Change::Set { name: name.to_owned(), settings };
            self.steps.push(Step { of: format!("projection {name}"), lines, change });
        }
        Ok(())
    }

    fn decider(
        &mut self,
        path: &Path,
        name: &str,
        wanted: &file::Decider,
        found: Option<&Decider>,
    ) -> anyhow::Result<()> {
        let modules = named(path, &wanted.module, &wanted.upcasters)?;
        let versions = found.map(|found| found.versions.as_slice()).unwrap_or_default();
        let there = versions.iter().filter(|version| version.state != DeciderState::Retired);
        let newest = there.max_by_key(|version| version.version);
        let digests: Vec<_> = modules.iter().map(|module| module.digest).collect();
        let of = |version: &DeciderVersion| {
            std::iter::once(version.module).chain(version.upcasters.iter().copied()).collect::<Vec<_>>()
        };
        // Of one that is not live nobody says whether it owns anything.
        let owns = |version: &DeciderVersion| {
            version.state != DeciderState::Live || found.is_some_and(|found| found.owns.is_some() == wanted.owns)
        };
        match newest {
            Some(newest) if of(newest) == digests && owns(newest) => {
                if newest.state != DeciderState::Live {
                    self.drift.push(format!(
                        "decider {name}: version {} is what the file says, and not live (kinora deciders list {name})",
                        newest.version
                    ));
                }
            }
            newest => {
                let before = newest.map(|newest| (newest.version, of(newest)));
                let deploy = DeployDecider {
                    module: modules.first().map_or_else(|| kinora_types::Digest::of(&[]), |module| module.digest),
                    upcasters: digests.iter().skip(1).copied().collect(),
                    owns: wanted.owns,
                };
                let lines = deploy_lines(&modules, before, wanted.promote);
                let change = Change::DeployDecider { name: name.to_owned(), deploy, promote: wanted.promote, modules };
                self.steps.push(Step { of: format!("decider {name}"), lines, change });
            }
        }
        Ok(())
    }
}

/// A module and its upcasters, in this order.
fn named(path: &Path, module: &str, upcasters: &[String]) -> anyhow::Result<Vec<Named>> {
    std::iter::once(module).chain(upcasters.iter().map(String::as_str)).map(|text| file::named(path, text)).collect()
}

fn made_of(version: &Version) -> Vec<kinora_types::Digest> {
    std::iter::once(version.module).chain(version.upcasters.iter().copied()).collect()
}

fn is_made_of(modules: &[Named], version: &Version) -> bool {
    modules.iter().map(|module| module.digest).eq(made_of(version))
}

fn deploy_lines(modules: &[Named], before: Option<(u32, Vec<kinora_types::Digest>)>, promote: Promote) -> Vec<String> {
    let shown = |module: &Named| {
        let digest = short_digest(&module.digest.to_string()).to_owned();
        module.path.as_ref().map_or_else(|| digest.clone(), |path| format!("{digest} ({})", path.display()))
    };
    let (version, had) = before.map_or((None, Vec::new()), |(version, had)| (Some(version), had));
    let mut lines = Vec::new();
    for (at, module) in modules.iter().enumerate() {
        let what = if at == 0 { "module   " } else { "upcaster " };
        match had.get(at) {
            Some(digest) if *digest == module.digest => lines.push(format!("  {what}  {}", shown(module))),
            Some(digest) => {
                lines.push(format!("~ {what}  {} -> {}", short_digest(&digest.to_string()), shown(module)));
            }
            None => lines.push(format!("+ {what}  {}", shown(module))),
        }
    }
    for gone in had.iter().skip(modules.len()) {
        lines.push(format!("- upcaster   {}", short_digest(&gone.to_string())));
    }
    let number = version.map_or(1, |version| version + 1);
    let live = match promote {
        Promote::WhenReady => "goes live when it is ready and its gates are open",
        Promote::Manual => "waits for somebody to promote it",
    };
    lines.push(format!("  a version from {number} on is deployed, and {live}"));
    lines
}
