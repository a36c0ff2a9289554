//! Modules of guests, as `make modules` has built them from what their sources say now.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where the guests' packages are.
const GUESTS: [&str; 3] = ["tests/guests", "tests/languages", "projections"];

/// What every guest is built from, besides its own package.
const SHARED: [&str; 5] = ["guest-sdk/src", "guest-sdk/Cargo.toml", "wit", "Cargo.toml", "Cargo.lock"];

pub fn module(name: &str) -> Vec<u8> {
    std::fs::read(module_path(name)).unwrap()
}

/// A guest in another language, as `make languages` has built it; nothing, and a word about it, on a machine that has
/// not what it is built with.
pub fn module_in(language: &str, name: &str) -> Option<Vec<u8>> {
    let path = modules().join(format!("{name}.wasm"));
    let found = std::fs::read(&path).ok();
    if found.is_none() {
        eprintln!("NOT RUN for {language}: {} is not there; make languages says what it needs", path.display());
        return found;
    }
    let root = std::env::current_dir().unwrap().parent().unwrap().to_owned();
    let built = path.metadata().unwrap().modified().unwrap();
    let sources = [root.join("guest-sdk").join(language), root.join("wit"), folder(&root, name)];
    for source in sources {
        let (changed, file) = newest(&source);
        assert!(changed <= built, "{} is older than {}: run make languages", path.display(), file.display());
    }
    found
}

/// The file of a module. One that is older than any of its sources would test what nobody has in front of them.
pub fn module_path(name: &str) -> PathBuf {
    let package = std::env::current_dir().unwrap();
    let root = package.parent().unwrap();
    let path = modules().join(format!("{name}.wasm"));
    let Ok(built) = path.metadata() else { panic!("{} is not there: run make modules", path.display()) };
    let built = built.modified().unwrap();
    for source in SHARED.map(|path| root.join(path)).into_iter().chain([folder(root, name)]) {
        let (changed, file) = newest(&source);
        assert!(changed <= built, "{} is older than {}: run make modules", path.display(), file.display());
    }
    path
}

/// The folder of a guest.
fn folder(root: &Path, name: &str) -> PathBuf {
    GUESTS.map(|folder| root.join(folder).join(name)).into_iter().find(|folder| folder.is_dir()).unwrap()
}

/// Where modules are built.
fn modules() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("modules")
}

/// The file below a path that was changed last, and when.
fn newest(path: &Path) -> (SystemTime, PathBuf) {
    let metadata = path.metadata().unwrap();
    if !metadata.is_dir() {
        return (metadata.modified().unwrap(), path.to_owned());
    }
    let entries = std::fs::read_dir(path).unwrap().map(|entry| newest(&entry.unwrap().path()));
    entries.max().unwrap_or((SystemTime::UNIX_EPOCH, path.to_owned()))
}
