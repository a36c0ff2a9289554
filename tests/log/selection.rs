//! Reading by type, tag and stream prefix, conditions and claims, against models of a few lines, and under races.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;
use kinora_log::{
    AppendError, AppendRequest, Claim, ClaimKey, Claims, Condition, Filter, Item, Log, Rejection, SearchRange,
    Selection, Streams,
};
use kinora_tests::{event, open, property, to};
use kinora_types::ExpectedRevision::{Any, NoStream};
use kinora_types::{Direction, EventType, NewEvent, Position, Progress};
use proptest::prelude::*;

/// The last one is not asked for.
const TYPES: [&str; 4] = ["A", "AB", "B", "Filler"];
const ASKED_FOR: usize = 3;

const FILLER_EVENTS: u64 = 600;
const TAGS: [&str; 4] = ["x", "x:1", "x:2", "y"];
const STREAMS: [&str; 3] = ["car-1", "car-10", "cat-1"];

/// Stream, and type and tags as indexes.
#[derive(Clone, Debug)]
struct Known {
    stream: String,
    kind: usize,
    tags: HashSet<usize>,
}

impl Known {
    fn to_event(&self, id: u128) -> NewEvent {
        let tags = self.tags.iter().map(|tag| TAGS[*tag].parse().unwrap()).collect();
        NewEvent { kind: EventType::new(TYPES[self.kind], 1).unwrap(), tags, ..event(id, 0) }
    }

    fn matches(&self, items: &[(HashSet<usize>, HashSet<usize>)]) -> bool {
        items.iter().any(|(types, tags)| (types.is_empty() || types.contains(&self.kind)) && tags.is_subset(&self.tags))
    }
}

type Items = Vec<(HashSet<usize>, HashSet<usize>)>;

fn selection(items: &Items) -> Selection {
    let item = |(types, tags): &(HashSet<usize>, HashSet<usize>)| {
        Item::new(types.iter().map(|kind| TYPES[*kind]), tags.iter().map(|tag| TAGS[*tag])).unwrap()
    };
    Selection { items: items.iter().map(item).collect() }
}

fn some(of: usize, most: usize) -> impl Strategy<Value = HashSet<usize>> {
    prop::collection::hash_set(0..of, 0..=most)
}

fn known() -> impl Strategy<Value = Known> {
    (0..STREAMS.len(), 0..ASKED_FOR, some(TAGS.len(), 3)).prop_map(|(stream, kind, tags)| Known {
        stream: STREAMS[stream].to_owned(),
        kind,
        tags,
    })
}

fn items() -> impl Strategy<Value = Items> {
    prop::collection::vec((some(ASKED_FOR, 2), some(TAGS.len(), 2)), 1..3)
}

/// Events, and the condition to append them on: items, and how far before the end it looks.
type Request = (Vec<Known>, Option<(Items, u64)>);

fn groups() -> impl Strategy<Value = Vec<Vec<Request>>> {
    let condition = prop::option::of((items(), 0..12_u64));
    let request = (prop::collection::vec(known(), 1..5), condition);
    prop::collection::vec(prop::collection::vec(request, 1..6), 1..12)
}

fn rejection(error: AppendError) -> Rejection {
    match error {
        AppendError::Rejected(rejection) => rejection,
        other => panic!("{other}"),
    }
}

fn claim(value: &str, owner: &str) -> Claim {
    Claim { key: ClaimKey::new("seat", value).unwrap(), owner: owner.parse().unwrap() }
}

fn claiming(id: u128, claims: Claims) -> AppendRequest {
    AppendRequest { claims, ..vec![to("s", Any, vec![event(id, 0)])].into() }
}

