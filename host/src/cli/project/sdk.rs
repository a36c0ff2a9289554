//! The SDKs that this program has with it: their sources, and the dependencies that the one for Rust names.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use toml_edit::{DocumentMut, Item, Table, value};

/// Paths from the root of the repository, and texts.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The contract with guests, among these.
const CONTRACT: &str = "wit/kinora.wit";

/// The workspace that the SDK for Rust is part of: its versions are declared there.
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");

/// What a project in Rust depends on besides the SDK.
const ALSO: [&str; 2] = ["serde", "serde_json"];

/// An SDK: where it stands, here and in a project, which of its files tells that it is one, by which words, and where
/// it looks for the contract.
pub struct Sdk {
    folder: &'static str,
    manifest: &'static str,
    says: &'static str,
    contract: &'static str,
}

pub const RUST: Sdk =
    Sdk { folder: "guest-sdk/", manifest: "Cargo.toml", says: "name = \"kinora-sdk\"", contract: "wit/kinora.wit" };
pub const JAVASCRIPT: Sdk = Sdk {
    folder: "guest-sdk/javascript/",
    manifest: "package.json",
    says: "\"name\": \"kinora-sdk\"",
    contract: "guest-sdk/javascript/wit/kinora.wit",
};
pub const PYTHON: Sdk = Sdk {
    folder: "guest-sdk/python/",
    manifest: "pyproject.toml",
    says: "name = \"kinora-sdk\"",
    contract: "guest-sdk/python/wit/kinora.wit",
};

impl Sdk {
    /// Writes this SDK and the contract into a folder.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let is_other = |name: &str| {
            let others = [JAVASCRIPT, PYTHON].into_iter().filter(|other| other.folder != self.folder);
            others.into_iter().any(|other| name.starts_with(other.folder))
        };
        let own = FILES.iter().filter(|(name, _)| name.starts_with(self.folder) && !is_other(name));
        own.map(|(name, text)| (*name, *text))
            .chain([(self.contract, text_of(CONTRACT)?)])
            .try_for_each(|(name, text)| write_file(&dir.join(name), text))
    }

    /// The folder of an SDK of this language, from wherever the project is.
    pub fn checked(&self, sdk: &Path) -> anyhow::Result<PathBuf> {
        let whole = sdk.canonicalize().with_context(|| format!("there is no folder {}", sdk.display()))?;
        let manifest = std::fs::read_to_string(whole.join(self.manifest)).unwrap_or_default();
        if !manifest.contains(self.says) {
            bail!("{} is not the SDK: name the folder that has its {}", sdk.display(), self.manifest);
        }
        Ok(whole)
    }
}

/// The contract of this program, in a folder that is there as long as what this gives.
pub fn contract() -> anyhow::Result<tempfile::TempDir> {
    let dir = tempfile::tempdir().context("cannot make a folder for the contract")?;
    write_file(&dir.path().join("kinora.wit"), text_of(CONTRACT)?)?;
    Ok(dir)
}

fn text_of(name: &str) -> anyhow::Result<&'static str> {
    let found = FILES.iter().find(|(found, _)| *found == name).map(|(_, text)| *text);
    found.with_context(|| format!("this program has no {name} with it"))
}

pub fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, text)).with_context(|| format!("cannot write {}", path.display()))
}

/// The tables of a workspace that has the SDK in it: its package, its dependencies, its lints.
pub fn workspace() -> anyhow::Result<DocumentMut> {
    let whole: DocumentMut = WORKSPACE.parse().context("the workspace of the SDK")?;
    let manifest: DocumentMut = text_of("guest-sdk/Cargo.toml")?.parse().context("the SDK")?;
    let part = |name: &str| whole.get("workspace").and_then(|workspace| workspace.get(name)).cloned();
    let mut workspace = Table::new();
    workspace.insert("resolver", value("3"));
    workspace.insert("members", value(toml_edit::Array::from_iter(["guest-sdk"])));
    for name in ["package", "lints"] {
        workspace.insert(name, part(name).with_context(|| format!("the workspace has no {name}"))?);
    }
    let all = part("dependencies").context("the workspace has no dependencies")?;
    let mut needed = Table::new();
    for name in dependencies(manifest.as_item()).iter().map(String::as_str).chain(ALSO) {
        needed.insert(name, all.get(name).with_context(|| format!("{name} is not declared"))?.clone());
    }
    workspace.insert("dependencies", Item::Table(needed));
    let mut document = DocumentMut::new();
    document.insert("workspace", Item::Table(workspace));
    Ok(document)
}

/// The names in all tables of dependencies of a manifest, those for some targets, too.
fn dependencies(manifest: &Item) -> Vec<String> {
    let mut names = Vec::new();
    let Some(table) = manifest.as_table_like() else { return names };
    for (name, item) in table.iter() {
        match name {
            "dependencies" | "dev-dependencies" => {
                let entries = item.as_table_like().into_iter().flat_map(|entries| entries.iter());
                names.extend(entries.map(|(name, _)| name.to_owned()));
            }
            "target" => {
                let targets = item.as_table_like().into_iter().flat_map(|targets| targets.iter());
                targets.for_each(|(_, target)| names.extend(dependencies(target)));
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_declares_all_that_the_sdk_asks_for() {
        let workspace = workspace().unwrap().to_string();
        for name in ["serde", "serde_json", "schemars", "wit-bindgen", "jiff", "trybuild"] {
            assert!(workspace.contains(&format!("\n{name} = ")), "{name}: {workspace}");
        }
        assert!(workspace.contains("edition = \"2024\"") && !workspace.contains("rocksdb"), "{workspace}");
        assert!(text_of(CONTRACT).unwrap().contains("package kinora:engine@"));
    }

    #[test]
    fn an_sdk_is_written_without_the_others_and_with_the_contract_where_it_looks_for_it() {
        for (sdk, has, has_not) in [
            (RUST, "guest-sdk/src/lib.rs", "guest-sdk/python"),
            (JAVASCRIPT, "guest-sdk/javascript/bin/kinora-guest.js", "guest-sdk/src"),
            (PYTHON, "guest-sdk/python/kinora_sdk/py.typed", "guest-sdk/javascript"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            sdk.write(dir.path()).unwrap();
            assert!(
                dir.path().join(sdk.folder).join(sdk.manifest).is_file() && dir.path().join(sdk.contract).is_file()
            );
            assert!(dir.path().join(has).is_file() && !dir.path().join(has_not).exists(), "{has} {has_not}");
            assert_eq!(
                sdk.checked(&dir.path().join(sdk.folder)).unwrap().file_name(),
                Path::new(sdk.folder).file_name()
            );
        }
    }
}
