//! The doctor: looks at a data folder, and says what is wrong and what to do. Nothing there is changed, whoever uses it
//! meanwhile.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kinora_files::{SECRET_BYTES, descriptors};
use kinora_log::{Inspection, User, in_use};
use kinora_storage::{RESERVED_BYTES, free_space};
use rustix::fs::{Access, access};
use serde::Deserialize;

use crate::data::DataFolder;

/// Descriptors with which a host starts (half of them are for the tables of the log, the rest for one read model and
/// clients), and with which it need not count them.
pub const LEAST_DESCRIPTORS: u64 = 512;
const ENOUGH_DESCRIPTORS: u64 = 4_096;

/// Free bytes below which a disk is nearly full.
const SCARCE_BYTES: u64 = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Good,
    /// To be known; nothing has to be done.
    Note,
    Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
}

/// As much of the catalog as it takes to know what it calls for.
#[derive(Deserialize)]
struct Catalog {
    projections: BTreeMap<String, Projection>,
}

#[derive(Deserialize)]
struct Projection {
    versions: BTreeMap<u32, Version>,
}

#[derive(Deserialize)]
struct Version {
    module: String,
    upcasters: Vec<String>,
    retired: bool,
    #[serde(default)]
    attempt: u32,
    #[serde(default)]
    fault: Option<serde_json::Value>,
}

