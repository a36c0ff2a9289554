//! `kinora status`: where every version stands, once or while it changes.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use kinora_client::Client;
use kinora_client::api::projections::Projection;
use kinora_client::api::versions::{State, Version};

use crate::cli::fault::Described;
use crate::cli::outcome::Faulted;
use crate::cli::output::{Output, clean, duration, note, short_digest, table, width};
use crate::cli::rollouts::bars;

/// How often the host is asked while somebody watches.
const WATCH: Duration = Duration::from_millis(500);

/// How often a line is written where there is no terminal to draw on.
const LINE: Duration = Duration::from_secs(2);

/// Show where the versions of projections stand
///
/// Ends with 5 if the live or the newest version of a projection stopped at a fault.
/// For example: kinora status; until you stop it: kinora status ontime --watch
#[derive(clap::Args)]
pub struct Arguments {
    /// Only this projection
    pub name: Option<String>,
    /// Keep watching, with progress bars, until you stop it
    #[arg(short, long)]
    watch: bool,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let name = arguments.name.as_deref();
    let mut seen = Seen::ask(client, name).await?;
    if arguments.watch && !output.is_json() {
        let mut progress = StatusBars::new();
        loop {
            progress.show(seen.projections.iter().flat_map(|projection| &projection.versions));
            tokio::select! {
                () = tokio::time::sleep(WATCH) => {}
                _ = tokio::signal::ctrl_c() => break,
            }
            seen = Seen::ask(client, name).await?;
        }
        progress.end();
    }
    if output.is_json() {
        output.json(&seen.text)?;
        if arguments.watch {
            return watch_json(client, output, name).await;
        }
    } else {
        print(output, &seen.projections)?;
    }
    output.flush()?;
    let faulted = seen.projections.iter().find_map(Projection::faulted).cloned();
    match faulted.and_then(|version| Some((version.projection, version.version, version.fault?))) {
        Some((projection, version, fault)) => Err(Faulted { projection, version, fault }.into()),
        None => Ok(()),
    }
}

/// A document each time, until somebody stops it.
async fn watch_json(client: &Client, output: &mut Output, name: Option<&str>) -> anyhow::Result<()> {
    loop {
        output.flush()?;
        tokio::time::sleep(WATCH).await;
        output.json(&Seen::ask(client, name).await?.text)?;
    }
}

/// What the host has said of one projection, or of all.
struct Seen {
    text: String,
    projections: Vec<Projection>,
}

impl Seen {
    async fn ask(client: &Client, name: Option<&str>) -> anyhow::Result<Self> {
        Ok(match name {
            Some(name) => {
                let answer = client.projection(name).await?;
                Self { text: answer.text().to_owned(), projections: vec![answer.into_value()] }
            }
            None => {
                let answer = client.projections().await?;
                Self { text: answer.text().to_owned(), projections: answer.into_value().projections }
            }
        })
    }
}

/// The versions of projections as a table; retired ones are history.
fn print(output: &mut Output, projections: &[Projection]) -> anyhow::Result<()> {
    let header = ["projection", "version", "state", "position", "lag", "events/s", "left", "module"];
    let mut found = table(&header, &[1, 3, 4, 5, 6]).spare(&[7, 6, 5]);
    for projection in projections {
        for version in projection.versions.iter().filter(|version| !version.state.is_gone()) {
            let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
            let rate = Some(version.events_per_second).filter(|rate| *rate > 0.0);
            // A faulted version can be the one that answers.
            let live =
                if projection.live == Some(version.version) && version.state != State::Live { " (live)" } else { "" };
            found.add_row([
                projection.name.clone(),
                version.version.to_string(),
                format!("{}{live}{}", version.state, stalled(version)),
                number(version.checkpoint),
                version.lag.to_string(),
                rate.map_or_else(String::new, |rate| format!("{rate:.0}")),
                version.eta_seconds.map_or_else(String::new, duration),
                short_digest(&version.module.to_string()).to_owned(),
            ]);
        }
    }
    if projections.is_empty() {
        note("there is no projection yet: kinora deploy NAME --module FILE");
        return Ok(());
    }
    output.table(&found)?;
    let versions = projections.iter().flat_map(|projection| &projection.versions);
    for version in versions.filter(|version| !version.state.is_gone()) {
        for skipped in &version.skipped {
            let kind = clean(skipped.event_type.as_deref().unwrap_or("of an unknown type"));
            let (name, number, position) = (&version.projection, version.version, skipped.position);
            let reason = clean(&skipped.reason);
            output.line(format_args!("\n{name} version {number} skipped event {position} ({kind}): {reason}"))?;
        }
        if let Some(fault) = &version.fault {
            output.line(format_args!(
                "\n{} version {} stopped:\n{}",
                version.projection,
                version.version,
                Described(fault)
            ))?;
        }
    }
    Ok(())
}

