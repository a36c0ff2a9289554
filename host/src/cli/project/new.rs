//! `kinora new`: a folder with a projector, an upcaster or a decider that builds and passes its test.

mod javascript;
mod parts;
mod python;
mod rust;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::ValueEnum;

use parts::{Kind, Made, Project};

use super::sdk;
use crate::cli::output::{Output, note};

/// Make a project: a folder with a module of your own, a test and sample events, which builds by itself
///
/// It needs the tools of its language and this program, and nothing else of Kinora: the SDK is written beside it. For
/// example: kinora new orders; cd orders; cargo test; kinora build; kinora deploy orders --module orders.wasm
#[derive(clap::Args)]
pub struct Arguments {
    /// What it is called: lower-case letters, digits, `-` and `_`
    #[arg(value_parser = name)]
    name: String,
    /// What the module is
    #[arg(long, value_enum, default_value_t = Kind::Projector)]
    kind: Kind,
    /// What it is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    language: Language,
    /// The folder to make [default: one with the name, here]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Take the SDK that is there (a folder of the language's SDK), and not the one of this program
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Needs Rust
    Rust,
    /// Needs Node.js with npm
    Javascript,
    /// Needs Node.js with npm
    Typescript,
    /// Needs Python with pip
    Python,
}

impl Language {
    fn sdk(self) -> sdk::Sdk {
        match self {
            Self::Rust => sdk::RUST,
            Self::Javascript | Self::Typescript => sdk::JAVASCRIPT,
            Self::Python => sdk::PYTHON,
        }
    }

    fn made(self, project: &Project<'_>) -> anyhow::Result<Made> {
        match self {
            Self::Rust => rust::made(project),
            Self::Javascript => Ok(javascript::made(project, false)),
            Self::Typescript => Ok(javascript::made(project, true)),
            Self::Python => Ok(python::made(project)),
        }
    }
}

/// A name that is one for a crate, and for a projection.
fn name(text: &str) -> Result<String, String> {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let is_name = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_letter) && text.len() <= 64;
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("a name begins with a lower-case letter and has up to 64 of these, digits, `-` and `_`".to_owned())
    }
}

pub fn run(output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { name, kind, language, folder, sdk } = arguments;
    let dir = folder.unwrap_or_else(|| PathBuf::from(&name));
    let is_empty = match std::fs::read_dir(&dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => true,
        Err(cause) => return Err(cause).with_context(|| format!("cannot look into {}", dir.display())),
    };
    if !is_empty {
        bail!("{} is not empty: name another folder with --folder, or empty this one", dir.display());
    }
    let sdk = sdk.map(|sdk| language.sdk().checked(&sdk)).transpose()?;
    let Made { mut files, source, test } = language.made(&Project { name: &name, kind, sdk: sdk.as_deref() })?;
    let makefile = include_str!("templates/Makefile.txt").replace("NAME", &name).replace("TEST", &test.join(" && "));
    files.push(("events.ndjson".to_owned(), kind.events().to_owned()));
    files.push(("Makefile".to_owned(), makefile));
    let fixtures = kind.fixtures().iter();
    files.extend(fixtures.map(|(name, text)| (format!("fixtures/{name}.json"), (*text).to_owned())));
    for (path, text) in files {
        sdk::write_file(&dir.join(path), &text)?;
    }
    if sdk.is_none() {
        language.sdk().write(&dir)?;
    }
    output.line(format_args!("{}", dir.display()))?;
    note(format_args!("made {}: what it does is in {source}, with a test. Now:", dir.display()));
    let enter = format!("cd {}", dir.display());
    let build = [enter].into_iter().chain(["kinora build"].into_iter().chain(test).map(str::to_owned));
    build.chain(kind.next(&name)).for_each(|command| note(format_args!("  {command}")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_for_a_crate_and_a_projection() {
        assert!(["orders", "order-totals", "o2_x"].into_iter().all(|text| name(text).is_ok()));
        assert!(["", "Orders", "2nd", "a b", "../a", "-a"].into_iter().all(|text| name(text).is_err()));
    }
}
