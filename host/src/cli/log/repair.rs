//! `kinora log repair`: what can be saved of a damaged log.

use std::path::PathBuf;

use kinora_log::{Diagnosis, Repaired, diagnose, repair};
use serde_json::json;

use crate::cli::log::place;
use crate::cli::output::{Output, REQUIRED, clean};

/// Say what is damaged in a log and what would be lost, or go on from what is sound; the host must be stopped
///
/// Without --accept-loss nothing is changed. With it the log as it is goes to DATA/repairs, whole, and one with its
/// sound events takes its place. Restore a backup instead, if there is one with more of them.
/// For example: kinora log repair --data ./data --accept-loss
#[derive(clap::Args)]
pub struct Arguments {
    /// The data folder of a host
    #[arg(long, value_name = "FOLDER", help_heading = REQUIRED)]
    data: PathBuf,
    /// Repair it, and go on without what is lost
    #[arg(long)]
    accept_loss: bool,
}

/// The log is damaged, and nobody has said that it is to be repaired.
#[derive(Debug, thiserror::Error)]
#[error("the log is damaged; --accept-loss goes on from its first {0} events")]
struct Damaged(u64);

pub fn run(output: &mut Output, arguments: &Arguments) -> anyhow::Result<()> {
    let dir = place::of(&arguments.data)?;
    if !arguments.accept_loss {
        let diagnosis = diagnose(&dir)?;
        show(output, &diagnosis, None)?;
        output.flush()?;
        return if diagnosis.is_sound() { Ok(()) } else { Err(Damaged(diagnosis.sound.0).into()) };
    }
    let Repaired { diagnosis, aside } = repair(&dir)?;
    show(output, &diagnosis, aside)
}

fn show(output: &mut Output, diagnosis: &Diagnosis, aside: Option<PathBuf>) -> anyhow::Result<()> {
    let Diagnosis { flaws, sound, .. } = diagnosis;
    let lost = diagnosis.lost().map(|(first, last)| (first.0, last.0));
    if output.is_json() {
        let lost = lost.map(|(first, last)| json!({"first_position": first, "last_position": last}));
        let aside = aside.map(|aside| aside.display().to_string());
        return output.line(json!({"flaws": flaws, "sound_events": sound.0, "lost": lost, "put_aside": aside}));
    }
    for flaw in flaws {
        output.line(clean(flaw))?;
    }
    let count = sound.0;
    output.line(match (lost, flaws.is_empty()) {
        (_, true) => format!("{count} events, nothing is wrong"),
        (Some((first, last)), _) => format!("{count} events are sound; those at positions {first} to {last} are lost"),
        (None, _) => format!("{count} events are sound; none is known to be lost"),
    })?;
    match aside {
        Some(aside) => output.line(format_args!("repaired; the log as it was is in {}", aside.display())),
        None => Ok(()),
    }
}
