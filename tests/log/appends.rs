//! The promises of an append, one case at a time.

use std::path::Path;

use kinora_log::{
    AppendError, AppendRequest, Condition, Durability, IdReused, Item, Limits, Log, Options, Rejection, Selection,
};
use kinora_storage::Storage;
use kinora_tests::{event, everything, open, request, to};
use kinora_types::ExpectedRevision::{Any, Exactly, Exists, NoStream};
use kinora_types::{Direction, NewEvent, Position, Progress, Revision};
use uuid::Uuid;

fn rejection(error: AppendError) -> Rejection {
    match error {
        AppendError::Rejected(rejection) => rejection,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn each_expected_revision_holds_just_when_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut id = 0;
    let mut append = async |expected| {
        id += 1;
        log.append(request("s", expected, vec![event(id, 0)])).await.is_ok()
    };
    assert!(!append(Exists).await);
    assert!(!append(Exactly(Revision(0))).await);
    assert!(append(NoStream).await);
    assert!(!append(NoStream).await);
    assert!(append(Exists).await);
    assert!(!append(Exactly(Revision(0))).await);
    assert!(append(Exactly(Revision(1))).await);
    assert!(append(Any).await);
    assert_eq!(log.stream_head(&"s".parse().unwrap()).unwrap(), Some(Revision(3)));
}

#[tokio::test]
async fn a_rejection_names_every_failing_check_and_appends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(request("a", Any, vec![event(1, 1)])).await.unwrap();
    let appends = vec![
        to("a", NoStream, vec![event(2, 2)]),
        to("b", Exactly(Revision(4)), vec![event(3, 3), event(3, 3)]),
        to("c", Any, vec![event(1, 999)]),
    ];
    let rejection = rejection(log.append(AppendRequest::from(appends)).await.unwrap_err());
    let wrong: Vec<_> = rejection.wrong_revisions.iter().map(|wrong| (wrong.stream.as_str(), wrong.current)).collect();
    assert_eq!(wrong, [("a", Some(Revision(0))), ("b", None)]);
    let taken = |id, position: Option<u64>| IdReused { id: Uuid::from_u128(id), position: position.map(Position) };
    assert_eq!(rejection.reused_ids, [taken(3, None), taken(1, Some(0))]);
    assert_eq!(log.progress(), Progress(1));
    assert_eq!(log.stream_head(&"c".parse().unwrap()).unwrap(), None);
}

#[tokio::test]
async fn a_retried_append_answers_as_the_first_did() {
    let dir = tempfile::tempdir().unwrap();
    let transaction = || {
        AppendRequest::from(vec![
            to("a", NoStream, vec![event(1, 1), event(2, 2)]),
            to("b", NoStream, vec![event(3, 3)]),
        ])
    };
    let first = {
        let log = open(dir.path());
        let first = log.append(transaction()).await.unwrap();
        log.append(request("a", Any, vec![event(4, 4)])).await.unwrap();
        first
    };
    let log = open(dir.path());
    let again = log.append(transaction()).await.unwrap();
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.first, again.last, again.streams), (first.first, first.last, first.streams));
    assert_eq!(everything(&log).len(), 4);
}

#[tokio::test]
async fn an_id_with_other_content_is_refused_with_its_position() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(request("a", Any, vec![event(1, 1), event(2, 2)])).await.unwrap();
    for (stream, content) in [("a", 3), ("b", 2)] {
        let error = log.append(request(stream, Any, vec![event(2, content)])).await.unwrap_err();
        assert_eq!(rejection(error).reused_ids, [IdReused { id: Uuid::from_u128(2), position: Some(Position(1)) }]);
    }
}

#[tokio::test]
async fn a_request_that_begins_with_known_events_is_taken_for_its_rest() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(request("a", NoStream, vec![event(1, 1)])).await.unwrap();
    log.append(request("b", Any, vec![event(9, 9)])).await.unwrap();
    // As it would have been, had it come as one request.
    let longer = || request("a", NoStream, vec![event(1, 1), event(2, 2)]);
    let appended = log.append(longer()).await.unwrap();
    let expected = |first, known, duplicate| {
        let streams = vec![("a".parse().unwrap(), Revision(1))];
        kinora_log::Appended { first: Position(first), last: Position(2), streams, known, duplicate }
    };
    assert_eq!(appended, expected(2, 1, false));
    assert_eq!(log.append(longer()).await.unwrap(), expected(0, 2, true), "events of others stand between");
    assert_eq!(everything(&log).len(), 3);
}

