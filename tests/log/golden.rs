//! Logs of today's format and the one before, kept as they were written: whatever changes, they must be read as they
//! were meant.
//!
//! `GOLDEN=write cargo test --release --workspace --test log_golden` makes the data anew, for a new format.

use std::path::PathBuf;

use kinora_log::{AppendRequest, Claim, ClaimKey, Claims, Filter, IdempotencyKey, Item, SearchRange, Selection};
use kinora_tests::{copied, event, everything, open, to};
use kinora_types::ExpectedRevision::Any;
use kinora_types::{EventType, Micros, NewEvent, Position};

const EVENTS: u64 = 40;

/// Today's format, and those before that are taken over.
const FORMATS: [u32; 2] = [5, 4];

fn data(format: u32) -> PathBuf {
    PathBuf::from(format!("data/log-format-{format}"))
}

fn claim(value: &str) -> Claim {
    Claim { key: ClaimKey::new("seat", value).unwrap(), owner: "user-1".parse().unwrap() }
}

/// What the log holds: each event a request of its own, of which the third and the last have claims.
fn requests() -> impl Iterator<Item = (AppendRequest, Micros)> {
    (0..EVENTS).map(|n| {
        let kind = EventType::new(if n % 4 == 0 { "Fourth" } else { "Counted" }, 1 + u32::from(n > 20)).unwrap();
        let metadata = (n % 2 == 0).then(|| serde_json::from_str(r#"{"by":"é"}"#).unwrap());
        let event = NewEvent { kind, metadata, ..event(u128::from(n) + 1, n % 5) };
        let claims = match n {
            2 => Claims { take: vec![claim("12A"), claim("12B")], ..Claims::default() },
            39 => Claims { release: vec![claim("12A")], ..Claims::default() },
            _ => Claims::default(),
        };
        let key = (n == 5).then(|| IdempotencyKey { key: "order-5".to_owned(), fingerprint: [5; 32] });
        let appends = vec![to(["car-1", "car-2", "zoo"][n as usize % 3], Any, vec![event])];
        (AppendRequest { claims, key, ..appends.into() }, Micros(1_700_000_000_000_000 + n))
    })
}

#[tokio::test]
async fn a_log_of_a_known_format_is_read_as_it_was_written() {
    if std::env::var("GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::create_dir_all(data(FORMATS[0])).unwrap();
        // Half of it in table files, and half of it in the journal.
        let made = tempfile::tempdir().unwrap();
        let log = open(made.path());
        let mut requests = requests();
        log.import(requests.by_ref().take(20).collect()).unwrap();
        drop(log);
        let log = open(made.path());
        log.import(requests.collect()).unwrap();
        let crashed = copied(made.path());
        for entry in std::fs::read_dir(crashed.path()).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if !["LOCK", "LOG"].iter().any(|other| name.to_string_lossy().starts_with(other)) {
                std::fs::copy(entry.path(), data(FORMATS[0]).join(name)).unwrap();
            }
        }
    }
    for format in FORMATS {
        let dir = copied(&data(format));
        let log = open(dir.path());
        let fresh = tempfile::tempdir().unwrap();
        let expected = open(fresh.path());
        expected.import(requests().collect()).unwrap();
        assert_eq!(everything(&log), everything(&expected));
        let report = log.verify(|_| {}).unwrap();
        assert_eq!(
            (report.events, report.streams, report.claims, report.faults),
            (EVENTS, 3, 1, 0),
            "{:?}",
            report.named
        );
        assert_eq!(log.claim(&claim("12B").key).unwrap().unwrap().since, Position(2));
        assert_eq!(log.claim(&claim("12A").key).unwrap(), None);
        let filter = Filter::from(Selection { items: vec![Item::new(["Fourth"], ["n:2"]).unwrap()] });
        let range = SearchRange {
            from: Position(u64::MAX),
            upto: log.progress(),
            direction: kinora_types::Direction::Backwards,
            limit: 10,
        };
        let found: Vec<_> = log.select(&filter, range).unwrap().events.iter().map(|event| event.position.0).collect();
        assert_eq!(found, [32, 12]);
        assert_eq!(
            log.append(requests().next().unwrap().0).await.unwrap().first,
            Position(0),
            "ids are known for ever"
        );
    }
}
