//! Access to one host: who shows what, and whether files have changed since.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use crate::key::Key;
use crate::key_file::{Error as KeyError, KeyFile, Record};
use crate::principal::Principal;
use crate::token::{Issuer, TokenError, Tokens};

/// Who is let in.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Those with a key in this file.
    pub keys: Option<PathBuf>,
    /// Those with a token of this issuer.
    pub tokens: Option<Tokens>,
}

/// Why nobody is known by what they have shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("the API key is not known, or it was revoked")]
    Key,
    #[error("the API key or token has expired")]
    Expired,
    #[error("{0}")]
    Token(String),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Tokens(#[from] TokenError),
}

/// Who is let in, as the files say it now.
#[derive(Default)]
pub struct Access {
    keys: Option<KeyFile>,
    tokens: Option<Tokens>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// As they were read last: a file is as it was while its bytes are.
    key_bytes: Vec<u8>,
    token_bytes: Vec<u8>,
    keys: BTreeMap<String, KnownKey>,
    issuer: Option<Issuer>,
}

struct KnownKey {
    record: Record,
    hash: [u8; 32],
    principal: Arc<Principal>,
}

impl Access {
    /// Everybody may do everything.
    pub fn off() -> Self {
        Self::default()
    }

    /// Reads all files. One that is not there yet has no keys.
    pub fn open(options: Options) -> Result<Self, Error> {
        let Options { keys, tokens } = options;
        let access = Self { keys: keys.map(KeyFile::new), tokens, known: RwLock::default() };
        access.read_keys()?;
        access.read_issuer()?;
        Ok(access)
    }

    pub fn is_on(&self) -> bool {
        self.keys.is_some() || self.tokens.is_some()
    }

    /// Whether there is anybody who could be let in.
    pub fn knows_anybody(&self) -> bool {
        self.tokens.is_some() || !self.known().keys.is_empty()
    }

    /// Who shows this key or token.
    pub fn principal(&self, shown: &str) -> Result<Arc<Principal>, Unknown> {
        let known = self.known();
        let principal = match shown.parse::<Key>() {
            Ok(key) => {
                let kept = known.keys.get(&key.id).filter(|kept| key.is(&kept.hash));
                Arc::clone(&kept.ok_or(Unknown::Key)?.principal)
            }
            Err(_) => match &known.issuer {
                Some(issuer) => Arc::new(issuer.principal(shown).map_err(Unknown::Token)?),
                None => return Err(Unknown::Key),
            },
        };
        if principal.is_gone() { Err(Unknown::Expired) } else { Ok(principal) }
    }

    /// Looks whether files have changed. One that cannot be read, or is gone, is as it was, and that is said aloud:
    /// nobody is let in or shut out by a disk. Blocks.
    pub fn refresh(&self) {
        if let Err(error) = self.read_keys() {
            tracing::error!(%error, "the keys are as they were");
        }
        if let Err(error) = self.read_issuer() {
            tracing::error!(%error, "the issuer's keys are as they were");
        }
    }

