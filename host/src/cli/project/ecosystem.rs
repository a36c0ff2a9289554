//! The ecosystem of a project: the tools that it is built with, told by the file that says what it is made of.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;
use toml_edit::{DocumentMut, Item};

/// The tools that a project is built with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ecosystem {
    Cargo,
    Npm,
    Pip,
}

/// The files that say what a project is made of.
const MANIFESTS: [(Ecosystem, &str); 3] =
    [(Ecosystem::Cargo, "Cargo.toml"), (Ecosystem::Npm, "package.json"), (Ecosystem::Pip, "pyproject.toml")];

impl Ecosystem {
    /// That of a folder.
    pub fn of(folder: &Path) -> anyhow::Result<Self> {
        let found = MANIFESTS.into_iter().find(|(_, manifest)| folder.join(manifest).is_file());
        let Some((ecosystem, _)) = found else {
            let folder = folder.display();
            bail!(
                "{folder} has no Cargo.toml, package.json or pyproject.toml: name the folder of a project; \
                 `kinora new NAME` makes one"
            );
        };
        Ok(ecosystem)
    }

    /// What the project in a folder is called.
    pub fn name(self, folder: &Path) -> anyhow::Result<String> {
        let of_table = |table: &str| {
            let manifest = toml(folder, self.manifest())?;
            let name = manifest.get(table).and_then(|table| table.get("name")).and_then(Item::as_str);
            anyhow::Ok(name.with_context(|| format!("{} has no [{table}] with a name", self.manifest()))?.to_owned())
        };
        match self {
            Self::Cargo => of_table("package"),
            Self::Pip => of_table("project"),
            Self::Npm => {
                let manifest: Value = serde_json::from_str(&read(folder, self.manifest())?)
                    .with_context(|| format!("{} cannot be read", self.manifest()))?;
                let name = manifest.get("name").and_then(Value::as_str).context("package.json has no name")?;
                // A scope is whose it is, and not what it is called.
                Ok(name.rsplit('/').next().unwrap_or(name).to_owned())
            }
        }
    }

    pub fn manifest(self) -> &'static str {
        MANIFESTS.iter().find(|(ecosystem, _)| *ecosystem == self).map_or("", |(_, manifest)| *manifest)
    }
}

fn read(folder: &Path, manifest: &str) -> anyhow::Result<String> {
    let path = folder.join(manifest);
    std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
}

/// A manifest of a folder that is TOML.
pub fn toml(folder: &Path, manifest: &str) -> anyhow::Result<DocumentMut> {
    read(folder, manifest)?.parse().with_context(|| format!("{manifest} cannot be read"))
}
