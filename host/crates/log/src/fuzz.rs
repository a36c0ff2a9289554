//! The decoders of the log, for fuzzing.

use kinora_types::Position;

use crate::commit::journal;
use crate::read::postings;
use crate::record::answered::Answered;
use crate::record::claims::{self, Claims};
use crate::record::event as record;

/// With a checksum that holds, so that what is behind it is reached.
pub fn record(body: &[u8]) {
    let _ = record::decode(Position(3), &record::signed(Position(3), body));
    let _ = record::decode(Position(3), body);
}

/// A journal of one frame, whose header is right: its numbers, and what it holds.
pub fn journal(bytes: &[u8]) {
    let Some(([epoch, durable, from, upto, blocks], payload)) = bytes.split_first_chunk::<5>() else { return };
    let (durable, from, upto) = (u64::from(*durable), u64::from(*from), u64::from(*upto));
    let numbers = [u64::from(*epoch), durable, from, upto];
    let mut applied = Vec::new();
    if let Ok(recovered) = journal::fuzz::recover(numbers, u64::from(*blocks), payload, &mut applied) {
        assert!(recovered == 2 || recovered > 2 && !applied.is_empty(), "{recovered} after {applied:?}");
    }
}

pub fn postings(bytes: &[u8]) {
    if let Some(positions) = postings::decode(7, bytes) {
        assert!(positions.is_sorted() && positions.first() == Some(&7), "{positions:?}");
        assert_eq!(postings::encode(&positions).ok().and_then(|bytes| postings::decode(7, &bytes)), Some(positions));
    }
}

pub fn claims(bytes: &[u8]) {
    if let Some(claims) = std::str::from_utf8(bytes).ok().and_then(Claims::from_text) {
        assert_eq!(Claims::from_text(&claims.to_text()), Some(claims));
    }
}

pub fn held(bytes: &[u8]) {
    if let Some(held) = claims::decode(bytes) {
        assert_eq!(claims::encode(&held), bytes);
    }
}

pub fn request(bytes: &[u8]) {
    if let Some(answered) = Answered::decode(bytes) {
        assert_eq!(answered.encode().ok().and_then(|bytes| Answered::decode(&bytes)), Some(answered));
    }
}
