//! Projects in Rust.

use std::path::Path;

use anyhow::Context;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, value};

use super::parts::{Kind, Made, Project, type_name};
use crate::cli::project::sdk;

pub fn made(project: &Project<'_>) -> anyhow::Result<Made> {
    let Project { name, kind, sdk } = *project;
    let source = match kind {
        Kind::Projector => include_str!("../templates/rust/projector.txt"),
        Kind::Upcaster => include_str!("../templates/rust/upcaster.txt"),
        Kind::Decider => include_str!("../templates/rust/decider.txt"),
    };
    let files = [
        ("Cargo.toml", manifest(name, sdk)?.to_string()),
        ("src/lib.rs", source.replace("TYPE", &type_name(name)).replace("NAME", name)),
        (".gitignore", format!("/target\n/{name}.wasm\n")),
    ];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
    Ok(Made { files, source: "src/lib.rs".to_owned(), test: vec!["cargo test"] })
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
