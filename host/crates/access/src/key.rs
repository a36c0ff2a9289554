//! API keys: `kinora_ID_SECRET`, in hexadecimal digits. The id is public, the secret is shown once.

use std::fmt;
use std::io;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a key begins with, so that whoever finds one knows what it is.
const PREFIX: &str = "kinora_";

const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 32;

/// A key as its owner has it. It is never written into a log, an error or a file.
pub struct Key {
    pub id: String,
    secret: [u8; SECRET_BYTES],
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no API key: it begins with {PREFIX}, then comes its id, _ and its secret")]
pub struct InvalidKey;

impl Key {
    /// A new one, of random bytes.
    pub fn random() -> io::Result<Self> {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        Ok(Self { id: hex::encode(id), secret })
    }

    /// What is kept of it. It has the randomness of 32 bytes, so nobody guesses it, however fast the hash is; a slow
    /// one would be paid by each request.
    pub fn hash(&self) -> String {
        hex::encode(self.digest())
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// Whether it is the one of which this hash was kept.
    pub fn is(&self, hash: &[u8; 32]) -> bool {
        self.digest().ct_eq(hash).into()
    }

    /// The whole key, to be shown once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, hex::encode(self.secret))
    }
}

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (id, secret) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(InvalidKey)?;
        let (mut id_bytes, mut bytes) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        hex::decode_to_slice(id, &mut id_bytes).map_err(|_| InvalidKey)?;
        hex::decode_to_slice(secret, &mut bytes).map_err(|_| InvalidKey)?;
        Ok(Self { id: hex::encode(id_bytes), secret: bytes })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_…", self.id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hash(key: &Key) -> [u8; 32] {
        let mut hash = [0; 32];
        hex::decode_to_slice(key.hash(), &mut hash).unwrap();
        hash
    }

    #[test]
    fn a_key_is_known_by_its_hash_and_no_other_is() {
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        let shown: Key = key.reveal().parse().unwrap();
        assert_eq!(shown.id, key.id);
        assert!(shown.is(&hash(&key)) && !other.is(&hash(&key)));
    }

    #[test]
    fn what_is_no_key_is_refused_and_never_shown() {
        let key = Key::random().unwrap().reveal();
        for text in ["", "kinora_", "kinora_12_34", &key[1..], &key[..key.len() - 1], &format!("{key}0"), "kinora_é_é"]
        {
            assert_eq!(text.parse::<Key>().err(), Some(InvalidKey), "{text}");
        }
        let debugged = format!("{:?}", key.parse::<Key>().unwrap());
        assert!(!key.contains(&debugged[debugged.len() - 4..]) && debugged.len() < 30, "{debugged}");
    }
}
