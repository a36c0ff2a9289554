//! The end of a log whose disk failed, and bounds of what requests may ask of one that works.

use std::time::Duration;

use kinora_log::{
    AppendError, AppendRequest, Claim, ClaimKey, Claims, Condition, Error, Item, Limits, Log, Options, Selection,
    simulation,
};
use kinora_storage::Storage;
use kinora_tests::{event, open, request, to};
use kinora_types::ExpectedRevision::{Any, NoStream};
use kinora_types::{EventType, Micros, NewEvent, Position};

fn with(dir: &std::path::Path, limits: Limits) -> Log {
    Log::open(&Storage::default(), dir, limits).unwrap()
}

fn typed(id: u128, kind: &str, tags: &[&str]) -> NewEvent {
    let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
    NewEvent { kind: EventType::new(kind, 1).unwrap(), tags, ..event(id, 0) }
}

fn condition(types: &[&str], tags: &[&str]) -> Option<Condition> {
    let items = vec![Item::new(types.iter().copied(), tags.iter().copied()).unwrap()];
    Some(Condition { selection: Selection { items }, after: None })
}

#[tokio::test]
async fn a_poisoned_log_says_so_and_nobody_waits_for_it_in_vain() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(request("s", Any, vec![event(1, 1)])).await.unwrap();
    assert!(log.poisoned().is_none() && log.settled().await.is_ok());
    let (waiting, watching) = (log.clone(), log.clone());
    let never = tokio::spawn(async move { waiting.never_has(Position(1)).await });
    let told = tokio::spawn(async move { watching.until_poisoned().await });
    let there = log.never_has(Position(0));
    simulation::crash(log.clone());
    assert!(matches!(never.await.unwrap(), Error::Poisoned(_)));
    assert_eq!(&*told.await.unwrap(), "it has crashed");
    assert_eq!(log.poisoned().as_deref(), Some("it has crashed"));
    assert!(tokio::time::timeout(Duration::from_millis(20), there).await.is_err(), "it is durable");
    assert!(matches!(log.append(request("s", Any, vec![event(2, 2)])).await, Err(AppendError::Poisoned)));
    // What is durable is there, whatever has failed since.
    assert!(log.settled().await.is_ok());
}

#[tokio::test]
async fn streams_that_are_only_checked_and_names_count() {
    let dir = tempfile::tempdir().unwrap();
    let log = with(dir.path(), Limits { request_streams: 3, request_bytes: 100, ..Limits::default() });
    let checks = |streams: usize| {
        let mut appends: Vec<_> = (1..streams).map(|n| to(&format!("c{n}"), NoStream, vec![])).collect();
        appends.push(to("s", Any, vec![event(streams as u128, 1)]));
        AppendRequest::from(appends)
    };
    log.append(checks(3)).await.unwrap();
    let refused = log.append(checks(4)).await.unwrap_err().to_string();
    assert_eq!(refused, "4 streams of a request, the limit is 3");
    let long = "x".repeat(100);
    let claims = Claims {
        take: vec![Claim { key: ClaimKey::new("s", &long).unwrap(), owner: "s".parse().unwrap() }],
        ..Claims::default()
    };
    let small = || request("s", Any, vec![event(9, 1)]);
    let named: [(&str, AppendRequest); 5] = [
        ("stream", request(&long, Any, vec![event(9, 1)])),
        ("type", request("s", Any, vec![typed(9, &long, &[])])),
        ("tag", request("s", Any, vec![typed(9, "T", &[&long])])),
        ("claim", AppendRequest { claims, ..small() }),
        ("condition", AppendRequest { condition: condition(&[], &[&long]), ..small() }),
    ];
    for (what, request) in named {
        let refused = log.append(request).await.unwrap_err().to_string();
        assert!(refused.contains("bytes of a request, the limit is 100"), "{what}: {refused}");
    }
    log.append(small()).await.unwrap();
}

