//! Modules of guests, as `make modules` has built them from what their sources say now.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where the guests' packages are.
const GUESTS: [&str; 2] = ["tests/guests", "projections"];

/// What every guest is built from, besides its own package.
const SHARED: [&str; 4] = ["guest-sdk", "wit", "Cargo.toml", "Cargo.lock"];

pub fn module(name: &str) -> Vec<u8> {
    std::fs::read(module_path(name)).unwrap()
}

/// The file of a module. One that is older than any of its sources would test what nobody has in front of them.
pub fn module_path(name: &str) -> PathBuf {
    let package = std::env::current_dir().unwrap();
    let root = package.parent().unwrap();
    let target: PathBuf = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let path = target.join("modules").join(format!("{name}.wasm"));
    let Ok(built) = path.metadata() else { panic!("{} is not there: run make modules", path.display()) };
    let built = built.modified().unwrap();
    let package = GUESTS.map(|folder| root.join(folder).join(name)).into_iter().find(|folder| folder.is_dir()).unwrap();
    for source in SHARED.map(|path| root.join(path)).into_iter().chain([package]) {
        let (changed, file) = newest(&source);
        assert!(changed <= built, "{} is older than {}: run make modules", path.display(), file.display());
    }
    path
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