/// Looks at the data folder at `path`.
pub fn examine(path: &Path) -> Vec<Finding> {
    let data = DataFolder::at(path);
    let mut found = Findings::default();
    if !found.is_data_folder(&data) {
        return found.0;
    }
    found.permissions(&data);
    found.log(&data);
    found.secret(&data);
    found.catalog(&data);
    found.disk(&data);
    found.descriptors();
    found.put_aside(&data);
    found.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, what: impl Into<String>) {
        self.0.push(Finding { level: Level::Good, what: what.into(), hint: None });
    }

    fn note(&mut self, what: impl Into<String>, hint: &str) {
        self.0.push(Finding { level: Level::Note, what: what.into(), hint: Some(hint.to_owned()) });
    }

    fn wrong(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Finding { level: Level::Wrong, what: what.into(), hint: Some(hint.into()) });
    }

    fn is_data_folder(&mut self, data: &DataFolder) -> bool {
        let path = data.path().display();
        let is_empty = std::fs::read_dir(data.path()).map(|mut entries| entries.next().is_none());
        match is_empty {
            Err(cause) => {
                self.wrong(format!("{path} cannot be read: {cause}"), "name the folder that a host was given");
            }
            Ok(_) if data.log().is_dir() => return true,
            Ok(true) => {
                self.note(format!("{path} is empty"), "kinora serve makes a data folder of it");
            }
            Ok(false) => self.wrong(
                format!("{path} has no log"),
                "is it the data folder of a host? A log that was put aside is in repairs/, and one of a backup is \
                 restored by kinora backup restore",
            ),
        }
        false
    }

    fn permissions(&mut self, data: &DataFolder) {
        let folders = [data.path().to_owned(), data.log(), data.modules(), data.read_models()];
        let ways = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
        let mut closed = folders.iter().filter(|folder| folder.exists() && access(*folder, ways).is_err()).peekable();
        if closed.peek().is_none() {
            return self.good("this user may read and write the folders");
        }
        for folder in closed {
            let hint = "a host runs as the user whose folder it is: change the user, or the owner (chown -R)";
            self.wrong(format!("this user may not write {}", folder.display()), hint);
        }
    }

    fn log(&mut self, data: &DataFolder) {
        let user = in_use(&data.log());
        if let Some(User(process)) = user {
            let who = process.map_or_else(String::new, |process| format!(" (process {process})"));
            self.note(format!("a host is at work here{who}"), "another one cannot start before it is stopped");
        }
        let log = match Inspection::open(&data.log()) {
            Ok(log) => log,
            Err(error) => {
                let hint = "kinora log repair says what can be saved; backups are restored by kinora backup restore";
                return self.wrong(error.to_string(), hint);
            }
        };
        match (log.format(), &log.journal().damage) {
            (None, _) => self.note("the log was not made to its end", "it is made when a host starts"),
            (Some(_), Some(damage)) if user.is_some() => {
                self.note(format!("the journal, beside a host at work: {damage}"), "look again once it is stopped");
            }
            (Some(_), Some(damage)) => self.wrong(
                format!("the log's journal is damaged: {damage}"),
                "kinora log repair says what is lost; backups are restored by kinora backup restore",
            ),
            (Some(format), None) => {
                let (events, tables) = (log.journal().upto.0, log.tables().0);
                self.good(format!("the log has format {format} and {events} events, {tables} of them in tables"));
            }
        }
        if let Ok(Some(lineage)) = log.lineage()
            && let Some((_, since)) = lineage.iter().skip(1).last()
        {
            let what = format!("the log was restored or repaired; its last life began behind {} events", since.0);
            self.note(what, "what was handed out before, for events behind that, is refused");
        }
    }

    fn secret(&mut self, data: &DataFolder) {
        let path = data.secret();
        match std::fs::metadata(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                self.note("there is no secret.key", "a host makes one, and compiles all modules again");
            }
            Err(cause) => self.wrong(format!("secret.key cannot be read: {cause}"), "see to its permissions"),
            Ok(file) if file.len() != SECRET_BYTES as u64 => {
                self.wrong("secret.key is damaged", "remove it: a host makes one, and compiles all modules again");
            }
            Ok(file) if file.permissions().mode() & 0o077 != 0 => {
                self.wrong("others may read secret.key, and sign machine code with it", "chmod 600, or remove it");
            }
            Ok(_) => self.good("secret.key is there, and private"),
        }
    }

    fn catalog(&mut self, data: &DataFolder) {
        let catalog = match std::fs::read(data.catalog()) {
            Ok(bytes) => match serde_json::from_slice::<Catalog>(&bytes) {
                Ok(catalog) => catalog,
                Err(cause) => {
                    let hint = "take the one of a backup (hosts/NUMBER/projections.json), or deploy anew without it";
                    return self.wrong(format!("projections.json cannot be read: {cause}"), hint);
                }
            },
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Catalog { projections: BTreeMap::new() },
            Err(cause) => {
                return self.wrong(format!("projections.json cannot be read: {cause}"), "see to its permissions");
            }
        };
        let (mut folders, mut versions) = (Vec::new(), 0);
        for (name, projection) in &catalog.projections {
            for (number, version) in projection.versions.iter().filter(|(_, version)| !version.retired) {
                versions += 1;
                folders.push(format!("{name}/{}", folder(*number, version.attempt)));
                for digest in std::iter::once(&version.module).chain(&version.upcasters) {
                    if !data.modules().join(digest).join("source.wasm").is_file() {
                        let hint = "upload it again: the same bytes have the same digest";
                        self.wrong(format!("version {number} of {name} lacks its module {digest}"), hint);
                    }
                }
                if version.fault.is_some() {
                    let hint = "kinora status says where and why";
                    self.note(format!("version {number} of {name} stopped at a fault"), hint);
                }
            }
        }
        let unknown: Vec<_> = read_models(data).into_iter().filter(|found| !folders.contains(found)).collect();
        for name in &unknown {
            self.wrong(
                format!("the read model {name} is of a version that projections.json does not have"),
                "if projections.json is the right one, remove the folder; otherwise put the right one back",
            );
        }
        if unknown.is_empty() {
            let count = catalog.projections.len();
            self.good(format!("projections.json has projections: {count}, versions that are kept: {versions}"));
        }
    }

    fn disk(&mut self, data: &DataFolder) {
        match free_space(data.path()) {
            None => {}
            Some(0) => self.wrong(
                format!("the disk is full but for the {RESERVED_BYTES} bytes that a host keeps in reserve"),
                "free some space: appends are refused until then",
            ),
            Some(free) if free < SCARCE_BYTES => self.wrong(
                format!("the disk is nearly full: {free} bytes are free beyond the reserve"),
                "free some space before appends are refused",
            ),
            Some(free) => self.good(format!("{free} bytes are free on the disk")),
        }
    }

    fn descriptors(&mut self) {
        let hint = "raise the hard limit of the user or the service (ulimit -Hn, LimitNOFILE)";
        match descriptors::most() {
            Some(most) if most < LEAST_DESCRIPTORS => {
                let what = format!("a process may open {most} files at once, and a host needs {LEAST_DESCRIPTORS}");
                self.wrong(what, hint);
            }
            Some(most) if most < ENOUGH_DESCRIPTORS => {
                self.note(format!("a process may open {most} files at once: enough for few read models"), hint);
            }
            _ => self.good("a process may open enough files"),
        }
    }

    fn put_aside(&mut self, data: &DataFolder) {
        if data.path().join("repairs").is_dir() {
            let hint = "repairs/NUMBER/REPORT.txt says what was lost; remove it once nobody needs it";
            self.note("logs that were repaired are put aside in repairs/", hint);
        }
    }
}

