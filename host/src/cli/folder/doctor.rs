//! `kinora doctor`: what is wrong in a data folder, and what to do.

use std::path::PathBuf;

use kinora_engine::descriptors;
use kinora_engine::doctor::{Finding, Level, examine};
use serde_json::json;

use crate::cli::output::{Output, REQUIRED, clean};

/// Say what is wrong in a data folder, and what to do; nothing there is changed
///
/// A host may be at work in the folder. Exits with 1 if anything is wrong. For example: kinora doctor --data ./data
#[derive(clap::Args)]
pub struct Arguments {
    /// The data folder of a host
    #[arg(long, value_name = "FOLDER", help_heading = REQUIRED)]
    data: PathBuf,
}

/// Something is wrong, and has been told.
#[derive(Debug, thiserror::Error)]
#[error("{0} wrong in the data folder")]
struct Wrong(String);

pub fn run(output: &mut Output, arguments: &Arguments) -> anyhow::Result<()> {
    let _ = descriptors::raise();
    let found = examine(&arguments.data);
    for Finding { level, what, hint } in &found {
        let level = match level {
            Level::Good => "good",
            Level::Note => "note",
            Level::Wrong => "wrong",
        };
        if output.is_json() {
            output.line(json!({"level": level, "what": what, "hint": hint}))?;
            continue;
        }
        output.line(format_args!("{level:<6} {}", clean(what)))?;
        if let Some(hint) = hint {
            output.line(format_args!("       {}", clean(hint)))?;
        }
    }
    output.flush()?;
    match found.iter().filter(|finding| finding.level == Level::Wrong).count() {
        0 => Ok(()),
        1 => Err(Wrong("one thing is".to_owned()).into()),
        more => Err(Wrong(format!("{more} things are")).into()),
    }
}
