//! Profiles: hosts by name, each with the options that commands need for it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Arg, Command};
use toml_edit::Document;

use super::file::{place, values};

/// What a profile may have.
const OPTIONS: [&str; 5] = ["url", "key", "ca", "actor", "output"];

/// Where profiles are, unless `KINORA_PROFILES` says so.
const FILE: &str = "kinora/profiles.toml";

/// The file of profiles of whoever runs the program.
pub fn file() -> anyhow::Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    if let Some(file) = folder("KINORA_PROFILES") {
        return Ok(file);
    }
    let home = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    Ok(home.context("profiles are in ~/.config, and HOME is not set: say KINORA_PROFILES=FILE")?.join(FILE))
}

/// The options of a profile, as in [`super::file::File`].
pub fn read(path: &Path, name: &str, program: &Command) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("profile {name:?} is looked for in {}, which cannot be read", path.display()))?;
    parse(&text, name, program).with_context(|| path.display().to_string())
}

fn parse(text: &str, name: &str, program: &Command) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let document = Document::parse(text)?;
    let known = document.as_table().iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    let profile = document.as_table().get(name).with_context(|| format!("there is no profile {name:?}: {known}"))?;
    let profile = profile.as_table_like().with_context(|| format!("{name} is a table: [{name}]"))?;
    let mut options = Vec::new();
    for (option, item) in profile.iter() {
        let at = || place(text, profile, option);
        let known = program.get_arguments().filter(|known| OPTIONS.iter().any(|may| known.get_long() == Some(may)));
        let Some(known) = known.into_iter().find(|known: &&Arg| known.get_long() == Some(option)) else {
            bail!("{}: there is no such option of profiles; there are {}", at(), OPTIONS.join(", "));
        };
        options.push((option.to_owned(), values(known, item).with_context(at)?));
    }
    Ok(options)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_a_table_of_options() {
        let program = Command::new("kinora").args(["url", "key"].map(|name| Arg::new(name).long(name)));
        let text = "[near]\nurl = \"http://127.0.0.1:7071\"\n[prod]\nurl = \"https://k\"\nkey = \"s\"\nspeed = 3\n";
        let near = parse(text, "near", &program).unwrap();
        assert_eq!(near, [("url".to_owned(), vec!["=http://127.0.0.1:7071".to_owned()])]);
        let error = |name| format!("{:#}", parse(text, name, &program).unwrap_err());
        assert!(error("prod").contains("line 6: speed: there is no such option of profiles"), "{}", error("prod"));
        assert!(error("far").contains("there is no profile \"far\": near, prod"), "{}", error("far"));
    }
}
