//! The conformance suite: what a log promises, asked of one on each commit log that there is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use kinora_storage::Storage;
use kinora_types::{Direction, EventType, ExpectedRevision, NewEvent, Position, Progress, Revision};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    AppendError, AppendRequest, Claim, ClaimKey, Claims, Condition, Durability, IdempotencyKey, Item, Log, Options,
    Recorded, Rejection, Selection, StreamAppend,
};
use ExpectedRevision::{Any, Exactly, Exists, NoStream};

/// Longer than any test takes.
const NEVER: Durability = Durability::Interval(3_600_000);

/// Where a log can be.
trait Home {
    /// Whether a log that was closed is there again.
    const KEEPS: bool;

    fn new() -> Self;

    fn open(&self, durability: Durability) -> Log;
}

struct OnDisk(TempDir);

impl Home for OnDisk {
    const KEEPS: bool = true;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self, durability: Durability) -> Log {
        Log::open(&Storage::default(), self.0.path(), Options { durability, ..Options::default() }).unwrap()
    }
}

struct InMemory;

impl Home for InMemory {
    const KEEPS: bool = false;

    fn new() -> Self {
        Self
    }

    fn open(&self, durability: Durability) -> Log {
        Log::in_memory(&Storage::default(), Options { durability, ..Options::default() }).unwrap()
    }
}

macro_rules! conforms {
    ($($promise:ident),+ $(,)?) => {
        mod journal {
            use super::Home;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { super::$promise(super::OnDisk::new()).await })+
        }
        mod memory {
            use super::Home;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { super::$promise(super::InMemory::new()).await })+
        }
    };
}

conforms!(
    what_is_appended_is_read_in_order_and_without_a_gap,
    an_expected_revision_holds_just_when_it_says,
    a_condition_fails_on_what_came_after_it,
    a_retry_is_answered_as_the_first_time,
    a_claim_is_held_by_one,
    nothing_is_seen_before_it_is_durable,
    a_subscriber_sees_each_event_once,
    a_log_that_was_closed_is_there_again_or_was_never_meant_to,
);

fn event(id: u128) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(id + 1),
        kind: EventType::new(if id.is_multiple_of(2) { "Even" } else { "Odd" }, 1).unwrap(),
        data: serde_json::from_str(&format!(r#"{{"n":{id}}}"#)).unwrap(),
        metadata: None,
        tags: vec![format!("n:{id}").parse().unwrap()],
    }
}

fn to(stream: &str, expected: ExpectedRevision, ids: impl IntoIterator<Item = u128>) -> StreamAppend {
    StreamAppend { stream: stream.parse().unwrap(), expected, events: ids.into_iter().map(event).collect() }
}

fn request(stream: &str, expected: ExpectedRevision, ids: impl IntoIterator<Item = u128>) -> AppendRequest {
    vec![to(stream, expected, ids)].into()
}

fn all(log: &Log) -> Vec<Recorded> {
    log.read(Position(0), Direction::Forwards, usize::MAX).unwrap()
}

fn rejection(error: AppendError) -> Rejection {
    match error {
        AppendError::Rejected(rejection) => rejection,
        other => panic!("{other}"),
    }
}

fn assert_sound(log: &Log, events: usize) {
    let report = log.verify(|_| {}).unwrap();
    assert_eq!((report.events, report.faults), (events as u64, 0), "{:?}", report.named);
    let positions: Vec<_> = all(log).iter().map(|event| event.position.0).collect();
    assert_eq!(positions, (0..events as u64).collect::<Vec<_>>());
}