/// The folder of a version's read model within that of its projection.
fn folder(number: u32, attempt: u32) -> String {
    if attempt == 0 { number.to_string() } else { format!("{number}.{attempt}") }
}

/// `NAME/FOLDER` of all read models that are there.
fn read_models(data: &DataFolder) -> Vec<String> {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().collect::<Vec<_>>();
    let name = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for projection in entries(&data.read_models()).iter().filter(|entry| !name(entry).starts_with('.')) {
        let folders = entries(&projection.path());
        found.extend(folders.iter().map(|folder| format!("{}/{}", name(projection), name(folder))));
    }
    found.sort();
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use kinora_log::{Limits, Log};
    use kinora_storage::Storage;

    use super::*;

    fn wrong(data: &DataFolder) -> Vec<String> {
        let found = examine(data.path()).into_iter().filter(|finding| finding.level == Level::Wrong);
        // How full this machine's disk is, and what it allows, is no matter here.
        found.map(|finding| finding.what).filter(|what| !what.contains("disk") && !what.contains("files")).collect()
    }

    #[test]
    fn what_is_wrong_is_named_and_a_sound_folder_has_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataFolder::claim(dir.path()).unwrap();
        assert!(wrong(&data).is_empty());
        assert!(wrong(&DataFolder::at(dir.path().join("gone")))[0].contains("cannot be read"));
        drop(Log::open(&Storage::default(), &data.log(), Limits::default()).unwrap());
        kinora_files::secret(&data.secret()).unwrap();
        assert!(wrong(&data).is_empty(), "{:?}", wrong(&data));

        std::fs::create_dir_all(data.read_models().join("ontime/3")).unwrap();
        std::fs::write(data.secret(), b"short").unwrap();
        let found = wrong(&data);
        assert_eq!(found[0], "secret.key is damaged");
        assert!(found[1].contains("ontime/3 is of a version that projections.json does not have"), "{found:?}");

        let version = serde_json::json!({"module": "abc", "upcasters": [], "retired": false});
        let catalog = serde_json::json!({"format": 1, "projections": {"ontime": {"versions": {"3": version}}}});
        std::fs::write(data.catalog(), catalog.to_string()).unwrap();
        assert_eq!(wrong(&data)[1], "version 3 of ontime lacks its module abc");
        std::fs::write(data.catalog(), "{").unwrap();
        assert!(wrong(&data)[1].contains("projections.json cannot be read"));

        std::fs::write(data.log().join("CURRENT"), "nonsense").unwrap();
        assert!(wrong(&data)[0].contains("cannot be opened"), "{:?}", wrong(&data));
    }
}