proptest! {
    #![proptest_config(property(48))]

    #[test]
    fn conditions_and_filtered_reads_do_what_the_model_does(
        groups in groups(),
        filters in prop::collection::vec(
            (prop::option::of(items()), 0..9_usize, 0..680_u64, any::<bool>(), 1..9_usize),
            24,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        // So many events and streams that a search goes by the lists.
        let filler = |n: u64| Known { stream: format!("car-x{}", n % 200), kind: ASKED_FOR, tags: HashSet::new() };
        let mut model: Vec<Known> = (0..FILLER_EVENTS).map(filler).collect();
        let appends = model.iter().zip(1..).map(|(known, id)| to(&known.stream, Any, vec![known.to_event(id)]));
        runtime.block_on(log.append(appends.collect::<Vec<_>>().into())).unwrap();
        let mut id = u128::from(FILLER_EVENTS);
        for group in groups {
            // The requests of a group are queued at once, so that they are decided on top of each other.
            let base = model.len() as u64;
            let requests = group.iter().map(|(events, condition)| {
                let appends = events.iter().map(|known| {
                    id += 1;
                    to(&known.stream, Any, vec![known.to_event(id)])
                });
                let condition = condition.as_ref().map(|(items, back)| Condition {
                    selection: selection(items),
                    after: base.checked_sub(*back).map(Position),
                });
                log.append(AppendRequest { condition, ..appends.collect::<Vec<_>>().into() })
            });
            let requests = requests.collect::<Vec<_>>();
            let answers = runtime.block_on(join_all(requests));
            for ((events, condition), answer) in group.iter().zip(answers) {
                let matched = condition.as_ref().and_then(|(items, back)| {
                    let from = base.checked_sub(*back).map_or(0, |after| after + 1) as usize;
                    (from..model.len()).find(|at| model[*at].matches(items))
                });
                match (matched, answer) {
                    (None, Ok(appended)) => {
                        prop_assert_eq!(appended.first.0, model.len() as u64);
                        model.extend(events.iter().cloned());
                    }
                    (Some(at), Err(error)) => prop_assert_eq!(rejection(error).matched, Some(Position(at as u64))),
                    (expected, answer) => prop_assert!(false, "{:?} but {:?}", expected, answer),
                }
            }
        }
        for (items, prefix, from, forwards, limit) in filters {
            let (prefix, one) = [
                (None, None), (Some("c"), None), (Some("car-"), None), (Some("car-1"), None), (Some("cat"), None),
                (Some("car-x1"), None), (Some("dog"), None), (None, Some("car-1")), (None, Some("car-x7")),
            ][prefix];
            let wanted = |at: &u64| {
                let known = &model[*at as usize];
                items.as_ref().is_none_or(|items| known.matches(items))
                    && prefix.is_none_or(|prefix| known.stream.starts_with(prefix))
                    && one.is_none_or(|one| known.stream == one)
            };
            let end = model.len() as u64;
            let expected: Vec<u64> = if forwards {
                (from..end).filter(wanted).collect()
            } else {
                (0..end.min(from + 1)).rev().filter(wanted).collect()
            };
            let streams = match (prefix, one) {
                (Some(prefix), _) => Streams::Prefix(prefix.to_owned()),
                (None, Some(one)) => Streams::One(one.parse().unwrap()),
                (None, None) => Streams::All,
            };
            let filter = Filter { streams, selection: items.as_ref().map(selection) };
            let direction = if forwards { Direction::Forwards } else { Direction::Backwards };
            let (mut found, mut next) = (Vec::new(), Some(Position(from)));
            while let Some(at) = next {
                let range = SearchRange { from: at, upto: Progress(u64::MAX), direction, limit };
                let page = log.select(&filter, range).unwrap();
                prop_assert!(page.events.len() <= limit);
                found.extend(page.events.iter().map(|event| event.position.0));
                next = page.next;
            }
            prop_assert_eq!(found, expected, "{:?} {:?} from {} {:?}", items, prefix, from, direction);
        }
    }

    #[test]
    fn claims_do_what_the_model_does(
        steps in prop::collection::vec(
            (prop::collection::vec((any::<bool>(), 0..3_usize, 0..3_usize), 1..4), any::<bool>()),
            1..30,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path());
        let mut model: HashMap<usize, (usize, u64)> = HashMap::new();
        for (number, (claims, reopen)) in steps.into_iter().enumerate() {
            let of = |take: bool| claims.iter().filter(move |claim| claim.0 == take);
            let as_claim = |(_, value, owner): &(bool, usize, usize)| claim(&value.to_string(), &owner.to_string());
            let as_claims = |take| of(take).map(as_claim).collect();
            let head = log.progress().0;
            let request = claiming(number as u128 + 1, Claims { release: as_claims(false), take: as_claims(true) });
            let answer = runtime.block_on(log.append(request));
            let (mut after, mut failed) = (model.clone(), 0);
            for (take, value, owner) in of(false).chain(of(true)) {
                let holder = after.get(value).map(|held| held.0);
                if holder == Some(*owner) || (*take && holder.is_none()) {
                    if *take { after.insert(*value, (*owner, head)); } else { after.remove(value); }
                } else {
                    failed += 1;
                }
            }
            match answer {
                Ok(_) => { prop_assert_eq!(failed, 0); model = after; }
                Err(error) => prop_assert_eq!(rejection(error).claims.len(), failed),
            }
            if reopen {
                drop(log);
                log = open(dir.path());
            }
            for value in 0..3 {
                let held = log.claim(&ClaimKey::new("seat", &value.to_string()).unwrap()).unwrap();
                let held = held.map(|held| (held.owner.as_str().parse().unwrap(), held.since.0));
                prop_assert_eq!(held, model.get(&value).copied());
            }
        }
    }
}

/// Runs `attempt` for 64 clients at once, and counts those that succeed.
async fn race(log: &Log, attempt: impl Fn(u128) -> AppendRequest) -> usize {
    let tasks = (1..=64).map(|id| {
        let (log, request) = (log.clone(), attempt(id));
        tokio::spawn(async move { log.append(request).await.is_ok() })
    });
    join_all(tasks).await.into_iter().filter(|won| *won.as_ref().unwrap()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_that_race_for_the_same_just_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for round in 0..20_u128 {
        let id = |client: u128| round * 1_000 + client;
        let tag = format!("seat:{round}");
        let booking = Known { stream: STREAMS[0].to_owned(), kind: 0, tags: HashSet::new() };
        let on_condition = |client| {
            let event = NewEvent { tags: vec![tag.parse().unwrap()], ..booking.to_event(id(client)) };
            let selection = Selection { items: vec![Item::new(["A"], [&*tag]).unwrap()] };
            let condition = Some(Condition { selection, after: None });
            AppendRequest { condition, ..vec![to(&format!("user-{client}"), Any, vec![event])].into() }
        };
        assert_eq!(race(&log, on_condition).await, 1);
        let with_claim = |client: u128| {
            let take = vec![claim(&round.to_string(), &format!("user-{client}"))];
            claiming(id(client) + 100, Claims { take, ..Claims::default() })
        };
        assert_eq!(race(&log, with_claim).await, 1);
        let new_stream = |client| vec![to(&format!("new-{round}"), NoStream, vec![event(id(client) + 200, 0)])].into();
        assert_eq!(race(&log, new_stream).await, 1);
    }
}

#[tokio::test]
async fn a_rejection_names_the_condition_the_claims_and_the_revisions_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let take = vec![claim("12A", "ann")];
    log.append(claiming(1, Claims { take: take.clone(), ..Claims::default() })).await.unwrap();
    let request = || AppendRequest {
        appends: vec![to("s", NoStream, vec![]), to("t", Any, vec![event(2, 0)])],
        condition: Some(Condition { selection: Selection { items: vec![Item::default()] }, after: None }),
        claims: Claims { release: vec![claim("12B", "ann")], take: vec![claim("12A", "bob")] },
        ..AppendRequest::default()
    };
    let rejection = rejection(log.append(request()).await.unwrap_err());
    assert_eq!(rejection.wrong_revisions.len(), 1);
    assert_eq!(rejection.matched, Some(Position(0)));
    assert_eq!(
        rejection.to_string(),
        "stream s was expected at no_stream, but it is at revision 0; the condition does not hold: the event at \
         position 0 matches it; the claim \"12B\" of seat cannot be released by ann: nobody holds it; the claim \
         \"12A\" of seat cannot be taken by bob: ann holds it"
    );
    assert_eq!(log.progress(), Progress(1));

    // Handed over in one append, and a retry of it is no second one.
    let over = || Claims { release: take.clone(), take: vec![claim("12A", "bob")] };
    assert!(!log.append(claiming(3, over())).await.unwrap().duplicate);
    assert!(log.append(claiming(3, over())).await.unwrap().duplicate);
    assert_eq!(log.claim(&take[0].key).unwrap().unwrap().owner.as_str(), "bob");
}

#[tokio::test]
async fn a_search_for_what_never_comes_together_goes_in_steps() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    // Two lists that are long, and have no event in common.
    let known = |n: u64| Known { stream: "a".into(), kind: (n % 2) as usize, tags: HashSet::from([(n % 2) as usize]) };
    for from in (0..30_000_u64).step_by(10_000) {
        let events = (from..from + 10_000).map(|n| known(n).to_event(u128::from(n) + 1)).collect();
        log.append(vec![to("a", Any, events)].into()).await.unwrap();
    }
    for direction in [Direction::Forwards, Direction::Backwards] {
        let filter = Filter { selection: Some(selection(&vec![([0].into(), [1].into())])), ..Filter::default() };
        let from = if direction == Direction::Forwards { Position(0) } else { Position(u64::MAX) };
        let (mut next, mut steps) = (Some(from), 0);
        while let Some(from) = next {
            let range = SearchRange { from, upto: Progress(u64::MAX), direction, limit: 10 };
            let found = log.select(&filter, range).unwrap();
            assert!(found.events.is_empty());
            (next, steps) = (found.next, steps + 1);
        }
        assert!(steps > 1, "it was one step, {direction:?}");
    }
}
