//! Requests by the key that their client gave them (`Idempotency-Key`), so that a retry is answered as the first time
//! even if its events have no ids. They are kept for a time, and are no part of the log's truth: nothing else follows
//! from them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rocksdb::CompactionDecision;
use serde::{Deserialize, Serialize};

use kinora_types::{Micros, Position, Revision};

use crate::record::request::Appended;

const VERSION: u8 = 1;

/// A request as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Of what the client sent.
    pub fingerprint: [u8; 32],
    pub time: Micros,
    pub appended: Appended,
}

#[derive(Serialize, Deserialize)]
struct Body {
    fingerprint: [u8; 32],
    time: u64,
    first: u64,
    last: u64,
    streams: Vec<(String, u64)>,
}

impl Answered {
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        let streams = self.appended.streams.iter().map(|(stream, revision)| (stream.to_string(), revision.0));
        let body = Body {
            fingerprint: self.fingerprint,
            time: self.time.0,
            first: self.appended.first.0,
            last: self.appended.last.0,
            streams: streams.collect(),
        };
        postcard::to_extend(&body, vec![VERSION])
    }

    /// `None` if these bytes are not what [`Self::encode`] made.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, body) = bytes.split_first()?;
        let (body, rest) = postcard::take_from_bytes::<Body>(body).ok()?;
        if *version != VERSION || !rest.is_empty() {
            return None;
        }
        let stream = |(stream, revision): (String, u64)| Some((stream.parse().ok()?, Revision(revision)));
        Some(Self {
            fingerprint: body.fingerprint,
            time: Micros(body.time),
            appended: Appended {
                first: Position(body.first),
                last: Position(body.last),
                streams: body.streams.into_iter().map(stream).collect::<Option<_>>()?,
                known: 0,
                duplicate: true,
            },
        })
    }

    /// Whether it is older than requests are kept for.
    pub fn expired(&self, now: Micros, kept: Micros) -> bool {
        self.time.0.saturating_add(kept.0) < now.0
    }
}

/// Lets the database forget, whenever it compacts, what is older than requests are kept for.
pub fn drop_expired(kept: Duration) -> impl FnMut(u32, &[u8], &[u8]) -> CompactionDecision + Send + 'static {
    let micros = |time: Duration| Micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    move |_, _, value| {
        let now = micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        match Answered::decode(value) {
            Some(answered) if answered.expired(now, micros(kept)) => CompactionDecision::Remove,
            _ => CompactionDecision::Keep,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn answered() -> Answered {
        let streams = vec![("s".parse().unwrap(), Revision(5))];
        let appended = Appended { first: Position(3), last: Position(300), streams, known: 0, duplicate: true };
        Answered { fingerprint: [7; 32], time: Micros(1_000), appended }
    }

    #[test]
    fn an_answer_is_these_bytes_and_survives_the_round_trip() {
        let bytes = answered().encode().unwrap();
        assert_eq!(hex::encode(&bytes), format!("01{}e80703ac0201017305", "07".repeat(32)));
        assert_eq!(Answered::decode(&bytes), Some(answered()));
        for length in 0..bytes.len() {
            assert_eq!(Answered::decode(&bytes[..length]), None);
        }
        assert_eq!(Answered::decode(&[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn an_answer_is_kept_for_a_time() {
        assert!(!answered().expired(Micros(3_000), Micros(2_000)));
        assert!(answered().expired(Micros(3_001), Micros(2_000)));
    }
}
