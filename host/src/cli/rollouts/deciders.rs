//! `kinora deciders`: versions of rules, which of them decides, and whether they decide as they did.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use kinora_client::api::deciders::{
    Decider, DeciderState, DeciderVersion, DecisionReport, DeployDecider, PromoteDecider,
};
use kinora_client::api::projections::ReadHistory;
use kinora_client::api::rollouts::Change;
use kinora_client::{Answer, Client};

use crate::cli::outcome::{DecidedOtherwise, GatesClosed};
use crate::cli::output::{Output, REQUIRED, clean, note, short_digest, table};
use crate::cli::problems;
use crate::cli::rollouts::uploads::module;

/// How often a host is asked whether a version has proved itself.
const POLL: Duration = Duration::from_millis(100);

/// See and change which rules decide commands
///
/// For example: kinora deciders list
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show all deciders, or the versions of one
    ///
    /// For example: kinora deciders list accounts
    List {
        /// The decider
        name: Option<String>,
    },
    /// Deploy a version of a decider, and wait until it has decided all recorded commands again
    ///
    /// For example: kinora deciders deploy accounts --module accounts.wasm --owns --promote
    Deploy {
        /// The decider; it is made with its first version
        name: String,
        /// The rules: a file of WebAssembly, or the digest of a module that the host has, or the beginning of it
        #[arg(long, value_name = "FILE|DIGEST", help_heading = REQUIRED)]
        module: PathBuf,
        /// Upcasters that it needs, files or digests
        #[arg(long = "upcaster", value_name = "FILE|DIGEST")]
        upcasters: Vec<PathBuf>,
        /// Let nobody else append to streams of its category
        #[arg(long)]
        owns: bool,
        /// Have it decide once it is ready, if it decides all recorded commands as they were decided
        #[arg(long)]
        promote: bool,
    },
    /// Show what a promotion of a version would ask, and what does not hold yet
    ///
    /// Ends with 3 if a gate is closed. For example: kinora deciders gates accounts 2
    Gates {
        /// The decider
        name: String,
        /// The version
        version: u32,
    },
    /// Have a version decide, from the next command on
    ///
    /// For example: kinora deciders promote accounts 2
    Promote {
        /// The decider
        name: String,
        /// The version
        version: u32,
        /// The version that has to be live
        #[arg(long, value_name = "VERSION")]
        expect_live: Option<u32>,
        /// Say that it is right where it decides otherwise than was decided
        #[arg(long)]
        accept_differences: bool,
        /// Say that it is right if live projections stop at what it emits
        #[arg(long)]
        accept_stops: bool,
        /// Say that it is right if it does not fold all that was decided: commands of such aggregates fail
        #[arg(long)]
        accept_one_way: bool,
    },
    /// Have the version decide that did before
    ///
    /// For example: kinora deciders rollback accounts
    Rollback {
        /// The decider
        name: String,
        /// The version that has to be live
        #[arg(long, value_name = "VERSION")]
        expect_live: Option<u32>,
    },
    /// Give a version up that is not live
    ///
    /// For example: kinora deciders retire accounts 1
    Retire {
        /// The decider
        name: String,
        /// The version
        version: u32,
    },
    /// Decide every recorded command again, each by the version of that time
    ///
    /// Ends with 1 if one comes to something else. For example: kinora deciders audit accounts
    Audit {
        /// The decider
        name: String,
    },
    /// Show commands that were rejected lately, the last one first
    ///
    /// For example: kinora deciders rejections accounts
    Rejections {
        /// The decider
        name: String,
    },
    /// Show the state of an aggregate, as the live version folds it
    ///
    /// For example: kinora deciders state accounts 1
    State {
        /// The decider
        name: String,
        /// The id of the aggregate
        id: String,
        /// After the event at this position
        #[arg(long)]
        position: Option<u64>,
    },
    /// Show who did what with a decider, when and why
    ///
    /// For example: kinora deciders history accounts
    History {
        /// The decider
        name: String,
    },
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::List { name: None } => list(client, output).await,
        Command::List { name: Some(name) } => shown(output, &client.decider(&name).await?),
        Command::Deploy { name, module, upcasters, owns, promote } => {
            let version = deploy(client, &name, &module, &upcasters, owns).await?;
            if promote {
                let promote = PromoteDecider { version, ..PromoteDecider::default() };
                return shown(output, &client.promote_decider(&name, &promote).await?);
            }
            shown(output, &client.decider(&name).await?)
        }
        Command::Gates { name, version } => gates(client, output, &name, version).await,
        Command::Promote { name, version, expect_live, accept_differences, accept_stops, accept_one_way } => {
            let expected_live = expect_live;
            let promote = PromoteDecider { version, expected_live, accept_differences, accept_stops, accept_one_way };
            shown(output, &client.promote_decider(&name, &promote).await?)
        }
        Command::Rollback { name, expect_live } => {
            let change = Change { expected_live: expect_live };
            shown(output, &client.roll_back_decider(&name, &change).await?)
        }
        Command::Retire { name, version } => shown(output, &client.retire_decider(&name, version).await?),
        Command::Audit { name } => audit(client, output, &name).await,
        Command::Rejections { name } => rejections(client, output, &name).await,
        Command::State { name, id, position } => {
            let answer = client.aggregate(&name, &id, position).await?;
            match output.is_json() {
                true => output.json(answer.text()),
                false => output.line(clean(answer.state.get())),
            }
        }
        Command::History { name } => history(client, output, &name).await,
    }
}

