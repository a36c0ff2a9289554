//! The SDK that this program has with it: its sources, and the dependencies that they name.

use std::path::Path;

use anyhow::Context;
use toml_edit::{DocumentMut, Item, Table, value};

/// Paths from the root of the repository, and texts.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The workspace that the SDK is part of: its versions are declared there.
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");

/// What a project depends on besides the SDK.
const ALSO: [&str; 2] = ["serde", "serde_json"];

/// Writes the SDK and the contract into a folder.
pub fn write(dir: &Path) -> anyhow::Result<()> {
    for (name, text) in FILES {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The tables of a workspace that has the SDK in it: its package, its dependencies, its lints.
pub fn workspace() -> anyhow::Result<DocumentMut> {
    let whole: DocumentMut = WORKSPACE.parse().context("the workspace of the SDK")?;
    let manifest = FILES.iter().find(|(name, _)| *name == "guest-sdk/Cargo.toml").map(|(_, text)| *text);
    let manifest: DocumentMut = manifest.context("the SDK has no manifest")?.parse().context("the SDK")?;
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
                names.extend(entries.map(|(name, _)| name.trim_end_matches(".workspace").to_owned()));
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
        assert!(FILES.iter().any(|(name, _)| *name == "wit/kinora.wit"));
    }
}
