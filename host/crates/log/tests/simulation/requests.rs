//! Requests as a seed draws them: of few streams, types, tags, claims and keys, so that clashes are common.

use fastrand::Rng;
use kinora_log::{AppendRequest, Claim, ClaimKey, Claims, Condition, IdempotencyKey, Item, Selection, StreamAppend};
use kinora_types::{EventType, ExpectedRevision, NewEvent, Position, Revision};
use uuid::Uuid;

const STREAMS: [&str; 4] = ["a", "a-1", "a-2", "b"];
const TYPES: [&str; 2] = ["A", "B"];

#[derive(Default)]
pub struct Requests {
    ids: u128,
    made: Vec<AppendRequest>,
}

impl Requests {
    /// A new one, or one that was made before.
    pub fn draw(&mut self, rng: &mut Rng, head: u64) -> AppendRequest {
        if !self.made.is_empty() && rng.u8(..6) == 0 {
            return self.made[rng.usize(..self.made.len())].clone();
        }
        let request = self.new_one(rng, head);
        // Ids that are new are not looked for, so none of them comes twice.
        if !request.has_new_ids {
            self.made.push(request.clone());
        }
        request
    }

    fn new_one(&mut self, rng: &mut Rng, head: u64) -> AppendRequest {
        let appends = if rng.u8(..4) == 0 { rng.usize(1..4) } else { 1 };
        let appends = (0..appends).map(|_| self.append(rng)).collect();
        let condition = (rng.u8(..6) == 0).then(|| {
            let items = vec![Item::new([TYPES[rng.usize(..2)]], [tag(rng).as_str()]).unwrap()];
            let after = (rng.u8(..4) > 0).then(|| Position(head.saturating_sub(rng.u64(..20))));
            Condition { selection: Selection { items }, after }
        });
        let mut claims = Claims::default();
        if rng.u8(..5) == 0 {
            claims.take.push(claim(rng));
            claims.release.extend(rng.bool().then(|| claim(rng)));
        }
        let key = (rng.u8(..8) == 0)
            .then(|| IdempotencyKey { key: rng.u8(..20).to_string(), fingerprint: [rng.u8(..2); 32] });
        let has_new_ids = rng.u8(..8) == 0;
        AppendRequest { appends, condition, claims, key, has_new_ids }
    }

    fn append(&mut self, rng: &mut Rng) -> StreamAppend {
        let expected = match rng.u8(..10) {
            0 => ExpectedRevision::NoStream,
            1 => ExpectedRevision::Exists,
            2 => ExpectedRevision::Exactly(Revision(rng.u64(..20))),
            _ => ExpectedRevision::Any,
        };
        let events = if rng.u8(..5) == 0 { rng.usize(1..12) } else { 1 };
        let events = (0..events).map(|_| self.event(rng)).collect();
        StreamAppend { stream: STREAMS[rng.usize(..STREAMS.len())].parse().unwrap(), expected, events }
    }

    fn event(&mut self, rng: &mut Rng) -> NewEvent {
        self.ids += 1;
        let bytes = match rng.u8(..60) {
            0 => rng.usize(..200_000),
            1..8 => rng.usize(..12_000),
            _ => rng.usize(..200),
        };
        let metadata = rng.bool().then(|| serde_json::from_str(r#"{"by":"a seed"}"#).unwrap());
        NewEvent {
            id: Uuid::from_u128(self.ids),
            kind: EventType::new(TYPES[rng.usize(..2)], rng.u32(1..3)).unwrap(),
            data: serde_json::from_str(&format!(r#"{{"n":{},"text":"{}"}}"#, self.ids, "x".repeat(bytes))).unwrap(),
            metadata,
            tags: (0..rng.usize(..3)).map(|_| tag(rng).parse().unwrap()).collect(),
        }
    }
}

fn tag(rng: &mut Rng) -> String {
    format!("n:{}", rng.u8(..6))
}

fn claim(rng: &mut Rng) -> Claim {
    let key = ClaimKey::new("seat", &rng.u8(..4).to_string()).unwrap();
    Claim { key, owner: STREAMS[rng.usize(..STREAMS.len())].parse().unwrap() }
}