async fn deploy(
    client: &Client,
    name: &str,
    rules: &std::path::Path,
    upcasters: &[PathBuf],
    owns: bool,
) -> anyhow::Result<u32> {
    let rules = module(client, rules).await?.digest;
    let mut of_upcasters = Vec::new();
    for upcaster in upcasters {
        of_upcasters.push(module(client, upcaster).await?.digest);
    }
    deployed(client, name, &DeployDecider { module: rules, upcasters: of_upcasters, owns }).await
}

/// Deploys a version, waits until it has proved itself, and gives its number.
pub async fn deployed(client: &Client, name: &str, deploy: &DeployDecider) -> anyhow::Result<u32> {
    let mut decider = client.deploy_decider(name, deploy).await?;
    let version = decider.versions.last().map_or(0, |version| version.version);
    loop {
        let found = decider.versions.iter().find(|found| found.version == version);
        match found {
            Some(DeciderVersion { state: DeciderState::Proving, .. }) => tokio::time::sleep(POLL).await,
            Some(DeciderVersion { state: DeciderState::Faulted, reason, .. }) => {
                anyhow::bail!("version {version} is faulted: {}", clean(reason.as_deref().unwrap_or_default()))
            }
            found => {
                if let Some(report) = found.and_then(|found| found.report.as_ref()) {
                    note(format_args!("version {version}: {}", summed(report)));
                }
                return Ok(version);
            }
        }
        decider = client.decider(name).await?;
    }
}

async fn gates(client: &Client, output: &mut Output, name: &str, version: u32) -> anyhow::Result<()> {
    let checklist = client.decider_gates(name, version).await?;
    if output.is_json() {
        output.json(checklist.text())?;
    } else {
        output.table(&problems::gates(&checklist.gates))?;
    }
    output.flush()?;
    if checklist.passed { Ok(()) } else { Err(GatesClosed.into()) }
}

async fn list(client: &Client, output: &mut Output) -> anyhow::Result<()> {
    let answer = client.deciders().await?;
    if output.is_json() {
        return output.json(answer.text());
    }
    let mut found = table(&["decider", "live", "versions", "owns"], &[1, 2]);
    for decider in &answer.deciders {
        let live = decider.live.map_or_else(|| "-".to_owned(), |live| live.to_string());
        let (versions, owns) = (decider.versions.len().to_string(), decider.owns.clone().unwrap_or_default());
        found.add_row([decider.name.clone(), live, versions, clean(&owns)]);
    }
    output.table(&found)
}

