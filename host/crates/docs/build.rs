//! The list of documents: every Markdown file of `host/docs`, and those beside it that it leads to.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Documents elsewhere in the repository.
const BESIDE: [&str; 6] =
    ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "host/ARCHITECTURE.md", "host/LIMITS.md"];

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../..");
    let root = root.canonicalize()?;
    let mut files: Vec<PathBuf> = BESIDE.iter().map(|path| root.join(path)).collect();
    markdown(&root.join("host/docs"), &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let path = file.strip_prefix(&root).map_err(std::io::Error::other)?.display().to_string();
        writeln!(table, "    ({path:?}, include_str!({:?})),", file.display().to_string())
            .map_err(std::io::Error::other)?;
        println!("cargo::rerun-if-changed={}", file.display());
    }
    table.push(']');
    println!("cargo::rerun-if-changed={}", root.join("host/docs").display());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("documents.rs"), table)
}

fn markdown(dir: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            markdown(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(())
}