/// Bars on a terminal, and a line now and then elsewhere.
pub struct StatusBars {
    bars: Option<MultiProgress>,
    drawn: Vec<(u32, String, ProgressBar)>,
    last_line: Option<Instant>,
}

impl StatusBars {
    pub fn new() -> Self {
        let bars = std::io::stderr().is_terminal();
        let bars = bars.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars, drawn: Vec::new(), last_line: None }
    }

    pub fn show<'a>(&mut self, versions: impl Iterator<Item = &'a Version>) {
        let versions = versions.filter(|version| !version.state.is_gone());
        match &self.bars {
            Some(bars) => {
                for version in versions {
                    let known = self
                        .drawn
                        .iter()
                        .find(|(number, name, _)| *number == version.version && *name == version.projection);
                    let bar = match known {
                        Some((_, _, bar)) => bar.clone(),
                        None => {
                            let bar = bars.add(ProgressBar::new(0).with_style(style()));
                            self.drawn.push((version.version, version.projection.clone(), bar.clone()));
                            bar
                        }
                    };
                    bar.set_message(line(version));
                }
            }
            None => {
                if self.last_line.is_none_or(|last| last.elapsed() >= LINE) {
                    self.last_line = Some(Instant::now());
                    for version in versions {
                        let of = events(version);
                        let (name, number, applied) = (&version.projection, version.version, version.applied);
                        note(format_args!("{name} {number}: {applied}/{of} {}", describe(version)));
                    }
                }
            }
        }
    }

    pub fn end(&mut self) {
        for (_, _, bar) in self.drawn.drain(..) {
            bar.finish_and_clear();
        }
    }
}

/// Events that a version goes through.
fn events(version: &Version) -> u64 {
    version.head.map_or(0, |head| (head + 1).saturating_sub(version.start))
}

/// The whole line is ours, so that it fits.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn line(version: &Version) -> String {
    let of = events(version);
    let applied = format!("{}/{}", HumanCount(version.applied), HumanCount(of));
    let said = describe(version);
    let (state, rest) = said.split_once(", ").unwrap_or((&said, ""));
    let said = [state, &applied].into_iter().chain(rest.split(", ").filter(|part| !part.is_empty()));
    let name = format!("{} {}", version.projection, version.version);
    // A terminal goes on to the next line behind its last column.
    bars::line(&name, version.applied as f64 / of.max(1) as f64, said, width() - 1)
}

fn stalled(version: &Version) -> String {
    version.stalled_seconds.map_or_else(String::new, |seconds| format!(", stalled for {}", duration(seconds as f64)))
}

fn describe(version: &Version) -> String {
    let mut text = format!("{}{}", version.state, stalled(version));
    if version.state == State::Validating {
        text.push_str(&match version.validation {
            None => " (its modules are being compiled)".to_owned(),
            Some(at) => format!(" (way {} of {}, {} of {} events of a sample)", at.way, at.ways, at.events, at.of),
        });
    }
    let rate = version.events_per_second;
    if rate > 0.0 {
        text.push_str(&format!(", {rate:.0} events/s"));
    }
    if let Some(seconds) = version.eta_seconds {
        text.push_str(&format!(", {} left", duration(seconds)));
    }
    text
}