    fn read_keys(&self) -> Result<(), KeyError> {
        let Some(file) = &self.keys else { return Ok(()) };
        let Some(bytes) = file.bytes()? else {
            if !self.known().keys.is_empty() {
                tracing::error!(path = %file.path().display(), "the file of keys is gone: those that were in it count");
            }
            return Ok(());
        };
        if self.known().key_bytes == bytes {
            return Ok(());
        }
        let records = file.read(&bytes)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut known.keys);
        for (id, record) in records {
            let mut hash = [0; 32];
            if hex::decode_to_slice(&record.hash, &mut hash).is_err() {
                tracing::error!(id, "the key's hash is none: nobody is known by it");
                continue;
            }
            let principal = match before.remove(&id) {
                Some(same) if same.record == record => same.principal,
                changed => {
                    changed.iter().for_each(|old| old.principal.revoke());
                    let (name, scope) = (format!("key:{}", record.name), record.scope.clone());
                    Arc::new(Principal::new(name, record.roles.clone(), scope, record.expires))
                }
            };
            known.keys.insert(id, KnownKey { record, hash, principal });
        }
        for (id, gone) in before {
            gone.principal.revoke();
            tracing::info!(id, name = gone.record.name, "a key was revoked");
        }
        known.key_bytes = bytes;
        Ok(())
    }

    fn read_issuer(&self) -> Result<(), TokenError> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        let bytes = match std::fs::read(&tokens.keys) {
            Ok(bytes) => bytes,
            // They are fetched, and have not come yet.
            Err(cause) if cause.kind() == ErrorKind::NotFound && self.known().issuer.is_none() => return Ok(()),
            Err(cause) => return Err(TokenError::File { path: tokens.keys.clone(), cause: cause.to_string() }),
        };
        if self.known().token_bytes == bytes {
            return Ok(());
        }
        let issuer = Issuer::read(tokens, &bytes)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.issuer = Some(issuer);
        known.token_bytes = bytes;
        Ok(())
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::key_file::NewKey;
    use crate::role::Role;
    use crate::scope::Scope;

    fn file(dir: &std::path::Path) -> KeyFile {
        KeyFile::new(dir.join("access").join("keys.json"))
    }

    fn new(expires: Option<Timestamp>) -> NewKey {
        NewKey { name: "ci".into(), roles: vec![Role::Writer], scope: Scope::default(), expires }
    }

    fn open(file: &KeyFile) -> Access {
        Access::open(Options { keys: Some(file.path().to_owned()), tokens: None }).unwrap()
    }

    #[test]
    fn a_key_is_known_once_it_is_in_the_file_and_until_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        let access = open(&file);
        let key = file.create(new(None)).unwrap();
        assert_eq!(access.principal(&key.reveal()).err(), Some(Unknown::Key));
        access.refresh();
        let principal = access.principal(&key.reveal()).unwrap();
        assert_eq!(principal.name, "key:ci");
        let other = file.create(new(None)).unwrap();
        access.refresh();
        assert!(Arc::ptr_eq(&principal, &access.principal(&key.reveal()).unwrap()), "it has not changed");
        file.revoke(&key.id).unwrap();
        access.refresh();
        assert!(principal.is_gone(), "whoever still has it sees that");
        assert_eq!(access.principal(&key.reveal()).err(), Some(Unknown::Key));
        assert!(access.principal(&other.reveal()).is_ok());
    }

    #[test]
    fn a_secret_of_another_key_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        let (one, two) = (file.create(new(None)).unwrap(), file.create(new(None)).unwrap());
        let secret = two.reveal().rsplit('_').next().unwrap().to_owned();
        assert_eq!(open(&file).principal(&format!("kinora_{}_{secret}", one.id)).err(), Some(Unknown::Key));
    }

    #[test]
    fn a_key_ends_when_it_expires() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        let past = Timestamp::now() - SignedDuration::from_secs(1);
        let key = file.create(new(Some(past))).unwrap();
        assert_eq!(open(&file).principal(&key.reveal()).err(), Some(Unknown::Expired));
    }

    #[test]
    fn a_file_that_breaks_or_goes_away_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        let key = file.create(new(None)).unwrap();
        let access = open(&file);
        std::fs::write(file.path(), "{").unwrap();
        access.refresh();
        assert!(access.principal(&key.reveal()).is_ok());
        std::fs::remove_file(file.path()).unwrap();
        access.refresh();
        assert!(access.principal(&key.reveal()).is_ok());
    }

    #[test]
    fn a_host_does_not_start_with_a_file_that_it_cannot_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        file.create(new(None)).unwrap();
        std::fs::write(file.path(), "{").unwrap();
        assert!(Access::open(Options { keys: Some(file.path().to_owned()), tokens: None }).is_err());
    }
}
