//! The file of keys: what is kept of each. It is written by one at a time, and replaced as a whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::pattern::Pattern;
use crate::role::Role;
use crate::scope::Scope;

/// What the file is, for whoever reads it in some years.
const FORMAT: u32 = 1;

/// Bytes of a name: it stands in the history of projections.
const NAME_BYTES: usize = 128;

/// What is kept of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Whose it is. Several keys may have one name, so that a new one can take the place of an old one.
    pub name: String,
    /// SHA-256 of the secret, in hexadecimal digits.
    pub hash: String,
    pub roles: Vec<Role>,
    #[serde(default, skip_serializing_if = "Scope::is_everything")]
    pub scope: Scope,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub name: String,
    pub roles: Vec<Role>,
    pub scope: Scope,
    pub expires: Option<Timestamp>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    /// By id.
    keys: BTreeMap<String, Record>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the keys at {}: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("the keys at {}: {cause}; put the file back from a copy, or remove it and make new keys", path.display())]
    Damaged { path: PathBuf, cause: String },
    #[error("there is no key {0:?}; `kinora keys list` shows them with their ids")]
    UnknownKey(String),
    #[error("{0:?} is no name for a key: it has 1 to {NAME_BYTES} bytes, and no control characters")]
    InvalidName(String),
    #[error("a key needs a role: reader, writer, deployer, operator or admin")]
    NoRole,
    #[error(
        "{0} and streams do not go together: what is deployed is given all events. Leave the streams out, and name \
         projections"
    )]
    Unscoped(Role),
    #[error("tables are those of projections: name a projection, too, or --projection '*'")]
    TablesOfNothing,
}

/// Where keys are kept.
#[derive(Clone, Debug)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All keys by id; none, if there is no file.
    pub fn list(&self) -> Result<BTreeMap<String, Record>, Error> {
        match self.bytes()? {
            None => Ok(BTreeMap::new()),
            Some(bytes) => self.read(&bytes),
        }
    }

    /// The file as it is; `None`, if there is none.
    pub(crate) fn bytes(&self) -> Result<Option<Vec<u8>>, Error> {
        match std::fs::read(&self.0) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(self.failed(cause)),
        }
    }

    pub(crate) fn read(&self, bytes: &[u8]) -> Result<BTreeMap<String, Record>, Error> {
        let damaged = |cause: String| Error::Damaged { path: self.0.clone(), cause };
        let content: Content = kinora_files::unseal(bytes).map_err(|cause| damaged(cause.to_string()))?;
        if content.format != FORMAT {
            return Err(damaged(format!("it has format {}, this program reads {FORMAT}", content.format)));
        }
        Ok(content.keys)
    }

    /// Makes a key. It is shown nowhere but in what this returns.
    pub fn create(&self, new: NewKey) -> Result<Key, Error> {
        let NewKey { name, mut roles, scope, expires } = new;
        if name.is_empty() || name.len() > NAME_BYTES || name.contains(char::is_control) {
            return Err(Error::InvalidName(name));
        }
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() {
            return Err(Error::NoRole);
        }
        let takes_all = |role: &&Role| matches!(role, Role::Deployer | Role::Admin);
        if let Some(role) = roles.iter().find(takes_all).filter(|_| !scope.streams.iter().all(Pattern::is_all)) {
            return Err(Error::Unscoped(*role));
        }
        if !scope.tables.is_empty() && scope.projections.is_empty() {
            return Err(Error::TablesOfNothing);
        }
        let key = Key::random().map_err(|cause| self.failed(cause))?;
        let record = Record { name, hash: key.hash(), roles, scope, created: Timestamp::now(), expires };
        self.change(|keys| {
            keys.insert(key.id.clone(), record);
            Ok(())
        })?;
        Ok(key)
    }

    /// Removes a key. A host that runs knows within two seconds.
    pub fn revoke(&self, id: &str) -> Result<Record, Error> {
        self.change(|keys| keys.remove(id).ok_or_else(|| Error::UnknownKey(id.to_owned())))
    }

    /// Reads, changes and replaces the file; others who change it wait.
    fn change<T>(&self, with: impl FnOnce(&mut BTreeMap<String, Record>) -> Result<T, Error>) -> Result<T, Error> {
        let dir = self.0.parent().unwrap_or(Path::new("."));
        make_private(dir).map_err(|cause| self.failed(cause))?;
        let lock = File::create(dir.join("LOCK")).map_err(|cause| self.failed(cause))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|cause| self.failed(cause.into()))?;
        let mut keys = self.list()?;
        let done = with(&mut keys)?;
        let text = kinora_files::seal(&Content { format: FORMAT, keys }).map_err(|cause| self.failed(cause))?;
        kinora_files::write_durably(&self.0, &text).map_err(|cause| self.failed(cause))?;
        Ok(done)
    }

    fn failed(&self, cause: io::Error) -> Error {
        Error::File { path: self.0.clone(), cause }
    }
}

