//! The SDK inside the program: `kinora new` writes it beside a project, so that the program is all that one needs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let root = root.canonicalize()?;
    let mut files = vec![root.join("guest-sdk/Cargo.toml"), root.join("wit/kinora.wit")];
    sources(&root.join("guest-sdk/src"), &mut files)?;
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
    for watched in ["guest-sdk/src", "guest-sdk/Cargo.toml", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    Ok(())
}

fn sources(dir: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