async fn what_is_appended_is_read_in_order_and_without_a_gap(home: impl Home) {
    const CLIENTS: u128 = 8;
    const APPENDS: u128 = 40;
    let log = home.open(Durability::Sync);
    let client = |client: u128| {
        let log = log.clone();
        tokio::spawn(async move {
            for n in 0..APPENDS {
                let id = client * APPENDS + n;
                // A stream of its own, where it knows the revision, and one that it shares with all.
                let expected = if n == 0 { NoStream } else { Exactly(Revision(n as u64 - 1)) };
                let appends = vec![to(&format!("own-{client}"), expected, [id]), to("shared", Any, [id + (1 << 64)])];
                let appended = log.append(appends.into()).await.unwrap();
                assert!(log.progress().includes(appended.last), "it is answered once it is durable");
                let found = log.event(appended.first).unwrap().unwrap();
                assert_eq!((found.id, found.revision), (event(id).id, Revision(n as u64)));
            }
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    for client in clients {
        client.await.unwrap();
    }
    let events = (2 * CLIENTS * APPENDS) as usize;
    assert_sound(&log, events);
    let shared = log.read_stream(&"shared".parse().unwrap(), Revision(0), Direction::Forwards, usize::MAX).unwrap();
    assert_eq!(shared.len(), events / 2);
    assert!(shared.iter().zip(0..).all(|(event, revision)| event.revision == Revision(revision)));
    assert!(shared.is_sorted_by_key(|event| event.position));
}

async fn an_expected_revision_holds_just_when_it_says(home: impl Home) {
    let log = home.open(Durability::Sync);
    let mut id = 0;
    let mut append = async |expected| {
        id += 1;
        log.append(request("s", expected, [id])).await.map_err(rejection).map(|appended| appended.first.0)
    };
    assert_eq!(append(Exists).await.unwrap_err().wrong_revisions[0].current, None);
    assert!(append(Exactly(Revision(0))).await.is_err());
    assert_eq!(append(NoStream).await, Ok(0));
    assert_eq!(append(NoStream).await.unwrap_err().wrong_revisions[0].current, Some(Revision(0)));
    assert_eq!(append(Exists).await, Ok(1));
    assert!(append(Exactly(Revision(0))).await.is_err());
    assert_eq!(append(Exactly(Revision(1))).await, Ok(2));
    assert_eq!(append(Any).await, Ok(3));
    assert_sound(&log, 4);
}

async fn a_condition_fails_on_what_came_after_it(home: impl Home) {
    let log = home.open(Durability::Sync);
    log.append(request("s", Any, [0, 1, 2])).await.unwrap();
    let append = async |id, tag: &str, after: Option<u64>| {
        let selection = Selection { items: vec![Item::new(["Odd"], [tag]).unwrap()] };
        let condition = Some(Condition { selection, after: after.map(Position) });
        log.append(AppendRequest { condition, ..request("t", Any, [id]) }).await.map_err(rejection)
    };
    assert_eq!(append(10, "n:1", None).await.unwrap_err().matched, Some(Position(1)));
    assert_eq!(append(11, "n:1", Some(0)).await.unwrap_err().matched, Some(Position(1)));
    assert_eq!(append(12, "n:1", Some(1)).await.unwrap().first, Position(3));
    assert_eq!(append(13, "n:2", None).await.unwrap().first, Position(4), "that one is even");
    assert_sound(&log, 5);
}

async fn a_retry_is_answered_as_the_first_time(home: impl Home) {
    let log = home.open(Durability::Sync);
    let first = log.append(request("s", Any, [1, 2])).await.unwrap();
    let again = log.append(request("s", NoStream, [1, 2])).await.unwrap();
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.first, again.last, again.streams), (first.first, first.last, first.streams));
    let taken = rejection(log.append(request("other", Any, [2, 3])).await.unwrap_err());
    assert_eq!(taken.reused_ids[0].position, Some(Position(1)));
    let keyed = |id, content| AppendRequest {
        key: Some(IdempotencyKey { key: "k".to_owned(), fingerprint: [content; 32] }),
        ..request("s", Any, [id])
    };
    let first = log.append(keyed(7, 1)).await.unwrap();
    let again = log.append(keyed(8, 1)).await.unwrap();
    assert_eq!((again.duplicate, again.first), (true, first.first));
    assert_eq!(rejection(log.append(keyed(9, 2)).await.unwrap_err()).key_reused, Some(first.first));
    assert_sound(&log, 3);
}

async fn a_claim_is_held_by_one(home: impl Home) {
    let log = home.open(Durability::Sync);
    let key = ClaimKey::new("email", "ann@example.org").unwrap();
    let claim = |owner: &str| vec![Claim { key: key.clone(), owner: owner.parse().unwrap() }];
    let append = async |id, claims| log.append(AppendRequest { claims, ..request("s", Any, [id]) }).await;
    append(1, Claims { take: claim("ann"), release: vec![] }).await.unwrap();
    let refused = rejection(append(2, Claims { take: claim("bob"), release: vec![] }).await.unwrap_err());
    assert_eq!(refused.claims[0].holder.as_ref().unwrap().as_str(), "ann");
    append(3, Claims { take: claim("bob"), release: claim("ann") }).await.unwrap();
    let held = log.claim(&key).unwrap().unwrap();
    assert_eq!((held.owner.as_str(), held.since), ("bob", Position(1)));
    assert_sound(&log, 2);
}

async fn nothing_is_seen_before_it_is_durable<P: Home>(home: P) {
    let log = home.open(NEVER);
    let watch = log.watch();
    let appended = log.append(request("s", Any, [1, 2])).await.unwrap();
    assert_eq!(appended.last, Position(1));
    assert_eq!((log.progress(), watch.has_changed().unwrap()), (Progress(0), false));
    assert!(all(&log).is_empty() && log.event(Position(0)).unwrap().is_none());
    let stream = "s".parse().unwrap();
    assert_eq!(log.stream_head(&stream).unwrap(), None);
    assert!(log.read_stream(&stream, Revision(0), Direction::Forwards, 10).unwrap().is_empty());
    // The writer knows of it all the same.
    log.append(request("s", Exactly(Revision(1)), [3])).await.unwrap();
    assert_eq!(log.append(request("s", Any, [1, 2])).await.unwrap().first, Position(0));

    let other = P::new();
    let soon = other.open(Durability::Interval(1));
    soon.append(request("s", Any, [1, 2])).await.unwrap();
    soon.settled().await.unwrap();
    assert_eq!(soon.progress(), Progress(2));
    assert_sound(&soon, 2);
}

async fn a_subscriber_sees_each_event_once(home: impl Home) {
    const EVENTS: u64 = 200;
    for durability in [Durability::Sync, Durability::Interval(1)] {
        let log = home.open(durability);
        let start = log.progress().0;
        let subscribed = log.clone();
        let subscriber = tokio::spawn(async move {
            let mut durable = subscribed.watch();
            let mut seen = Vec::new();
            while (seen.len() as u64) < EVENTS {
                let next = Position(start + seen.len() as u64);
                let upto = *durable.wait_for(|progress| progress.includes(next)).await.unwrap();
                let found = subscribed.read(next, Direction::Forwards, usize::MAX).unwrap();
                assert!(found.len() as u64 >= upto.0 - next.0, "all that it was told of is there");
                assert!(found.iter().all(|event| subscribed.progress().includes(event.position)));
                seen.extend(found.into_iter().map(|event| event.position.0));
            }
            seen
        });
        let append = |client: u64| {
            let log = log.clone();
            tokio::spawn(async move {
                for n in (client..EVENTS).step_by(4) {
                    log.append(request("s", Any, [u128::from(start + n)])).await.unwrap();
                }
            })
        };
        let clients: Vec<_> = (0..4).map(append).collect();
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(subscriber.await.unwrap(), (start..start + EVENTS).collect::<Vec<_>>());
    }
}

async fn a_log_that_was_closed_is_there_again_or_was_never_meant_to<P: Home>(home: P) {
    for (round, durability) in [Durability::Sync, NEVER, Durability::Sync].into_iter().enumerate() {
        let log = home.open(durability);
        let before = if P::KEEPS { 3 * round } else { 0 };
        assert_sound(&log, before);
        let id = 10 * round as u128;
        let expected = if before == 0 { NoStream } else { Exactly(Revision(before as u64 - 1)) };
        let appended = log.append(request("s", expected, [id, id + 1, id + 2])).await.unwrap();
        assert_eq!(appended.first, Position(before as u64));
    }
    // What was acknowledged is known, even if it was closed before a sync of its own.
    let log = home.open(Durability::Sync);
    let again = log.append(request("s", Any, [10, 11, 12])).await.unwrap();
    assert_eq!((again.duplicate, again.first), if P::KEEPS { (true, Position(3)) } else { (false, Position(0)) });
}