#[tokio::test]
async fn a_log_has_no_more_types_than_its_limit_and_goes_on_with_those_that_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let log = with(dir.path(), Limits { types: 4, ..Limits::default() });
    let of = |ids: std::ops::Range<u128>, kind: fn(u128) -> String| {
        let events = ids.map(|id| typed(id, &kind(id), &[])).collect();
        request("s", Any, events)
    };
    log.append(of(0..3, |id| format!("T{id}"))).await.unwrap();
    assert_eq!(log.type_count(), 3);
    let refused = log.append(of(10..12, |id| format!("T{id}"))).await.unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { actual: 5, limit: 4, .. }), "{refused}");
    log.append(of(20..30, |id| format!("T{}", id % 4))).await.unwrap();
    log.append(of(30..31, |_| "$kinora.VersionDeployed".to_owned())).await.unwrap();
    assert!(log.append(of(40..41, |_| "T9".to_owned())).await.is_err());
    // Requests of one commit count together.
    let dir = tempfile::tempdir().unwrap();
    let log = with(dir.path(), Limits { types: 4, ..Limits::default() });
    let all = (0..20_u128).map(|id| log.append(request("s", Any, vec![typed(id, &format!("T{id}"), &[])])));
    let made = futures::future::join_all(all).await.into_iter().filter(Result::is_ok).count();
    assert_eq!((made, log.types().unwrap().len()), (4, 4));
    drop(log);
    let log = with(dir.path(), Limits { types: 4, ..Limits::default() });
    assert!(log.append(request("s", Any, vec![typed(90, "T90", &[])])).await.is_err(), "it counts what is there");
}

/// Two frequent lists without a common event.
async fn disjoint(log: &Log, events: u64) {
    let events: Vec<_> =
        (0..events).map(|n| typed(u128::from(n) + 1, "T", &[if n % 2 == 0 { "even" } else { "odd" }])).collect();
    for events in events.chunks(10_000) {
        log.append(request("s", Any, events.to_vec())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_condition_looks_at_is_bounded_and_beside_the_writer() {
    const EVENTS: u64 = 20_000;
    let both = || AppendRequest { condition: condition(&[], &["even", "odd"]), ..request("t", Any, vec![event(0, 0)]) };
    let dir = tempfile::tempdir().unwrap();
    let log = with(dir.path(), Limits { condition_reads: 5_000, ..Limits::default() });
    disjoint(&log, EVENTS).await;
    let refused = log.append(both()).await.unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { limit: 5_000, .. }), "{refused}");
    drop(log);
    // With room for it, it is searched to its end, and decided on top of what came meanwhile.
    let log = open(dir.path());
    assert_eq!(log.append(both()).await.unwrap().first, Position(EVENTS));
    log.append(request("s", Any, vec![typed(1 << 70, "T", &["even", "odd"])])).await.unwrap();
    let third = AppendRequest { condition: condition(&[], &["even", "odd"]), ..request("t", Any, vec![event(7, 7)]) };
    let Err(AppendError::Rejected(rejection)) = log.append(third).await else { panic!("it matches") };
    assert_eq!(rejection.matched, Some(Position(EVENTS + 1)));
}

#[tokio::test]
async fn times_go_on_where_the_clock_is_behind_the_last_event() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(&Storage::default(), dir.path(), Options::default()).unwrap();
    let far = Micros(4_000_000_000_000_000);
    log.import(vec![(request("s", Any, vec![event(1, 1)]), far)]).unwrap();
    for n in 2..5 {
        log.append(request("s", Any, vec![event(n, 1)])).await.unwrap();
    }
    let times: Vec<_> = (0..4).map(|at| log.event(Position(at)).unwrap().unwrap().time.0 - far.0).collect();
    assert_eq!(times, [0, 1, 2, 3]);
    assert!(log.figures().ahead_of_clock > Duration::from_secs(1_000_000));
    assert_eq!(log.position_at(Micros(far.0 + 2)).unwrap(), Position(2));
}

#[tokio::test]
async fn the_figures_of_a_log_are_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..10 {
        log.append(request("s", Any, vec![event(n, 1)])).await.unwrap();
    }
    let figures = log.figures();
    assert!(figures.syncs.count >= 10 && figures.syncs.seconds > 0.0, "{figures:?}");
    assert_eq!((figures.queued_requests, figures.queued_bytes, figures.oldest_queued), (0, 0, Duration::ZERO));
    assert!(figures.journal_bytes >= 256 << 10 && figures.journal_needed_bytes >= 10 * 4096, "{figures:?}");
}
