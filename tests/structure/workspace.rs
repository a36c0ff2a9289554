//! The workspace as Cargo knows it, and the files that it has.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde::Deserialize;

pub static WORKSPACE: LazyLock<Workspace> = LazyLock::new(Workspace::read);

pub struct Workspace {
    pub root: PathBuf,
    pub packages: Vec<Package>,
}

#[derive(Deserialize)]
pub struct Package {
    pub name: String,
    pub dependencies: Vec<Dependency>,
    pub targets: Vec<Target>,
}

/// A line of a manifest: of `dependencies`, `dev-dependencies` or `build-dependencies`, whatever the platform.
#[derive(Deserialize)]
pub struct Dependency {
    pub name: String,
    /// Only for what is here in the workspace.
    pub path: Option<PathBuf>,
}

/// A library, a program, a test or a bench: what has a file at its root.
#[derive(Deserialize)]
pub struct Target {
    pub src_path: PathBuf,
}

impl Workspace {
    fn read() -> Self {
        #[derive(Deserialize)]
        struct Metadata {
            packages: Vec<Package>,
            workspace_root: PathBuf,
        }
        // Asked for the folder that the test runs in: one that is built into the program may be another checkout.
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let Metadata { packages, workspace_root } = serde_json::from_slice(&output.stdout).unwrap();
        Self { root: workspace_root, packages }
    }

    /// A path as people say it: from the root of the workspace on.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// The files below the folders of source, with one of these endings. What a build leaves is none of them.
    pub fn files(&self, endings: &[&str]) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for folder in ["guest-sdk", "host", "projections", "tests", "wit"] {
            collect(&self.root.join(folder), endings, &mut files);
        }
        files.sort();
        assert!(!files.is_empty());
        files
    }
}

fn collect(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&path, endings, files);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            files.push(path);
        }
    }
}
