//! Files inside the program: the SDKs, of which `kinora new` writes one beside a project, so that the program is all
//! that one needs; and the documents, which the console shows.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What makes the SDKs, without their tests.
const SDKS: [&str; 12] = [
    "guest-sdk/Cargo.toml",
    "guest-sdk/src",
    "guest-sdk/javascript/bin",
    "guest-sdk/javascript/index.d.ts",
    "guest-sdk/javascript/package-lock.json",
    "guest-sdk/javascript/package.json",
    "guest-sdk/javascript/src",
    "guest-sdk/javascript/testing.d.ts",
    "guest-sdk/python/kinora_sdk",
    "guest-sdk/python/pyproject.toml",
    "guest-sdk/python/requirements.txt",
    "wit/kinora.wit",
];

/// What the documents are: `host/docs`, and what it leads to.
const DOCUMENTS: [&str; 8] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "host/ARCHITECTURE.md",
    "host/LIMITS.md",
    "host/clients/README.md",
    "host/docs",
];

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let root = root.canonicalize()?;
    embed(&root, &SDKS, "sdk.rs", |_| true)?;
    embed(&root, &DOCUMENTS, "documents.rs", |path| path.extension().is_some_and(|extension| extension == "md"))
}

/// Writes a table of path and text of each file of these parts of the repository.
fn embed(root: &Path, parts: &[&str], table: &str, is_meant: impl Fn(&Path) -> bool) -> std::io::Result<()> {
    let mut files = Vec::new();
    for part in parts {
        sources(&root.join(part), &mut files)?;
        println!("cargo::rerun-if-changed={}", root.join(part).display());
    }
    files.retain(|file| is_meant(file));
    files.sort();
    let mut text = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(root).map_err(std::io::Error::other)?;
        writeln!(text, "    ({:?}, include_str!({:?})),", name.display().to_string(), file.display().to_string())
            .map_err(std::io::Error::other)?;
    }
    text.push(']');
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join(table), text)
}

/// The files of a path. What Python has compiled is none.
fn sources(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if !path.ends_with("__pycache__") {
            sources(&path, files)?;
        }
    }
    Ok(())
}