/// A folder that only its owner looks into.
fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn new(name: &str, roles: &[Role]) -> NewKey {
        NewKey { name: name.into(), roles: roles.to_vec(), scope: Scope::default(), expires: None }
    }

    fn patterns(names: &[&str]) -> Vec<Pattern> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_key_is_made_listed_and_revoked_and_its_secret_is_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::new(dir.path().join("access").join("keys.json"));
        assert!(file.list().unwrap().is_empty());
        let key = file.create(new("ci", &[Role::Writer, Role::Reader, Role::Writer])).unwrap();
        let kept = file.list().unwrap();
        assert_eq!(kept[&key.id].roles, [Role::Reader, Role::Writer]);
        let text = std::fs::read_to_string(file.path()).unwrap();
        let revealed = key.reveal();
        let secret = revealed.rsplit('_').next().unwrap();
        assert!(!text.contains(secret) && text.contains(&key.hash()));
        assert_eq!(file.revoke(&key.id).unwrap().name, "ci");
        assert!(matches!(file.revoke(&key.id), Err(Error::UnknownKey(_))));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_keys() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::new(dir.path().join("access").join("keys.json"));
        file.create(new("ci", &[Role::Reader])).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(file.path()), mode(file.path().parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn two_who_make_keys_at_once_lose_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::new(dir.path().join("access").join("keys.json"));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| file.create(new("k", &[Role::Reader])).unwrap());
            }
        });
        assert_eq!(file.list().unwrap().len(), 8);
    }

    #[test]
    fn what_makes_no_sense_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::new(dir.path().join("keys.json"));
        assert!(matches!(file.create(new("", &[Role::Reader])), Err(Error::InvalidName(_))));
        assert!(matches!(file.create(new("a\nb", &[Role::Reader])), Err(Error::InvalidName(_))));
        assert!(matches!(file.create(new("a", &[])), Err(Error::NoRole)));
        let streams = Scope { streams: patterns(&["a-*"]), ..Scope::default() };
        let deployer = NewKey { scope: streams, ..new("a", &[Role::Deployer]) };
        assert!(matches!(file.create(deployer), Err(Error::Unscoped(Role::Deployer))));
        let tables = Scope { tables: patterns(&["t"]), ..Scope::default() };
        assert!(matches!(
            file.create(NewKey { scope: tables, ..new("a", &[Role::Reader]) }),
            Err(Error::TablesOfNothing)
        ));
        assert!(!file.path().exists());
    }

    #[test]
    fn a_damaged_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::new(dir.path().join("keys.json"));
        for text in ["", "{}", r#"{"format":2,"keys":{}}"#, r#"{"format":1,"keys":{},"more":1}"#] {
            std::fs::write(file.path(), text).unwrap();
            assert!(matches!(file.list(), Err(Error::Damaged { .. })), "{text}");
            assert!(file.create(new("a", &[Role::Reader])).is_err());
            assert_eq!(std::fs::read_to_string(file.path()).unwrap(), text);
        }
    }
}
