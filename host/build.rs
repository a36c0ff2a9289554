//! The SDKs inside the program: `kinora new` writes one beside a project, so that the program is all that one needs.

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

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let root = root.canonicalize()?;
    let mut files = Vec::new();
    for part in SDKS {
        sources(&root.join(part), &mut files)?;
        println!("cargo::rerun-if-changed={}", root.join(part).display());
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).map_err(std::io::Error::other)?;
        writeln!(table, "    ({:?}, include_str!({:?})),", name.display().to_string(), file.display().to_string())
            .map_err(std::io::Error::other)?;
    }
    table.push(']');
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("sdk.rs"), table)?;
    Ok(())
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
