//! `kinora new`: a folder with a projector, an upcaster or a decider that builds and passes its test.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, value};

use super::sdk;
use crate::cli::output::{Output, note};

/// Make a project: a folder with a module of your own, a test and sample events, which builds by itself
///
/// It needs Rust and this program, and nothing else of Kinora: the SDK is written beside it. For example: kinora new
/// orders; cd orders; cargo test; kinora build; kinora deploy orders --module orders.wasm
#[derive(clap::Args)]
pub struct Arguments {
    /// What it is called: lower-case letters, digits, `-` and `_`
    #[arg(value_parser = name)]
    name: String,
    /// What the module is
    #[arg(long, value_enum, default_value_t = Kind::Projector)]
    kind: Kind,
    /// The folder to make [default: one with the name, here]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Take the SDK that is there (a folder with a Cargo.toml), and not the one of this program
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Folds events into a read model
    Projector,
    /// Brings events of an old schema to a new one
    Upcaster,
    /// Decides commands
    Decider,
}

/// The files of a kind, with their texts. `NAME` and `TYPE` stand for what it is called.
struct Template {
    source: &'static str,
    events: &'static str,
}

impl Kind {
    fn template(self) -> Template {
        match self {
            Self::Projector => Template {
                source: include_str!("templates/projector.rs.txt"),
                events: include_str!("templates/projector.ndjson"),
            },
            Self::Upcaster => Template {
                source: include_str!("templates/upcaster.rs.txt"),
                events: include_str!("templates/upcaster.ndjson"),
            },
            Self::Decider => Template {
                source: include_str!("templates/decider.rs.txt"),
                events: include_str!("templates/decider.ndjson"),
            },
        }
    }

    /// What comes after the build, as commands.
    fn next(self, name: &str) -> Vec<String> {
        match self {
            Self::Projector => vec![
                "kinora append customer-1 < events.ndjson".to_owned(),
                format!("kinora deploy {name} --module {name}.wasm --wait --promote when-ready"),
                format!("kinora query {name} customers"),
            ],
            Self::Upcaster => vec![
                "kinora append customer-1 < events.ndjson".to_owned(),
                format!("kinora upcasters dry-run {name}.wasm"),
                format!("kinora deploy NAME --module PROJECTOR.wasm --upcaster {name}.wasm --wait"),
            ],
            Self::Decider => vec![
                format!("kinora deciders deploy {name} --module {name}.wasm --promote"),
                format!("kinora decide {name} 1 Place --data '{{\"cents\":1250}}'"),
                format!("kinora deciders state {name} 1"),
            ],
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

/// `order-totals` as the name of a type.
fn type_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split(['-', '_']).map(capital).collect()
}

pub fn run(output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { name, kind, folder, sdk } = arguments;
    let dir = folder.unwrap_or_else(|| PathBuf::from(&name));
    let is_empty = match std::fs::read_dir(&dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => true,
        Err(cause) => return Err(cause).with_context(|| format!("cannot look into {}", dir.display())),
    };
    if !is_empty {
        bail!("{} is not empty: name another folder with --folder, or empty this one", dir.display());
    }
    let sdk = sdk.map(|sdk| checked(&sdk)).transpose()?;
    let template = kind.template();
    let source = template.source.replace("TYPE", &type_name(&name)).replace("NAME", &name);
    for (path, text) in [
        ("Cargo.toml", manifest(&name, sdk.as_deref())?.to_string()),
        ("src/lib.rs", source),
        ("events.ndjson", template.events.to_owned()),
        ("Makefile", include_str!("templates/Makefile.txt").replace("NAME", &name)),
        (".gitignore", format!("/target\n/{name}.wasm\n")),
    ] {
        write(&dir.join(path), &text)?;
    }
    if sdk.is_none() {
        sdk::write(&dir)?;
    }
    output.line(format_args!("{}", dir.display()))?;
    note(format_args!("made {}: what it does is in src/lib.rs, with a test. Now:", dir.display()));
    let build = [format!("cd {}", dir.display()), "cargo test".to_owned(), "kinora build".to_owned()];
    build.into_iter().chain(kind.next(&name)).for_each(|command| note(format_args!("  {command}")));
    Ok(())
}

/// The folder of an SDK, from wherever the project is.
fn checked(sdk: &Path) -> anyhow::Result<PathBuf> {
    let whole = sdk.canonicalize().with_context(|| format!("there is no folder {}", sdk.display()))?;
    let manifest = std::fs::read_to_string(whole.join("Cargo.toml")).unwrap_or_default();
    if !manifest.contains("name = \"kinora-sdk\"") {
        bail!("{} is not the SDK: name the folder that has its Cargo.toml", sdk.display());
    }
    Ok(whole)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, text)).with_context(|| format!("cannot write {}", path.display()))
}

/// The manifest of a project, with the SDK beside it or elsewhere.
fn manifest(name: &str, sdk: Option<&Path>) -> anyhow::Result<DocumentMut> {
    let mut document = DocumentMut::new();
    let mut package = Table::new();
    package.insert("name", value(name));
    package.insert("version", value("0.1.0"));
    package.insert("edition", value("2024"));
    document.insert("package", Item::Table(package));
    let mut library = Table::new();
    // The module, and what its test is linked with.
    library.insert("crate-type", value(Array::from_iter(["cdylib", "rlib"])));
    document.insert("lib", Item::Table(library));
    let mut workspace = sdk::workspace()?;
    let versions = workspace.get("workspace").and_then(|workspace| workspace.get("dependencies")).cloned();
    let mut dependencies = Table::new();
    let mut at = InlineTable::new();
    at.insert("path", sdk.map_or_else(|| "guest-sdk".to_owned(), |sdk| sdk.display().to_string()).into());
    dependencies.insert("kinora-sdk", value(at));
    for name in ["serde", "serde_json"] {
        let version = versions.as_ref().and_then(|versions| versions.get(name)).cloned();
        dependencies.insert(name, version.with_context(|| format!("the SDK does not say which {name} it takes"))?);
    }
    document.insert("dependencies", Item::Table(dependencies));
    // One whole: fewer bytes, and faster.
    let mut release = Table::new();
    release.insert("lto", value("fat"));
    release.insert("codegen-units", value(1));
    release.insert("debug", value("line-tables-only"));
    let mut profile = Table::new();
    profile.set_implicit(true);
    profile.insert("release", Item::Table(release));
    document.insert("profile", Item::Table(profile));
    match sdk {
        // It is no part of whatever workspace it is in.
        Some(_) => document.insert("workspace", Item::Table(Table::new())),
        None => workspace.remove("workspace").and_then(|part| document.insert("workspace", part)),
    };
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_for_a_crate_and_a_projection() {
        assert!(["orders", "order-totals", "o2_x"].into_iter().all(|text| name(text).is_ok()));
        assert!(["", "Orders", "2nd", "a b", "../a", "-a"].into_iter().all(|text| name(text).is_err()));
        assert_eq!(["orders", "order-totals", "a_b"].map(type_name), ["Orders", "OrderTotals", "AB"]);
    }
}
