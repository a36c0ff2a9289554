//! A request for a change: who asks, which version has to be live, and the key by which it is known when it comes
//! again.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use kinora_types::Digest;

use crate::record::history::By;
use crate::record::settings::Settings;

/// Requests that a projection knows by their keys, at most; the oldest are forgotten first.
pub const KNOWN_REQUESTS: usize = 256;

/// What is said of a change by whoever wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub by: By,
    /// Only if this version is live now.
    pub expected_live: Option<u32>,
    /// Without one, a request that comes again is another one.
    pub key: Option<RequestKey>,
}

/// The name that a client gives to a request, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    pub key: String,
    /// Of all that says what is asked for.
    pub fingerprint: Digest,
}

impl From<By> for Request {
    fn from(by: By) -> Self {
        Self { by, ..Self::default() }
    }
}

/// A request that was done, as it was answered. It is in the catalog since the change that it asked for is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    key: String,
    fingerprint: Digest,
    at: Timestamp,
    pub outcome: Outcome,
}

/// What a projection was after a request: that much of an answer as a change decides. Everything else in it are figures
/// of the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub live: Option<u32>,
    pub previous: Option<u32>,
    pub settings: Settings,
    /// The last version that there was.
    pub newest: Option<u32>,
}

/// A change, or what came of it when it was asked for the first time.
#[derive(Debug)]
pub enum Done<T> {
    Now(T),
    Before(Outcome),
}

impl Answered {
    pub fn new(key: &RequestKey, outcome: Outcome) -> Self {
        Self { key: key.key.clone(), fingerprint: key.fingerprint, at: Timestamp::now(), outcome }
    }

    pub fn has_key_of(&self, key: &RequestKey) -> bool {
        self.key == key.key
    }

    /// Whether the same is asked for.
    pub fn is_for(&self, key: &RequestKey) -> bool {
        self.fingerprint == key.fingerprint
    }

    pub fn is_older_than(&self, age: Duration) -> bool {
        let elapsed = Timestamp::now().duration_since(self.at);
        elapsed.is_positive() && elapsed.unsigned_abs() > age
    }
}