fn shown(output: &mut Output, decider: &Answer<Decider>) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(decider.text());
    }
    let mut found = table(&["version", "state", "module", "recorded commands"], &[0]);
    for version in &decider.versions {
        let state = format!("{:?}", version.state).to_lowercase();
        let mut report = match (&version.report, &version.reason) {
            (_, Some(reason)) => clean(reason),
            (Some(report), None) => summed(report),
            (None, None) => String::new(),
        };
        if let Some(shadow) = version.shadow.as_ref().filter(|shadow| decided(shadow) > 0) {
            report = format!("{report}; since then {}", compared(shadow));
        }
        if !version.one_way.is_empty() {
            let types = clean(&version.one_way.join(", "));
            report = format!("{report}; no way back once there are events of {types}");
        }
        let module = short_digest(&version.module.to_string()).to_owned();
        found.add_row([version.version.to_string(), state, module, report]);
    }
    output.table(&found)
}

/// A report in a line.
fn summed(report: &DecisionReport) -> String {
    let DecisionReport { events, aggregates, .. } = report;
    format!("{events} events of {aggregates} aggregates folded, {}", compared(report))
}

/// All commands of a report.
fn decided(report: &DecisionReport) -> u64 {
    report.commands + report.rejections.commands
}

/// Those that came to what they had come to.
fn as_they_were(report: &DecisionReport) -> u64 {
    report.same + report.rejections.same
}

/// How commands were decided again.
fn compared(report: &DecisionReport) -> String {
    let DecisionReport { different, rejected, unchanged, unknown, rejections, .. } = report;
    let (all, same) = (decided(report), as_they_were(report));
    if all == 0 {
        return "no commands to decide again".to_owned();
    }
    if same == all {
        return format!("all {all} commands decided as they were");
    }
    let parts = [
        (different + rejections.otherwise, "otherwise"),
        (rejections.accepted, "accepted that were rejected"),
        (*rejected, "rejected"),
        (*unchanged, "unchanged"),
        (unknown + rejections.unknown, "not known"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    format!("{same} of {all} commands decided as they were, {}", parts.collect::<Vec<_>>().join(", "))
}

async fn rejections(client: &Client, output: &mut Output, name: &str) -> anyhow::Result<()> {
    let answer = client.rejections(name).await?;
    if output.is_json() {
        return output.json(answer.text());
    }
    let mut found = table(&["at", "version", "command", "aggregate", "code", "message"], &[1]);
    for one in &answer.rejections {
        let texts = [&one.name, &one.aggregate, &one.code, &one.message].map(|text| clean(text));
        let [command, aggregate, code, message] = texts;
        found.add_row([clean(&one.at), one.version.to_string(), command, aggregate, code, message]);
    }
    output.table(&found)
}

async fn audit(client: &Client, output: &mut Output, name: &str) -> anyhow::Result<()> {
    let report = client.audit_decider(name).await?;
    if output.is_json() {
        output.json(report.text())?;
    } else {
        output.line(summed(&report))?;
        for sample in &report.samples {
            let (aggregate, command, now) = (clean(&sample.aggregate), clean(&sample.name), clean(&sample.now));
            output.line(format_args!("{:>8}  {command} of {aggregate}: {now}", sample.position))?;
        }
    }
    output.flush()?;
    let (commands, differences) = (decided(&report), decided(&report) - as_they_were(&report));
    if differences > 0 { Err(DecidedOtherwise { differences, commands }.into()) } else { Ok(()) }
}

async fn history(client: &Client, output: &mut Output, name: &str) -> anyhow::Result<()> {
    let page = client.decider_history(name, &ReadHistory { from: None, limit: None }).await?;
    crate::cli::rollouts::history::print(client, output, page).await
}