#[tokio::test]
async fn what_does_not_go_on_where_known_events_end_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(request("a", Any, vec![event(1, 1), event(2, 2)])).await.unwrap();
    let condition = Condition { selection: Selection { items: vec![Item::new(["X"], []).unwrap()] }, after: None };
    let in_part = request("a", Any, vec![event(1, 1), event(3, 3)]);
    for request in [
        request("a", Any, vec![event(3, 3), event(1, 1)]),
        request("a", Any, vec![event(2, 2), event(1, 1)]),
        request("a", Any, vec![event(2, 2), event(1, 1), event(3, 3)]),
        AppendRequest { condition: Some(condition), ..in_part.clone() },
    ] {
        let rejection = rejection(log.append(request).await.unwrap_err());
        let known = rejection.partly_known.as_ref().unwrap();
        assert!(known.events > 0 && rejection.reused_ids.is_empty());
        assert!(rejection.to_string().contains("events are in the log already"), "{rejection}");
    }
    // Somebody else has appended since, and that is not what was expected.
    let error = log.append(request("a", NoStream, vec![event(1, 1), event(3, 3)])).await.unwrap_err();
    assert_eq!(rejection(error).wrong_revisions[0].current, Some(Revision(1)));
    assert_eq!(everything(&log).len(), 2);
    log.append(in_part).await.unwrap();
}

