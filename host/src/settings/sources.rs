//! Sources of settings, besides the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

#[derive(Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    /// What of the file is in force: options by their names, limits by theirs.
    pub of_file: BTreeMap<String, String>,
    /// The limits that the environment sets.
    pub of_environment: Vec<String>,
}

impl Sources {
    pub fn file_name(&self) -> String {
        self.file.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }

    /// What of a file is not as it was.
    pub fn changed(&self, now: &Self) -> BTreeSet<String> {
        let names = self.of_file.keys().chain(now.of_file.keys());
        names.filter(|name| self.of_file.get(*name) != now.of_file.get(*name)).cloned().collect()
    }
}