#[tokio::test]
async fn a_rejection_of_thousands_of_events_is_short() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let events = |content| (1..1_000).map(|id| event(id, content)).collect::<Vec<_>>();
    log.append(request("a", Any, events(1))).await.unwrap();
    let rejection = rejection(log.append(request("a", Any, events(2))).await.unwrap_err());
    let text = rejection.to_string();
    assert!(rejection.reused_ids.len() == 999 && text.ends_with("and 989 more of this kind"), "{text}");
    assert!(text.len() < 2_000, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_on_one_stream_lose_no_update() {
    const CLIENTS: u128 = 64;
    const EACH: u128 = 10;
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let clients = (0..CLIENTS).map(|client| {
        let log = log.clone();
        tokio::spawn(async move {
            for n in 0..EACH {
                loop {
                    let head = log.stream_head(&"s".parse().unwrap()).unwrap();
                    let event = event(client * EACH + n + 1, head.map_or(0, |head| head.0 + 1));
                    match log.append(request("s", head.map_or(NoStream, Exactly), vec![event])).await {
                        Ok(_) => break,
                        Err(AppendError::Rejected(_)) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let all = everything(&log);
    assert_eq!(all.len() as u128, CLIENTS * EACH);
    for (n, event) in all.iter().enumerate() {
        assert_eq!(event.data, format!(r#"{{"n":{n}}}"#), "each client saw the update before its own");
    }
}

#[tokio::test]
async fn streams_and_the_log_read_the_same_in_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..20 {
        log.append(request(["a", "ab", "b"][n as usize % 3], Any, vec![event(u128::from(n) + 1, n)])).await.unwrap();
    }
    let positions = |found: Vec<kinora_log::Recorded>| found.iter().map(|e| e.position.0).collect::<Vec<_>>();
    let name = "ab".parse().unwrap();
    assert_eq!(positions(log.read_stream(&name, Revision(1), Direction::Forwards, 3).unwrap()), [4, 7, 10]);
    assert_eq!(positions(log.read_stream(&name, Revision(1), Direction::Backwards, 9).unwrap()), [4, 1]);
    assert_eq!(positions(log.read_stream(&name, Revision(u64::MAX), Direction::Backwards, 2).unwrap()), [19, 16]);
    assert_eq!(positions(log.read(Position(18), Direction::Forwards, 9).unwrap()), [18, 19]);
    assert_eq!(positions(log.read(Position(1), Direction::Backwards, 9).unwrap()), [1, 0]);
    assert_eq!(positions(log.read(Position(99), Direction::Backwards, 2).unwrap()), [19, 18]);
}

#[tokio::test]
async fn what_is_over_a_limit_is_refused_with_both_figures() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { request_events: 2, event_bytes: 8, event_tags: 1, ..Limits::default() };
    let log = Log::open(&Storage::default(), dir.path(), limits).unwrap();
    let append = async |events| log.append(request("s", Any, events)).await;
    let too_many = append(vec![event(1, 1), event(2, 2), event(3, 3)]).await.unwrap_err().to_string();
    assert_eq!(too_many, "3 events of a request, the limit is 2");
    let too_large = append(vec![event(1, 12345)]).await.unwrap_err().to_string();
    assert_eq!(too_large, "11 bytes of an event's data, the limit is 8");
    assert!(matches!(append(vec![]).await, Err(AppendError::Empty)));
    assert!(append(vec![event(1, 1), event(2, 2)]).await.is_ok());
}

#[tokio::test]
async fn a_second_host_on_the_same_log_is_refused_and_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let _log = open(dir.path());
    let Err(error) = Log::open(&Storage::default(), dir.path(), Limits::default()) else { panic!("it opened twice") };
    assert!(error.to_string().contains("another process"), "{error}");
}

/// Many appends one after the other are quicker where none of them waits for the disk.
fn open_with_syncs_put_off(dir: &Path) -> Log {
    let options = Options { durability: Durability::Interval(5), ..Options::default() };
    Log::open(&Storage::default(), dir, options).unwrap()
}

/// The writer remembers what was used lately, and asks the database, through an iterator that it keeps, about the rest.
#[tokio::test]
async fn a_tag_is_known_to_be_used_however_long_ago() {
    const ROUNDS: u64 = 36_000;
    let dir = tempfile::tempdir().unwrap();
    let log = open_with_syncs_put_off(dir.path());
    let tagged = |tag: &str, unused: bool| {
        let items = vec![Item::new([], [tag]).unwrap()];
        let condition = unused.then_some(Condition { selection: Selection { items }, after: None });
        let event = NewEvent { id: Uuid::new_v4(), tags: vec![tag.parse().unwrap()], ..event(0, 0) };
        AppendRequest { condition, ..vec![to("s", Any, vec![event])].into() }
    };
    let mut used: Vec<(String, Position)> = Vec::new();
    for round in 0..ROUNDS {
        for (tag, unused) in [(format!("if-unused:{round}"), true), (format!("anyway:{round}"), false)] {
            let appended = log.append(tagged(&tag, unused)).await.unwrap();
            used.push((tag, appended.first));
        }
        for ago in [1, 2, 300, 9_000, 17_000, 33_000, 70_000] {
            // Not each time, since that takes long; both kinds of tags, since the numbers are odd and even.
            if round % 97 == ago as u64 % 97
                && let Some(before) = used.len().checked_sub(ago)
            {
                let (tag, position) = &used[before];
                let refused = rejection(log.append(tagged(tag, true)).await.unwrap_err());
                assert_eq!(refused.matched, Some(*position), "{tag}, {ago} events ago");
            }
        }
    }
}

#[tokio::test]
async fn the_head_of_a_stream_is_known_however_long_ago_it_was_appended_to() {
    const STREAMS: usize = 24_000;
    let dir = tempfile::tempdir().unwrap();
    let log = open_with_syncs_put_off(dir.path());
    let mut heads: Vec<u64> = Vec::new();
    for round in 0..3 * STREAMS {
        // A new stream at first, then one of long ago; and each time one that may or may not be remembered.
        let (new, other) = (round.min(STREAMS), round * 7_919 % heads.len().max(1));
        let stream = if new < STREAMS { new } else { round % STREAMS };
        for stream in [stream, other] {
            let expected = heads.get(stream).map_or(NoStream, |head| Exactly(Revision(*head)));
            let event = NewEvent { id: Uuid::new_v4(), ..event(0, 0) };
            let name = format!("s-{stream}");
            log.append(request(&name, expected, vec![event])).await.unwrap();
            match heads.get_mut(stream) {
                Some(head) => *head += 1,
                None => heads.push(0),
            }
        }
    }
}
